/* Merchants' rooms: who is shown what, once, in order, and what it costs to be slow. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/hub.h"
#include "notifier/missed.h"

static struct item *
item_no(int64_t merchant, int64_t seq)
{
	struct event ev = {.merchant = merchant,
	    .seq = seq,
	    .has_order_id = true,
	    .order_id = seq,
	    .type = 1,
	    .content = "订单号:1",
	    .epoch = "e",
	    .at = "2026-11-22T10:00:00.123Z"};

	return item_new(&ev, true);
}

static struct room *
publish(struct hub *h, int64_t merchant, int64_t seq)
{
	struct item *it = item_no(merchant, seq);
	struct room *r = hub_publish(h, it);

	item_release(it);
	return r;
}

static struct member *
join(struct hub *h, int64_t merchant)
{
	struct member *m = calloc(1, sizeof *m);
	bool is_new;

	assert_true(hub_join(h, m, merchant, &is_new));
	return m;
}

static void
leave(struct hub *h, struct member *m)
{
	hub_leave(h, m, 0);
	free(m);
}

static int64_t
take(struct member *m)
{
	struct item_run run = member_run(m, INT64_MAX);

	assert_true(run.n > 0);
	m->pos++;
	return item_seq(run.slots[run.at & run.mask]);
}

static int
set_up(void **state)
{
	*state = hub_new();
	return *state == NULL;
}

static int
tear_down(void **state)
{
	hub_free(*state);
	return 0;
}

static void
an_event_reaches_the_terminals_of_its_merchant_alone(void **state)
{
	struct hub *h = *state;
	struct member *a = join(h, 7), *b = join(h, 7), *other = join(h, 8);

	assert_non_null(publish(h, 7, 1));
	assert_int_equal(member_n_ahead(a), 1);
	assert_int_equal(take(b), 1);
	assert_int_equal(member_n_ahead(other), 0);
	assert_null(publish(h, 9, 1));
	leave(h, a);
	leave(h, b);
	leave(h, other);
}

static void
who_joins_sees_only_what_comes_after(void **state)
{
	struct hub *h = *state;
	struct member *early = join(h, 7), *late;

	publish(h, 7, 1);
	late = join(h, 7);
	publish(h, 7, 2);
	assert_int_equal(member_n_ahead(early), 2);
	assert_int_equal(member_n_ahead(late), 1);
	assert_int_equal(take(late), 2);
	leave(h, early);
	leave(h, late);
}

static void
nothing_is_published_twice(void **state)
{
	struct hub *h = *state;
	struct member *m = join(h, 7);

	hub_set_stream(h, m->room, &(struct stand){.epoch = "e", .top = 5});
	assert_null(publish(h, 7, 5));
	assert_non_null(publish(h, 7, 6));
	assert_null(publish(h, 7, 6));
	assert_non_null(publish(h, 7, 9)); /* what is missing below was pruned */
	assert_int_equal(member_n_ahead(m), 2);
	assert_int_equal(room_top(m->room), 9);
	leave(h, m);
}

static void
a_slow_member_is_lost_and_the_prompt_one_is_not(void **state)
{
	struct hub *h = *state;
	struct member *slow = join(h, 7), *prompt = join(h, 7);

	for (int64_t seq = 1; seq <= HUB_RING_ITEMS + 1; seq++) {
		publish(h, 7, seq);
		if (!member_is_lost(prompt))
			assert_int_equal(take(prompt), seq);
	}
	assert_true(member_is_lost(slow));
	assert_false(member_is_lost(prompt));
	leave(h, slow);
	leave(h, prompt);
}

static void
a_ring_says_from_where_on_it_is_complete(void **state)
{
	struct hub *h = *state;
	struct member *m = join(h, 7);

	assert_false(room_covers(m->room, 1));
	hub_set_stream(h, m->room, &(struct stand){.epoch = "e", .top = 5});
	assert_false(room_covers(m->room, 5));
	assert_true(room_covers(m->room, 6));
	for (int64_t seq = 6; seq < 6 + HUB_RING_ITEMS + 3; seq++)
		publish(h, 7, seq);
	assert_false(room_covers(m->room, 8));
	assert_true(room_covers(m->room, 9));
	assert_true(member_is_lost(m));
	member_seek(m, 100);
	assert_int_equal(take(m), 100);
	member_seek(m, 50); /* back: it came in behind what it has missed */
	assert_int_equal(take(m), 50);
	member_seek(m, 200); /* not on: between there may be more than events */
	assert_int_equal(take(m), 51);
	leave(h, m);
}

