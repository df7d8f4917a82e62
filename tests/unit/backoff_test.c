/* How long to wait before the next try. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/backoff.h"

static void
the_longest_wait_doubles_up_to_the_cap(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct backoff b = {.base_ms = 100, .cap_ms = 1000};

		assert_in_range(backoff_next_ms(&b), 0, 100);
		assert_in_range(backoff_next_ms(&b), 0, 200);
		assert_in_range(backoff_next_ms(&b), 0, 400);
		assert_in_range(backoff_next_ms(&b), 0, 800);
		assert_in_range(backoff_next_ms(&b), 0, 1000);
		assert_in_range(backoff_next_ms(&b), 0, 1000);
	}
}

static void
waits_are_spread_over_the_whole_range(void **state)
{
	int low = 0, high = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct backoff b = {.base_ms = 1000, .cap_ms = 1000};
		int wait_ms = backoff_next_ms(&b);

		low += wait_ms < 250;
		high += wait_ms > 750;
	}
	/* A quarter each; 20 standard deviations off would be no chance. */
	assert_in_range(low, 110, 890);
	assert_in_range(high, 110, 890);
}

static void
after_very_many_failures_it_is_still_the_cap(void **state)
{
	struct backoff b = {.base_ms = 100, .cap_ms = 5000};

	(void)state;
	for (int i = 0; i < 10000; i++)
		assert_in_range(backoff_next_ms(&b), 0, 5000);
}

static void
success_starts_again_at_the_base(void **state)
{
	struct backoff b = {.base_ms = 10, .cap_ms = 5000};

	(void)state;
	for (int i = 0; i < 20; i++)
		backoff_next_ms(&b);
	backoff_reset(&b);
	assert_in_range(backoff_next_ms(&b), 0, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_longest_wait_doubles_up_to_the_cap),
	    cmocka_unit_test(waits_are_spread_over_the_whole_range),
	    cmocka_unit_test(after_very_many_failures_it_is_still_the_cap),
	    cmocka_unit_test(success_starts_again_at_the_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
