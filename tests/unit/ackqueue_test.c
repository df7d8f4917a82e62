/* Acks that wait: many at once, and one that cannot be written keeps nobody else waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/ackqueue.h"
#include "notifier/acksheet.h"

static void
add(struct ackqueue *q, int64_t merchant, size_t n_seqs)
{
	int64_t seqs[1000];

	for (size_t i = 0; i < n_seqs; i++)
		seqs[i] = (int64_t)i + 1;
	assert_true(ackqueue_add(q, ack_new((struct ticket){0}, merchant, seqs, n_seqs, "till-1")));
}

static size_t
length(const struct ack *list)
{
	size_t n = 0;

	for (; list != NULL; list = list->next)
		n++;
	return n;
}

static int
set_up(void **state)
{
	*state = malloc(sizeof(struct ackqueue));
	ackqueue_init(*state);
	return 0;
}

static int
tear_down(void **state)
{
	ackqueue_fini(*state);
	free(*state);
	return 0;
}

static void
acks_are_taken_in_order_many_at_once(void **state)
{
	struct ackqueue *q = *state;
	struct ack *list;

	assert_null(ackqueue_take(q, 0));
	for (int64_t merchant = 1; merchant <= ACKQUEUE_BATCH + 1; merchant++)
		add(q, merchant, 1);
	list = ackqueue_take(q, 0);
	assert_int_equal(length(list), ACKQUEUE_BATCH);
	assert_int_equal(list->merchant, 1);
	assert_string_equal(list->seqs, "{1}");
	assert_string_equal(list->by, "till-1");
	ackqueue_return(q, list);
	list = ackqueue_take(q, 0);
	assert_int_equal(list->merchant, 1);
	ackqueue_kept(q, list);
	list = ackqueue_take(q, 0);
	assert_int_equal(length(list), 1);
	ackqueue_kept(q, list);
	assert_true(ackqueue_is_empty(q));
}

static void
what_is_written_together_is_bounded_by_its_seqs(void **state)
{
	struct ackqueue *q = *state;
	struct ack *list;

	for (int i = 0; i < 3; i++)
		add(q, 7, 1000);
	list = ackqueue_take(q, 0);
	assert_int_equal(length(list), ACKQUEUE_SEQS / 1000);
	ackqueue_kept(q, list);
	list = ackqueue_take(q, 0);
	assert_int_equal(length(list), 1);
	ackqueue_kept(q, list);
}

static void
more_than_fit_are_refused(void **state)
{
	struct ackqueue *q = *state;
	struct ack *one = ack_new((struct ticket){0}, 1, (const int64_t[]){1}, 1, "t");

	for (int i = 0; i < ACKQUEUE_MAX; i++)
		add(q, 7, 1);
	assert_false(ackqueue_add(q, one));
	free(one);
}

/* Writes what is there; those of `bad` are refused.  Gives how many tries it took. */
static int
write_all(struct ackqueue *q, int64_t bad, int64_t now_ms)
{
	struct ack *list;
	int tries = 0;

	for (; (list = ackqueue_take(q, now_ms)) != NULL && tries < 10000; tries++) {
		bool is_bad = false;

		for (const struct ack *a = list; a != NULL; a = a->next)
			is_bad = is_bad || a->merchant == bad;
		if (is_bad)
			ackqueue_refused(q, list, now_ms);
		else
			ackqueue_kept(q, list);
	}
	return tries;
}

static void
one_that_cannot_be_written_keeps_nobody_else_waiting(void **state)
{
	struct ackqueue *q = *state;

	for (int64_t merchant = 1; merchant <= 1000; merchant++)
		add(q, merchant, 1);
	assert_true(write_all(q, 300, 5000) < 40);
	assert_false(ackqueue_is_empty(q));
	assert_false(ackqueue_is_due(q));
	assert_int_equal(q->n, 1);
	assert_int_equal(q->aside->merchant, 300);
	/* It is tried again now and then, and meanwhile others are not held up. */
	add(q, 8, 1);
	assert_int_equal(write_all(q, 300, 5000 + ACKQUEUE_ASIDE_MS - 1), 1);
	assert_int_equal(write_all(q, 300, 5000 + ACKQUEUE_ASIDE_MS), 1);
	assert_int_equal(q->n, 1);
	assert_int_equal(write_all(q, 0, 5000 + 2 * ACKQUEUE_ASIDE_MS), 1);
	assert_true(ackqueue_is_empty(q));
}

static void
when_one_aside_can_be_written_the_others_follow_at_once(void **state)
{
	struct ackqueue *q = *state;

	for (int i = 0; i < 20; i++)
		add(q, 300, 1);
	write_all(q, 300, 5000);
	assert_int_equal(q->n, 20);
	write_all(q, 0, 5000 + 2 * ACKQUEUE_ASIDE_MS);
	assert_true(ackqueue_is_empty(q));
}

static void
a_list_becomes_three_arrays(void **state)
{
	struct ackqueue *q = *state;
	struct acksheet sheet;
	struct ack *list;

	add(q, 7, 3);
	ackqueue_add(q, ack_new((struct ticket){0}, INT64_MAX, &(int64_t){42}, 1, "a \"b\" \\"));
	list = ackqueue_take(q, 0);
	assert_true(acksheet_init(&sheet, list));
	assert_string_equal(sheet.merchants, "{7,9223372036854775807}");
	assert_string_equal(sheet.seqs, "{\"{1,2,3}\",\"{42}\"}");
	assert_string_equal(sheet.by, "{\"till-1\",\"a \\\"b\\\" \\\\\"}");
	acksheet_fini(&sheet);
	ackqueue_kept(q, list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		acks_are_taken_in_order_many_at_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		what_is_written_together_is_bounded_by_its_seqs, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(more_than_fit_are_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		one_that_cannot_be_written_keeps_nobody_else_waiting, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		when_one_aside_can_be_written_the_others_follow_at_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_list_becomes_three_arrays, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