static void
a_run_ends_with_the_event_that_was_named(void **state)
{
	struct hub *h = *state;
	struct member *m = join(h, 7);

	hub_set_stream(h, m->room, &(struct stand){.epoch = "e", .top = 0});
	for (int64_t seq = 1; seq <= 10; seq++)
		publish(h, 7, seq);
	assert_int_equal(member_run(m, 4).n, 4);
	assert_int_equal(member_run(m, 10).n, 10);
	assert_int_equal(member_run(m, INT64_MAX).n, 10);
	leave(h, m);
}

static void
another_epoch_empties_the_ring(void **state)
{
	struct hub *h = *state;
	struct member *m = join(h, 7);

	hub_set_stream(h, m->room, &(struct stand){.epoch = "e", .top = 5});
	publish(h, 7, 6);
	hub_set_stream(h, m->room, &(struct stand){.epoch = "f", .top = 2});
	assert_true(member_is_lost(m));
	assert_non_null(publish(h, 7, 3));
	member_seek(m, 3);
	assert_int_equal(take(m), 3);
	leave(h, m);
}

static void
rings_stay_within_the_bound_of_the_hub(void **state)
{
	struct hub *h = *state;
	enum { N = 400 };
	struct member *members[N];
	struct item *probe = item_no(1, 1);
	size_t per_room = HUB_RING_BYTES / item_size(probe), rooms_with_items = 0;

	item_release(probe);
	for (int i = 0; i < N; i++)
		members[i] = join(h, i + 1);
	for (int i = 0; i < N; i++) {
		for (size_t seq = 1; seq <= per_room && seq <= HUB_RING_ITEMS; seq++)
			publish(h, i + 1, (int64_t)seq);
	}
	for (int i = 0; i < N; i++)
		rooms_with_items += !member_is_lost(members[i]);
	assert_true(rooms_with_items * HUB_RING_BYTES <= 2 * (size_t)HUB_TOTAL_BYTES);
	assert_false(member_is_lost(members[N - 1])); /* the last that heard something */
	for (int i = 0; i < N; i++)
		leave(h, members[i]);
}

static void
a_room_outlives_its_last_member_for_a_while(void **state)
{
	struct hub *h = *state;
	struct member *m = join(h, 7);
	bool is_new;

	hub_leave(h, m, 1000);
	assert_int_equal(hub_expire(h, 1000 + HUB_LINGER_MS - 1), 0);
	assert_true(hub_join(h, m, 7, &is_new));
	assert_false(is_new);
	hub_leave(h, m, 2000);
	assert_int_equal(hub_expire(h, 2000 + HUB_LINGER_MS), 7);
	assert_int_equal(hub_expire(h, 2000 + HUB_LINGER_MS), 0);
	assert_null(hub_room(h, 7));
	free(m);
}

static void
each_member_is_due_once_for_all_that_its_room_heard(void **state)
{
	struct hub *h = *state;
	struct member *a = join(h, 7), *b = join(h, 8), *c = join(h, 9);

	publish(h, 8, 1);
	publish(h, 7, 1);
	publish(h, 8, 2);
	assert_ptr_equal(hub_next_due(h), b);
	assert_ptr_equal(hub_next_due(h), a);
	assert_null(hub_next_due(h));
	leave(h, a);
	leave(h, b);
	leave(h, c);
}

