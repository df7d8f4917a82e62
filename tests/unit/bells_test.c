/* Merchants whose bell is to be rung, and who rings them without a database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi-order/bells.h"
#include "fcgi-order/ringer.h"
#include "shared/clock.h"
#include "shared/log.h"

static void
a_merchant_is_rung_once_for_many_payments(void **state)
{
	struct bells b = {0};
	char text[BELLS_TEXT_MAX];

	(void)state;
	assert_true(bells_add(&b, 7));
	assert_true(bells_add(&b, 42));
	assert_true(bells_add(&b, 7));
	bells_text(&b, text);
	assert_string_equal(text, "{7,42}");
}

static void
without_bells_the_array_is_empty(void **state)
{
	struct bells b = {0};
	char text[BELLS_TEXT_MAX];

	(void)state;
	bells_text(&b, text);
	assert_string_equal(text, "{}");
}

static void
what_does_not_fit_is_refused_but_what_is_there_is_not(void **state)
{
	struct bells b = {0};

	(void)state;
	for (int64_t i = 1; i <= BELLS_MAX; i++)
		assert_true(bells_add(&b, i));
	assert_false(bells_add(&b, BELLS_MAX + 1));
	assert_true(bells_add(&b, BELLS_MAX));
	assert_int_equal(b.n, BELLS_MAX);
}

static void
the_longest_ids_fit_into_the_text(void **state)
{
	struct bells b = {0};
	char text[BELLS_TEXT_MAX];

	(void)state;
	for (int64_t i = 0; i < BELLS_MAX; i++)
		assert_true(bells_add(&b, INT64_MIN + i));
	bells_text(&b, text);
	assert_int_equal(strlen(text), BELLS_MAX * 20 + BELLS_MAX - 1 + 2);
	assert_int_equal(text[strlen(text) - 1], '}');
}

/* Nothing listens there. */
static char conninfo[] = "host=/nonexistent dbname=none";
static struct options nowhere = {.database = conninfo};

static void
without_a_database_bells_are_counted_and_nobody_waits(void **state)
{
	struct counters counters = {0};
	int64_t start_ms = clock_ms();
	struct ringer *r = ringer_new(&nowhere, &counters);

	(void)state;
	assert_non_null(r);
	for (int64_t i = 1; i <= 5; i++)
		ringer_ring(r, i);
	assert_true(clock_ms() - start_ms < 10000);
	ringer_free(r); /* which waits until all were tried */
	assert_int_equal(counters_get(&counters, COUNTER_BELLS_FAILED), 5);
	assert_int_equal(counters_get(&counters, COUNTER_RINGS), 0);
	assert_true(clock_ms() - start_ms < 30000);
}

static void
however_many_come_they_are_rung_or_counted(void **state)
{
	struct counters counters = {0};
	struct ringer *r = ringer_new(&nowhere, &counters);

	(void)state;
	assert_non_null(r);
	for (int64_t i = 1; i <= 20 * BELLS_MAX; i++)
		ringer_ring(r, i);
	ringer_free(r);
	assert_int_equal(counters_get(&counters, COUNTER_BELLS_FAILED), 20 * BELLS_MAX);
}

static void
one_that_has_nothing_to_do_ends_at_once(void **state)
{
	struct counters counters = {0};

	(void)state;
	ringer_free(ringer_new(&nowhere, &counters));
	ringer_free(NULL);
	assert_int_equal(counters_get(&counters, COUNTER_BELLS_FAILED), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_merchant_is_rung_once_for_many_payments),
	    cmocka_unit_test(without_bells_the_array_is_empty),
	    cmocka_unit_test(what_does_not_fit_is_refused_but_what_is_there_is_not),
	    cmocka_unit_test(the_longest_ids_fit_into_the_text),
	    cmocka_unit_test(without_a_database_bells_are_counted_and_nobody_waits),
	    cmocka_unit_test(however_many_come_they_are_rung_or_counted),
	    cmocka_unit_test(one_that_has_nothing_to_do_ends_at_once),
	};

	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
