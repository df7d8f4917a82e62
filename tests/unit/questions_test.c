/* What the ledger is asked: in order, what one query answers together, and never forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "notifier/questions.h"

static int
begin(void **state)
{
	struct questions *qs = malloc(sizeof *qs);

	questions_init(qs);
	*state = qs;
	return 0;
}

static int
end(void **state)
{
	questions_fini(*state);
	free(*state);
	return 0;
}

static void
ask_page(struct questions *qs, enum page_kind kind, int64_t merchant)
{
	const struct question q = {.sort = QUESTION_PAGE, .kind = kind, .merchant = merchant};

	assert_true(questions_add(qs, &q, SIZE_MAX));
}

static bool
ask_record(struct questions *qs, int64_t terminal, size_t most)
{
	const struct question q = {.sort = QUESTION_RECORD, .terminal = terminal};

	return questions_add(qs, &q, most);
}

/* Takes what is first, and gives the merchants, or the terminals, as a number of decimal digits. */
static int64_t
take(struct questions *qs)
{
	struct question *taken[QUESTIONS_BATCH];
	size_t n = questions_take(qs, taken);
	int64_t digits = 0;

	for (size_t i = 0; i < n; i++) {
		digits = digits * 10 + (taken[i]->sort == QUESTION_RECORD ? taken[i]->terminal
									  : taken[i]->merchant);
		free(taken[i]);
	}
	return digits;
}

static void
openings_in_a_row_are_answered_together_and_pages_one_by_one(void **state)
{
	struct questions *qs = *state;

	ask_page(qs, PAGE_OPENING, 1);
	ask_page(qs, PAGE_OPENING, 2);
	ask_page(qs, PAGE_EVENTS, 3);
	ask_page(qs, PAGE_EVENTS, 4);
	ask_page(qs, PAGE_UNACKED, 5);
	ask_page(qs, PAGE_OPENING, 6);
	assert_int_equal(take(qs), 12);
	assert_int_equal(take(qs), 3);
	assert_int_equal(take(qs), 4);
	assert_int_equal(take(qs), 5);
	assert_int_equal(take(qs), 6);
	assert_true(questions_is_empty(qs));
	assert_int_equal(take(qs), 0);
}

static void
records_are_not_mixed_with_pages(void **state)
{
	struct questions *qs = *state;

	ask_page(qs, PAGE_OPENING, 1);
	ask_record(qs, 2, SIZE_MAX);
	ask_record(qs, 3, SIZE_MAX);
	ask_page(qs, PAGE_OPENING, 4);
	assert_int_equal(take(qs), 1);
	assert_int_equal(take(qs), 23);
	assert_int_equal(take(qs), 4);
}

static void
one_query_answers_so_many_and_no_more(void **state)
{
	struct questions *qs = *state;
	struct question *taken[QUESTIONS_BATCH];

	for (int i = 0; i < QUESTIONS_BATCH + 1; i++)
		ask_page(qs, PAGE_OPENING, i);
	assert_int_equal(questions_take(qs, taken), QUESTIONS_BATCH);
	for (int i = 0; i < QUESTIONS_BATCH; i++) {
		assert_int_equal(taken[i]->merchant, i);
		free(taken[i]);
	}
	assert_int_equal(take(qs), QUESTIONS_BATCH);
	assert_true(questions_is_empty(qs));
}

static void
what_could_not_be_answered_waits_behind_the_others(void **state)
{
	struct questions *qs = *state;
	struct question *taken[QUESTIONS_BATCH];
	size_t n;

	ask_page(qs, PAGE_OPENING, 1);
	ask_page(qs, PAGE_OPENING, 2);
	n = questions_take(qs, taken);
	assert_int_equal(n, 2);
	assert_true(questions_is_empty(qs));
	ask_page(qs, PAGE_EVENTS, 3);
	questions_return(qs, taken, n);
	ask_page(qs, PAGE_EVENTS, 4);
	assert_int_equal(take(qs), 3);
	assert_int_equal(take(qs), 12);
	assert_int_equal(take(qs), 4);
}

static void
who_asks_too_much_is_told_so(void **state)
{
	struct questions *qs = *state;

	assert_true(ask_record(qs, 1, 2));
	assert_true(ask_record(qs, 2, 2));
	assert_false(ask_record(qs, 3, 2));
	ask_page(qs, PAGE_OPENING, 4); /* whose bound is another */
	assert_int_equal(take(qs), 12);
	assert_false(ask_record(qs, 5, 1));
	assert_int_equal(take(qs), 4);
	assert_true(ask_record(qs, 5, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		openings_in_a_row_are_answered_together_and_pages_one_by_one, begin, end),
	    cmocka_unit_test_setup_teardown(records_are_not_mixed_with_pages, begin, end),
	    cmocka_unit_test_setup_teardown(one_query_answers_so_many_and_no_more, begin, end),
	    cmocka_unit_test_setup_teardown(
		what_could_not_be_answered_waits_behind_the_others, begin, end),
	    cmocka_unit_test_setup_teardown(who_asks_too_much_is_told_so, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