static void
a_single_item_does_not_wait_for_all_members_of_a_storm(void **state)
{
	struct hub *h = *state;
	struct member *many[5 * HUB_TURN], *single = join(h, 8);
	int n = 0;

	for (int i = 0; i < 5 * HUB_TURN; i++)
		many[i] = join(h, 7);
	publish(h, 7, 1);
	assert_ptr_not_equal(hub_next_due(h), single);
	publish(h, 7, 2);
	publish(h, 8, 1);
	while (hub_next_due(h) != single)
		assert_true(++n <= HUB_TURN);
	while (hub_next_due(h) != NULL)
		n++;
	assert_int_equal(n, 5 * HUB_TURN); /* the first one was given before the second item came */
	for (int i = 0; i < 5 * HUB_TURN; i++)
		leave(h, many[i]);
	leave(h, single);
}

static void
whoever_comes_and_goes_meanwhile_no_member_is_passed_over(void **state)
{
	struct hub *h = *state;
	struct member *first = join(h, 7), *gone = join(h, 7), *late;
	bool was_first = false;

	publish(h, 7, 1);
	publish(h, 7, 2);
	assert_ptr_equal(hub_next_due(h), gone); /* the youngest is the first */
	publish(h, 7, 3);
	assert_ptr_equal(hub_next_due(h), first);
	late = join(h, 7);
	leave(h, gone);
	publish(h, 7, 4);
	for (struct member *m; (m = hub_next_due(h)) != NULL;)
		was_first = was_first || m == first;
	assert_true(was_first);
	assert_int_equal(room_load(first->room), 0);
	leave(h, first);
	leave(h, late);
	assert_null(hub_next_due(h));
}

static void
a_room_says_how_much_of_its_ring_waits(void **state)
{
	struct hub *h = *state;
	struct member *a = join(h, 7), *b = join(h, 7);

	for (int64_t seq = 1; seq <= HUB_RING_ITEMS / 2; seq++)
		publish(h, 7, seq);
	assert_int_equal(room_load(a->room), 50);
	assert_non_null(hub_next_due(h));
	assert_int_equal(room_load(a->room), 50); /* one still waits for all of it */
	publish(h, 7, HUB_RING_ITEMS);
	assert_non_null(hub_next_due(h));
	assert_int_equal(room_load(a->room), 50);
	assert_non_null(hub_next_due(h));
	assert_int_equal(room_load(a->room), 0);
	leave(h, a);
	leave(h, b);
}

static void
a_broadcast_to_all_is_in_every_ring(void **state)
{
	struct hub *h = *state;
	struct member *a = join(h, 7), *b = join(h, 8);
	struct event ev = {.type = 2, .content = "hello"};
	struct item *it = item_new(&ev, true);

	hub_publish_to_all(h, it);
	item_release(it);
	assert_int_equal(take(a), 0);
	assert_int_equal(take(b), 0);
	leave(h, a);
	leave(h, b);
}

/* Keeps events first..last of the table, of those asked for from `from` on. */
static void
keep_before(struct hub *h, struct room *r, int64_t from, int64_t first, int64_t last)
{
	struct item *items[HUB_RING_ITEMS * 2] = {NULL};
	size_t n = 0;

	for (int64_t seq = first; seq <= last; seq++)
		items[n++] = item_no(7, seq);
	hub_keep_before(h, r, from, items, n);
	while (n > 0)
		item_release(items[--n]);
}

static void
what_the_table_has_told_once_is_told_from_the_ring_then(void **state)
{
	struct hub *h = *state;
	struct member *early = join(h, 7), *late = join(h, 7);

	hub_set_stream(h, late->room, &(struct stand){.epoch = "e", .top = 100});
	keep_before(h, late->room, 1, 1, 50); /* does not reach up to the ring */
	assert_false(room_covers(late->room, 60));
	publish(h, 7, 101);
	keep_before(h, late->room, 61, 64, 101); /* 61 to 63 were pruned, 101 is there */
	assert_false(room_covers(late->room, 60));
	assert_true(room_covers(late->room, 61));
	member_seek(late, 61);
	for (int64_t seq = 64; seq <= 101; seq++)
		assert_int_equal(take(late), seq);
	assert_int_equal(member_n_ahead(late), 0);
	assert_int_equal(take(early), 101); /* who was live stays where he was */
	leave(h, early);
	leave(h, late);
}

