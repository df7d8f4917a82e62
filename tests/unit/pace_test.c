/* How fast one address may come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notifier/census.h"
#include "notifier/pace.h"

static const int64_t second = 1000000000;

/* How many of n requests, all of them now, are let through. */
static int
admitted(struct pace *p, int64_t key, int64_t now, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		count += pace_admit(p, key, now);
	return count;
}

static void
a_burst_of_ten_seconds_worth_is_let_through(void **state)
{
	struct pace *p = pace_new(5);

	(void)state;
	assert_int_equal(admitted(p, 7, second, 100), 50);
	assert_int_equal(admitted(p, 7, 2 * second, 100), 5);
	assert_int_equal(admitted(p, 7, 2 * second, 100), 0);
	assert_int_equal(admitted(p, 7, 100 * second, 100), 50);
	pace_free(p);
}

static void
a_steady_flood_gets_the_rate_and_no_more(void **state)
{
	struct pace *p = pace_new(100);
	int count = 0;

	(void)state;
	assert_int_equal(admitted(p, 7, second, 5000), 1000);
	for (int64_t ms = 1; ms <= 10000; ms++)
		count += admitted(p, 7, second + ms * 1000000, 5);
	assert_in_range(count, 999, 1001);
	pace_free(p);
}

static void
one_address_costs_another_nothing(void **state)
{
	struct pace *p = pace_new(1);

	(void)state;
	assert_int_equal(admitted(p, 7, second, 100), 10);
	assert_int_equal(admitted(p, 9, second, 100), 10);
	pace_free(p);
}

static void
without_a_bound_or_an_address_all_come(void **state)
{
	struct pace *p = pace_new(0);

	(void)state;
	assert_int_equal(admitted(p, 7, second, 1000), 1000);
	pace_set_rate(p, 1);
	assert_int_equal(admitted(p, 0, second, 1000), 1000);
	assert_int_equal(admitted(p, 7, second, 1000), 10);
	pace_set_rate(p, 0);
	assert_int_equal(admitted(p, 7, second, 1000), 1000);
	pace_free(p);
}

static void
very_many_addresses_are_forgotten_not_refused(void **state)
{
	struct pace *p = pace_new(1);

	(void)state;
	for (int64_t key = 1; key <= 1000000; key++)
		assert_true(pace_admit(p, key, second));
	pace_free(p);
}

static void
an_address_is_counted_as_what_it_stands_for(void **state)
{
	(void)state;
	assert_int_equal(census_address_key("127.0.0.1"), 0);
	assert_int_equal(census_address_key("::ffff:127.0.0.1"), 0);
	assert_int_equal(census_address_key("unknown"), 0);
	assert_int_not_equal(census_address_key("192.0.2.1"), 0);
	assert_int_not_equal(census_address_key("192.0.2.1"), census_address_key("192.0.2.2"));
	/* As some servers write it. */
	assert_int_equal(census_address_key("::ffff:192.0.2.1"), census_address_key("192.0.2.1"));
	/* A home has a /64. */
	assert_int_equal(
	    census_address_key("2001:db8::1"), census_address_key("2001:db8:0:0:ffff::2"));
	assert_int_not_equal(
	    census_address_key("2001:db8::1"), census_address_key("2001:db8:0:1::1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_burst_of_ten_seconds_worth_is_let_through),
	    cmocka_unit_test(a_steady_flood_gets_the_rate_and_no_more),
	    cmocka_unit_test(one_address_costs_another_nothing),
	    cmocka_unit_test(without_a_bound_or_an_address_all_come),
	    cmocka_unit_test(very_many_addresses_are_forgotten_not_refused),
	    cmocka_unit_test(an_address_is_counted_as_what_it_stands_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
