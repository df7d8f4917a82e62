/* Where the clerk's work comes in and waits, and what becomes of it: the arrays of statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/clerk_sheet.h"
#include "notifier/clerk_tray.h"
#include "shared/clock.h"

enum { LONG_MS = 60000, FAR_LESS_MS = 30000 };

static struct metrics metrics;

static int
begin(void **state)
{
	struct clerk_tray *t = malloc(sizeof *t);

	metrics = (struct metrics){0};
	clerk_tray_init(t, 0, &metrics);
	clerk_tray_listen(t);
	*state = t;
	return 0;
}

static int
end(void **state)
{
	clerk_tray_fini(*state);
	free(*state);
	return 0;
}

static void
come(struct clerk_tray *t, int64_t first, int n)
{
	for (int i = 0; i < n; i++)
		clerk_tray_present(t, &(struct clerk_presence){.connection = first + i,
					  .merchant = 7,
					  .terminal = "till-1",
					  .kind = "v1",
					  .audio = "armed",
					  .since_ms = 1700000000000});
}

static void
a_few_wait_for_their_time(void **state)
{
	struct clerk_tray *t = *state;
	int64_t started_ms = clock_ms();

	come(t, 1, CLERK_CHANGES_MUCH - 1);
	assert_int_equal(metrics_get(&metrics, METRIC_PRESENCE_PENDING), CLERK_CHANGES_MUCH - 1);
	assert_true(clerk_tray_wait(t, 30, true));
	assert_true(clock_ms() - started_ms >= 30);
}

static void
where_much_has_come_there_is_no_wait_unless_haste_is_of_no_use(void **state)
{
	struct clerk_tray *t = *state;
	struct clerk_batch batch = {0};
	int64_t started_ms = clock_ms();

	come(t, 1, CLERK_CHANGES_MUCH);
	assert_true(clerk_tray_wait(t, LONG_MS, true));
	assert_true(clock_ms() - started_ms < FAR_LESS_MS);
	started_ms = clock_ms();
	assert_true(clerk_tray_wait(t, 30, false));
	assert_true(clock_ms() - started_ms >= 30);
	clerk_tray_take(t, &batch);
	assert_int_equal(batch.n_changes, CLERK_CHANGES_MUCH);
	assert_int_equal(metrics_get(&metrics, METRIC_PRESENCE_PENDING), 0);
	started_ms = clock_ms();
	assert_true(clerk_tray_wait(t, 30, true)); /* what was taken presses no more */
	assert_true(clock_ms() - started_ms >= 30);
	clerk_batch_fini(&batch);
}

static void *
tell_many_facts(void *arg)
{
	struct clerk_delivery told[64] = {{0}};

	for (int i = 0; i < CLERK_DELIVERIES_MUCH; i += 64)
		clerk_tray_delivered(arg, told, 64);
	return NULL;
}

static void *
tell_to_end(void *arg)
{
	clerk_tray_stop(arg);
	return NULL;
}

/* Waits while another thread does something, which must end the wait. */
static bool
wait_while(struct clerk_tray *t, void *(*something)(void *arg))
{
	int64_t started_ms = clock_ms();
	pthread_t thread;
	bool goes_on;

	assert_int_equal(pthread_create(&thread, NULL, something, t), 0);
	goes_on = clerk_tray_wait(t, LONG_MS, true);
	assert_true(clock_ms() - started_ms < FAR_LESS_MS);
	pthread_join(thread, NULL);
	return goes_on;
}

static void
many_facts_wake_who_waits(void **state)
{
	assert_true(wait_while(*state, tell_many_facts));
}

static void
who_is_to_end_is_woken_and_told_so(void **state)
{
	struct clerk_tray *t = *state;

	assert_false(clerk_tray_is_stopping(t));
	assert_false(wait_while(t, tell_to_end));
	assert_true(clerk_tray_is_stopping(t));
	assert_false(clerk_tray_wait(t, LONG_MS, true));
}