/* The un-acked seqs that a room tells, as text; "?": it does not know. */
static const char *
open_of(const struct room *r)
{
	static char text[200];
	const struct stand stand = room_stand(r);
	int at = 0;

	text[0] = '\0';
	for (size_t i = 0; stand.knows_open && i < stand.n_open; i++)
		at += snprintf(text + at, sizeof text - (size_t)at, "%s%d", i > 0 ? " " : "",
		    (int)stand.open[i]);
	return stand.knows_open ? text : "?";
}

static void
what_nobody_has_acked_is_known_to_the_room_as_long_as_all_is_heard(void **state)
{
	const int64_t open[] = {3, 5}, acked[] = {5, 6}, anew[] = {3, 9};
	struct hub *h = *state;
	struct member *m = join(h, 7);
	struct item *it = item_new_acked(7, acked, 2, "till-1");

	assert_string_equal(open_of(m->room), "?");
	hub_set_stream(h, m->room,
	    &(struct stand){.epoch = "e", .top = 5, .knows_open = true, .n_open = 2, .open = open});
	assert_string_equal(open_of(m->room), "3 5");
	publish(h, 7, 6);
	publish(h, 7, 7);
	publish(h, 7, 6); /* was here before */
	assert_string_equal(open_of(m->room), "3 5 6 7");
	hub_publish(h, it);
	assert_string_equal(open_of(m->room), "3 7");
	hub_doubt_open(h);
	publish(h, 7, 8);
	assert_string_equal(open_of(m->room), "?");
	room_set_open(
	    m->room, &(struct stand){.top = 8, .knows_open = true, .n_open = 2, .open = anew});
	assert_string_equal(open_of(m->room), "3 9");
	publish(h, 7, 9);
	assert_string_equal(open_of(m->room), "3 9");
	assert_int_equal(room_stand(m->room).top, 9);
	item_release(it);
	leave(h, m);
}

static void
of_very_many_open_ones_the_room_does_not_know_all(void **state)
{
	struct hub *h = *state;
	struct member *m = join(h, 7);

	hub_set_stream(h, m->room, &(struct stand){.epoch = "e", .knows_open = true});
	assert_string_equal(open_of(m->room), "");
	for (int64_t seq = 1; seq <= STAND_OPEN_MAX; seq++)
		publish(h, 7, seq);
	assert_true(room_stand(m->room).knows_open);
	publish(h, 7, STAND_OPEN_MAX + 1);
	assert_string_equal(open_of(m->room), "?");
	leave(h, m);
}

static void
what_came_before_the_stream_was_known_is_told_once(void **state)
{
	struct hub *h = *state;
	struct member *m = join(h, 7);

	/* The listener watches the merchant for another loop already: its events come, and then
	 * where the stream stands. */
	publish(h, 7, 202);
	hub_set_stream(h, m->room, &(struct stand){.epoch = "e", .top = 202});
	publish(h, 7, 203);
	keep_before(h, m->room, 201, 201, 202);
	assert_true(room_covers(m->room, 201));
	member_seek(m, 201);
	for (int64_t seq = 201; seq <= 203; seq++)
		assert_int_equal(take(m), seq);
	assert_int_equal(member_n_ahead(m), 0);
	leave(h, m);
}

static void
who_was_left_behind_is_so_though_older_events_come_back(void **state)
{
	struct hub *h = *state;
	struct member *slow = join(h, 7);
	int64_t top = HUB_RING_ITEMS + 10;

	hub_set_stream(h, slow->room, &(struct stand){.epoch = "e", .top = 0});
	for (int64_t seq = 1; seq <= top; seq++)
		publish(h, 7, seq);
	assert_true(member_is_lost(slow));
	keep_before(h, slow->room, 1, 1, top); /* there is no room before a full ring */
	assert_false(room_covers(slow->room, 10));
	assert_true(room_covers(slow->room, 11));
	assert_true(member_is_lost(slow));
	hub_set_stream(h, slow->room, &(struct stand){.epoch = "e", .top = top});
	keep_before(h, slow->room, 1, 1, top);
	assert_true(room_covers(slow->room, 11));
	assert_false(room_covers(slow->room, 10));
	assert_true(member_is_lost(slow));
	member_seek(slow, 500);
	assert_int_equal(take(slow), 500);
	leave(h, slow);
}

