/* What the clerk has been told and not written yet: bounded, the last of a connection counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/clerk_queue.h"

enum { CHANGES_MAX = 100, DELIVERIES_MAX = 150 };

static int
begin(void **state)
{
	struct clerk_queue *q = malloc(sizeof *q);

	clerk_queue_init(q, CHANGES_MAX, DELIVERIES_MAX);
	clerk_queue_listen(q);
	*state = q;
	return 0;
}

static int
end(void **state)
{
	clerk_queue_fini(*state);
	free(*state);
	return 0;
}

static size_t
present(struct clerk_queue *q, int64_t connection, const char *audio)
{
	const struct clerk_presence p = {
	    .connection = connection,
	    .merchant = 7,
	    .terminal = "till-1",
	    .kind = "v1",
	    .audio = audio,
	    .since_ms = 1700000000000,
	};

	return clerk_queue_present(q, &p);
}

static size_t
delivered(struct clerk_queue *q, int64_t first, size_t n)
{
	struct clerk_delivery told[DELIVERIES_MAX * 2];

	for (size_t i = 0; i < n; i++)
		told[i] = (struct clerk_delivery){first + (int64_t)i, 1000, "till-1"};
	return clerk_queue_delivered(q, told, n);
}

static void
of_a_connection_the_last_change_counts(void **state)
{
	struct clerk_queue *q = *state;
	const struct clerk_batch *b = &q->batch;

	assert_int_equal(present(q, 1, "unknown"), 0);
	assert_int_equal(present(q, 2, "unknown"), 0);
	assert_int_equal(present(q, 1, "blocked"), 0);
	assert_int_equal(clerk_queue_gone(q, 2), 0);
	assert_int_equal(clerk_queue_gone(q, 3), 0);
	assert_int_equal(present(q, 3, "armed"), 0); /* the same address, another connection */
	assert_int_equal(b->n_changes, 3);
	assert_string_equal(b->changes[0].audio, "blocked");
	assert_string_equal(b->changes[0].terminal, "till-1");
	assert_int_equal(b->changes[0].merchant, 7);
	assert_int_equal(b->changes[0].since_ms, 1700000000000);
	assert_int_equal(b->changes[1].connection, 2);
	assert_null(b->changes[1].kind);
	assert_string_equal(b->changes[2].kind, "v1");
}

static void
before_it_listens_no_change_is_kept_but_facts_are(void **state)
{
	struct clerk_queue *q = *state;

	clerk_queue_fini(q);
	clerk_queue_init(q, CHANGES_MAX, DELIVERIES_MAX);
	assert_int_equal(present(q, 1, "armed"), 0);
	assert_int_equal(clerk_queue_gone(q, 1), 0);
	assert_int_equal(delivered(q, 1, 3), 0);
	assert_true(q->is_deaf);
	assert_int_equal(q->batch.n_changes, 0);
	assert_int_equal(q->batch.n_deliveries, 3);
}

static void
one_change_too_many_and_all_must_be_told_anew(void **state)
{
	struct clerk_queue *q = *state;

	for (int64_t i = 1; i <= CHANGES_MAX; i++)
		assert_int_equal(present(q, i, "armed"), 0);
	assert_int_equal(present(q, 50, "blocked"), 0); /* a known one needs no room */
	assert_false(q->is_deaf);
	assert_int_equal(present(q, CHANGES_MAX + 1, "armed"), CHANGES_MAX + 1);
	assert_true(q->is_deaf);
	assert_int_equal(q->batch.n_changes, 0);
	assert_int_equal(clerk_queue_gone(q, 1), 0);
	assert_int_equal(q->batch.n_changes, 0);
	clerk_queue_listen(q);
	assert_int_equal(present(q, 50, "armed"), 0);
	assert_int_equal(q->batch.n_changes, 1);
}

static void
a_fact_without_room_is_dropped_and_the_first_ones_stay(void **state)
{
	struct clerk_queue *q = *state;

	assert_int_equal(delivered(q, 1, 70), 0);
	assert_int_equal(delivered(q, 71, 100), 20);
	assert_int_equal(delivered(q, 171, 1), 1);
	assert_int_equal(q->batch.n_deliveries, DELIVERIES_MAX);
	for (int64_t i = 0; i < DELIVERIES_MAX; i++)
		assert_int_equal(q->batch.deliveries[i].event_id, i + 1);
	assert_false(q->is_deaf);
}

static void
what_was_taken_is_not_there_any_more(void **state)
{
	struct clerk_queue *q = *state;
	struct clerk_batch taken = {0};

	present(q, 1, "armed");
	delivered(q, 1, 1);
	clerk_queue_take(q, &taken);
	assert_int_equal(taken.n_changes, 1);
	assert_int_equal(taken.n_deliveries, 1);
	assert_int_equal(q->batch.n_changes + q->batch.n_deliveries, 0);
	/* The same connection again: a change of the next batch. */
	present(q, 1, "blocked");
	assert_int_equal(q->batch.n_changes, 1);
	assert_string_equal(taken.changes[0].audio, "armed");
	/* The memory comes back, empty: what it held before is forgotten. */
	clerk_batch_clear(&taken);
	clerk_queue_take(q, &taken);
	assert_string_equal(taken.changes[0].audio, "blocked");
	present(q, 1, "unknown");
	assert_int_equal(q->batch.n_changes, 1);
	assert_string_equal(q->batch.changes[0].audio, "unknown");
	clerk_batch_fini(&taken);
}

static void
the_memory_of_a_great_many_is_given_back(void **state)
{
	struct clerk_queue *q = *state;
	struct clerk_batch taken = {0};

	clerk_queue_fini(q);
	clerk_queue_init(q, 50000, 50000);
	clerk_queue_listen(q);
	for (int64_t i = 1; i <= 50000; i++) {
		assert_int_equal(present(q, i * 64, "armed"), 0);
		assert_int_equal(delivered(q, i, 1), 0);
	}
	clerk_queue_take(q, &taken);
	assert_int_equal(taken.n_changes, 50000);
	clerk_batch_clear(&taken);
	assert_null(taken.changes);
	assert_null(taken.deliveries);
	assert_int_equal(taken.places.n_slots, 0);
	clerk_batch_fini(&taken);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(of_a_connection_the_last_change_counts, begin, end),
	    cmocka_unit_test_setup_teardown(
		before_it_listens_no_change_is_kept_but_facts_are, begin, end),
	    cmocka_unit_test_setup_teardown(
		one_change_too_many_and_all_must_be_told_anew, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_fact_without_room_is_dropped_and_the_first_ones_stay, begin, end),
	    cmocka_unit_test_setup_teardown(what_was_taken_is_not_there_any_more, begin, end),
	    cmocka_unit_test_setup_teardown(the_memory_of_a_great_many_is_given_back, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
