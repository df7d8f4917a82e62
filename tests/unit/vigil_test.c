/* Waiting awake: only what is asked seldom, and not where it was in vain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/vigil.h"

enum { MS = 1000000 };

static void
what_is_asked_seldom_is_worth_it(void **state)
{
	struct vigil v = {0};

	(void)state;
	for (int64_t now = 1000 * MS; now < 2000 * MS; now += 10 * MS)
		assert_true(vigil_is_worth_it(&v, now));
}

static void
what_is_asked_often_is_not_until_it_pauses(void **state)
{
	struct vigil v = {0};
	int64_t now = 1000 * MS;

	(void)state;
	assert_true(vigil_is_worth_it(&v, now));
	for (int i = 0; i < 1000; i++)
		assert_false(vigil_is_worth_it(&v, now += MS));
	assert_true(vigil_is_worth_it(&v, now + 10 * MS));
}

static void
after_one_in_vain_there_is_none_for_a_while(void **state)
{
	struct vigil v = {0};
	int64_t now = 1000 * MS;
	int n = 0;

	(void)state;
	for (; now < 2000 * MS; now += 10 * MS) {
		if (vigil_is_worth_it(&v, now)) {
			vigil_was_in_vain(&v, now);
			n++;
		}
	}
	assert_in_range(n, 15, 25); /* of 100 */
}

static void
it_ends_with_the_answer_or_soon(void **state)
{
	struct vigil v = {0};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_false(vigil_keep(&v, fds[0])); /* or this would never end */
	assert_int_equal(write(fds[1], "x", 1), 1);
	v = (struct vigil){0};
	assert_true(vigil_keep(&v, fds[0]));
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_asked_seldom_is_worth_it),
	    cmocka_unit_test(what_is_asked_often_is_not_until_it_pauses),
	    cmocka_unit_test(after_one_in_vain_there_is_none_for_a_while),
	    cmocka_unit_test(it_ends_with_the_answer_or_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