static void
what_has_no_room_is_counted(void **state)
{
	struct clerk_tray *t = *state;
	struct clerk_delivery told[3] = {{0}};

	for (int i = 0; i < CLERK_DELIVERIES_MAX - 2; i += 2)
		clerk_tray_delivered(t, told, 2);
	assert_int_equal(metrics_get(&metrics, METRIC_DELIVERY_FACTS_DROPPED), 0);
	clerk_tray_delivered(t, told, 3);
	assert_int_equal(metrics_get(&metrics, METRIC_DELIVERY_FACTS_DROPPED), 1);
	come(t, 1, CLERK_CHANGES_MIN);
	assert_int_equal(metrics_get(&metrics, METRIC_PRESENCE_DROPPED), 0);
	assert_false(clerk_tray_is_deaf(t));
	clerk_tray_gone(t, CLERK_CHANGES_MIN + 1);
	assert_int_equal(metrics_get(&metrics, METRIC_PRESENCE_DROPPED), CLERK_CHANGES_MIN + 1);
	assert_true(clerk_tray_is_deaf(t));
	assert_int_equal(metrics_get(&metrics, METRIC_PRESENCE_PENDING), 0);
}

static void
changes_become_a_sheet_of_those_who_are_there_and_who_is_gone(void **state)
{
	const struct clerk_change changes[] = {
	    {4096, 7, 1700000000000, "v1", "armed", "till-1"},
	    {.connection = 8192},
	    {12288, 8, 1700000000001, "poll", "unknown", "null"},
	};
	struct clerk_sheet *s = malloc(sizeof *s);

	(void)state;
	clerk_sheet_fill(s, changes, 3);
	assert_string_equal(s->connections, "{4096,12288}");
	assert_string_equal(s->merchants, "{7,8}");
	assert_string_equal(s->terminals, "{\"till-1\",\"null\"}");
	assert_string_equal(s->kinds, "{\"v1\",\"poll\"}");
	assert_string_equal(s->audios, "{\"armed\",\"unknown\"}");
	assert_string_equal(s->sinces, "{1700000000000,1700000000001}");
	assert_string_equal(s->gones, "{8192}");
	clerk_sheet_fill(s, changes, 0);
	assert_string_equal(s->connections, "{}");
	assert_string_equal(s->gones, "{}");
	free(s);
}

static void
the_longest_of_all_have_room_on_a_sheet_and_on_a_slip(void **state)
{
	struct clerk_change *changes = calloc(CLERK_ROWS_MAX, sizeof *changes);
	struct clerk_delivery *told = calloc(CLERK_ROWS_MAX, sizeof *told);
	struct clerk_sheet *sheet = malloc(sizeof *sheet);
	struct clerk_slip *slip = malloc(sizeof *slip);

	(void)state;
	for (int i = 0; i < CLERK_ROWS_MAX; i++) {
		changes[i] = (struct clerk_change){
		    INT64_MIN, INT64_MIN, INT64_MIN, "\"\"\"\"\"\"\"\"", "\\\\\\\\\\\\\\\\", ""};
		memset(changes[i].terminal, '"', SID_MAX);
		told[i] = (struct clerk_delivery){INT64_MIN, INT64_MIN, ""};
		memset(told[i].to, '\\', SID_MAX);
	}
	clerk_sheet_fill(sheet, changes, CLERK_ROWS_MAX);
	assert_true(strlen(sheet->terminals) < sizeof sheet->terminals_text);
	clerk_slip_fill(slip, told, CLERK_ROWS_MAX);
	assert_true(strlen(slip->names) < sizeof slip->names_text);
	free(changes);
	free(told);
	free(sheet);
	free(slip);
}

static void
facts_become_a_slip(void **state)
{
	const struct clerk_delivery told[] = {
	    {1, 1700000000000, "till-1"}, {INT64_MAX, 1700000000001, "kitchen.2"}};
	struct clerk_slip *s = malloc(sizeof *s);

	(void)state;
	clerk_slip_fill(s, told, 2);
	assert_string_equal(s->events, "{1,9223372036854775807}");
	assert_string_equal(s->times, "{1700000000000,1700000000001}");
	assert_string_equal(s->names, "{\"till-1\",\"kitchen.2\"}");
	free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_few_wait_for_their_time, begin, end),
	    cmocka_unit_test_setup_teardown(
		where_much_has_come_there_is_no_wait_unless_haste_is_of_no_use, begin, end),
	    cmocka_unit_test_setup_teardown(many_facts_wake_who_waits, begin, end),
	    cmocka_unit_test_setup_teardown(who_is_to_end_is_woken_and_told_so, begin, end),
	    cmocka_unit_test_setup_teardown(what_has_no_room_is_counted, begin, end),
	    cmocka_unit_test(changes_become_a_sheet_of_those_who_are_there_and_who_is_gone),
	    cmocka_unit_test(the_longest_of_all_have_room_on_a_sheet_and_on_a_slip),
	    cmocka_unit_test(facts_become_a_slip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