/* Publishes that these were acked. */
static void
publish_acked(struct hub *h, int64_t merchant, const int64_t *seqs, size_t n)
{
	struct item *it = item_new_acked(merchant, seqs, n, "a \"till\"");

	hub_publish(h, it);
	item_release(it);
}

static void
who_comes_late_hears_with_an_event_that_it_was_acked(void **state)
{
	struct hub *h = *state;
	struct member *m = join(h, 7);
	const int64_t some[] = {1, 3, 99}, again[] = {3, 5};
	const char *end = ",\"acked\":\"a \\\"till\\\"\"}";

	for (int64_t seq = 1; seq <= 5; seq++)
		publish(h, 7, seq);
	publish_acked(h, 7, some, 3);
	publish_acked(h, 7, again, 2);
	member_seek(m, 1);
	for (int64_t seq = 1; seq <= 5; seq++) {
		struct item_run run = member_run(m, INT64_MAX);
		const struct item *it = run.slots[run.at & run.mask];
		size_t len, plain_len, end_len = strlen(end);
		const char *json = item_json(it, &len);
		const uint8_t *plain = item_wire(it, WIRE_PLAIN, &plain_len);
		bool is_acked = seq % 2 == 1;

		assert_int_equal(take(m), seq);
		assert_int_equal(memcmp(json + len - end_len, end, end_len) == 0, is_acked);
		assert_null(memmem(plain, plain_len, "acked", 5));
		item_wire(it, WIRE_SSE, &plain_len);
		assert_true(plain_len > len);
	}
	assert_int_equal(take(m), 0);
	leave(h, m);
}

/* What a member missed, as text that lasts until the next call; "?": not known. */
static const char *
missed(const struct member *m)
{
	static char text[200];
	int64_t seqs[8];
	size_t n = member_missed(m, 0, seqs, 8), len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(
		    text + len, sizeof text - len, i == 0 ? "%d" : " %d", (int)seqs[i]);
	return member_knows_missed(m) ? text : "?";
}

/* As many events as a ring holds: what was there before is dropped. */
static void
publish_ringful(struct hub *h, int64_t merchant)
{
	int64_t top = room_top(hub_room(h, merchant));

	for (int64_t seq = top + 1; seq <= top + HUB_RING_ITEMS; seq++)
		publish(h, merchant, seq);
}

