/* How many threads may wait for the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fcgi-order/valve.h"

enum { MOST = 8 };

/* How many can be inside at once; all leave, in good order or stuck. */
static int
fill(struct valve *v, bool are_stuck)
{
	int n = 0;

	while (n < 100 && valve_enter(v))
		n++;
	for (int i = 0; i < n; i++)
		valve_leave(v, are_stuck);
	return n;
}

static void
all_may_wait_while_nobody_gets_stuck(void **state)
{
	struct valve v = {.most = MOST, .allowed = MOST};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(fill(&v, false), MOST);
}

static void
one_that_got_stuck_halves_the_number(void **state)
{
	struct valve v = {.most = MOST, .allowed = MOST};

	(void)state;
	assert_true(valve_enter(&v));
	valve_leave(&v, true);
	assert_int_equal(fill(&v, false), MOST / 2);
}

static void
while_all_get_stuck_one_goes_on_trying(void **state)
{
	struct valve v = {.most = MOST, .allowed = MOST};

	(void)state;
	fill(&v, true);
	for (int i = 0; i < 5; i++)
		assert_int_equal(fill(&v, true), 1);
}

static void
those_who_were_inside_already_keep_others_out(void **state)
{
	struct valve v = {.most = MOST, .allowed = MOST};

	(void)state;
	for (int i = 0; i < MOST; i++)
		assert_true(valve_enter(&v));
	for (int i = 0; i < MOST - 1; i++) {
		valve_leave(&v, true);
		assert_false(valve_enter(&v));
	}
	valve_leave(&v, true);
	assert_true(valve_enter(&v));
}

static void
each_good_one_lets_one_more_in_up_to_all(void **state)
{
	struct valve v = {.most = MOST, .allowed = MOST};

	(void)state;
	fill(&v, true);
	for (int allowed = 1; allowed < MOST; allowed++) {
		assert_int_equal(atomic_load(&v.allowed), allowed);
		assert_true(valve_enter(&v));
		valve_leave(&v, false);
	}
	assert_int_equal(fill(&v, false), MOST);
	assert_int_equal(fill(&v, false), MOST);
}

static void
a_connection_that_was_lost_is_told_to_all(void **state)
{
	struct valve v = {.most = MOST, .allowed = MOST};

	(void)state;
	assert_int_equal(valve_lost_at_ms(&v), 0);
	valve_lost(&v, 5000);
	assert_int_equal(valve_lost_at_ms(&v), 5000);
	assert_int_equal(fill(&v, false), MOST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_connection_that_was_lost_is_told_to_all),
	    cmocka_unit_test(all_may_wait_while_nobody_gets_stuck),
	    cmocka_unit_test(one_that_got_stuck_halves_the_number),
	    cmocka_unit_test(while_all_get_stuck_one_goes_on_trying),
	    cmocka_unit_test(those_who_were_inside_already_keep_others_out),
	    cmocka_unit_test(each_good_one_lets_one_more_in_up_to_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