static void
who_was_left_behind_is_told_what_was_acked_meanwhile(void **state)
{
	struct hub *h = *state;
	struct member *slow = join(h, 7), *prompt = join(h, 7);
	int64_t many[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

	hub_set_stream(h, slow->room, &(struct stand){.epoch = "e", .top = 20});
	publish_acked(h, 7, &many[2], 1);
	publish_acked(h, 7, &many[7], 2);
	prompt->pos += 2; /* it was given these */
	publish_acked(h, 7, &many[4], 1);
	publish_ringful(h, 7);
	assert_true(member_is_lost(slow));
	assert_true(member_is_lost(prompt));
	assert_string_equal(missed(slow), "3 5 8 9");
	assert_string_equal(missed(prompt), "3 5 8 9"); /* all of them or none */
	prompt->pos++;
	assert_string_equal(missed(prompt), "");
	/* What is in the ring is told from there, though it lies before its next event. */
	publish_acked(h, 7, &many[0], 1);
	publish_ringful(h, 7);
	publish_acked(h, 7, &many[1], 1);
	publish(h, 7, room_top(slow->room) + 1);
	assert_string_equal(missed(slow), "1 3 5 8 9");
	assert_string_equal(missed(prompt), "1 3 5 8 9");
	member_seek(slow, room_top(slow->room));
	assert_int_equal(member_n_ahead(slow), 2);
	assert_int_equal(take(slow), 0);
	leave(h, slow);
	leave(h, prompt);
}

static void
who_is_marked_as_lost_still_knows_its_place(void **state)
{
	struct hub *h = *state;
	struct member *slow = join(h, 7), *late;
	int64_t seq = 1;

	hub_set_stream(h, slow->room, &(struct stand){.epoch = "e", .top = 1});
	publish_ringful(h, 7);
	publish_acked(h, 7, &seq, 1);
	late = join(h, 7);
	publish_ringful(h, 7);
	publish_ringful(h, 7);
	assert_true(member_is_lost(late));
	keep_before(h, slow->room, 2, 2, 2000); /* marks them */
	keep_before(h, slow->room, 2, 2, 2000);
	assert_true(member_is_lost(slow));
	assert_string_equal(missed(slow), "1");
	assert_string_equal(missed(late), "");
	leave(h, slow);
	leave(h, late);
}

/* Publishes `n` items that 1000 events each were acked: of five in a row four. */
static void
publish_many_acked(struct hub *h, int64_t merchant, int n, int64_t *last)
{
	int64_t seqs[1000];

	while (n-- > 0) {
		for (size_t i = 0; i < 1000; i++)
			seqs[i] = *last += i % 4 == 0 ? 2 : 1;
		publish_acked(h, merchant, seqs, 1000);
	}
}

static void
of_very_many_acks_the_oldest_are_forgotten(void **state)
{
	static int64_t seqs[20000];
	struct hub *h = *state;
	struct member *slow = join(h, 7), *late;
	int64_t last = 0;

	hub_set_stream(h, slow->room, &(struct stand){.epoch = "e", .top = 1000000});
	publish_many_acked(h, 7, 92, &last);
	late = join(h, 7);
	publish_many_acked(h, 7, MISSED_SLIPS, &last);
	publish_ringful(h, 7);
	assert_string_equal(missed(slow), "?");
	assert_true(member_knows_missed(late));
	/* Page by page, and perhaps some that came right before. */
	assert_int_equal(member_missed(late, 115001, seqs, 10000), 8000);
	assert_int_equal(seqs[0], 115002);
	assert_int_equal(seqs[7999], 125000);
	assert_int_equal(member_missed(late, seqs[0], seqs, 3), 3);
	assert_int_equal(member_missed(late, seqs[2] + 1, seqs, 1), 1);
	assert_int_equal(seqs[0], 115005);
	assert_in_range(member_missed(late, 0, seqs, 20000), 8000, 9000);
	/* Another stream: none of it counts any more. */
	hub_set_stream(h, slow->room, &(struct stand){.epoch = "f", .top = 5});
	assert_string_equal(missed(slow), "");
	assert_string_equal(missed(late), "");
	leave(h, slow);
	leave(h, late);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		an_event_reaches_the_terminals_of_its_merchant_alone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		who_joins_sees_only_what_comes_after, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(nothing_is_published_twice, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_slow_member_is_lost_and_the_prompt_one_is_not, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_ring_says_from_where_on_it_is_complete, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_run_ends_with_the_event_that_was_named, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(another_epoch_empties_the_ring, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		what_nobody_has_acked_is_known_to_the_room_as_long_as_all_is_heard, set_up,
		tear_down),
	    cmocka_unit_test_setup_teardown(
		of_very_many_open_ones_the_room_does_not_know_all, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		rings_stay_within_the_bound_of_the_hub, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_room_outlives_its_last_member_for_a_while, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		each_member_is_due_once_for_all_that_its_room_heard, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_single_item_does_not_wait_for_all_members_of_a_storm, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		whoever_comes_and_goes_meanwhile_no_member_is_passed_over, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_room_says_how_much_of_its_ring_waits, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_broadcast_to_all_is_in_every_ring, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		what_came_before_the_stream_was_known_is_told_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		who_comes_late_hears_with_an_event_that_it_was_acked, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		what_the_table_has_told_once_is_told_from_the_ring_then, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		who_was_left_behind_is_so_though_older_events_come_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		who_was_left_behind_is_told_what_was_acked_meanwhile, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		who_is_marked_as_lost_still_knows_its_place, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		of_very_many_acks_the_oldest_are_forgotten, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
