/* The small parts of the notifier: timers, maps, outboxes, items, bells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/bell.h"
#include "notifier/census.h"
#include "notifier/idmap.h"
#include "notifier/item.h"
#include "notifier/outbox.h"
#include "notifier/pgarray.h"
#include "notifier/wheel.h"
#include "shared/json.h"

/* --- wheel --- */

static void
a_timer_fires_once_within_a_tick_of_its_time(void **state)
{
	static struct wheel w;
	static const int64_t delays[] = {1, 127, 128, 500, 25000, 131072, 500000};

	(void)state;
	for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
		struct wheel_timer t = {0};
		int64_t fired_at = 0;

		wheel_init(&w, 1000);
		wheel_set(&w, &t, 1000 + delays[i]);
		for (int64_t now = 1000; now < 1000 + delays[i] + 1000; now += 50) {
			if (wheel_run(&w, now) == NULL)
				continue;
			assert_int_equal(fired_at, 0);
			fired_at = now;
		}
		assert_in_range(fired_at, 1000 + delays[i], 1000 + delays[i] + WHEEL_TICK_MS + 50);
	}
}

static void
a_timer_can_be_moved_and_cancelled(void **state)
{
	static struct wheel w;
	struct wheel_timer a = {0}, b = {0};

	(void)state;
	wheel_init(&w, 0);
	wheel_set(&w, &a, 300);
	wheel_set(&w, &b, 300);
	wheel_set(&w, &a, 5000);
	wheel_cancel(&b);
	wheel_cancel(&b);
	assert_null(wheel_run(&w, 4000));
	assert_ptr_equal(wheel_run(&w, 6000), &a);
	assert_null(wheel_run(&w, 6000));
}

static void
a_timer_that_is_always_due_does_not_run_for_ever(void **state)
{
	static struct wheel w;
	struct wheel_timer t = {0};

	(void)state;
	wheel_init(&w, 0);
	wheel_set(&w, &t, 0);
	assert_ptr_equal(wheel_run(&w, 1000), &t);
	wheel_set(&w, &t, 0);
	/* Nine ticks later at the latest all of this moment is used up. */
	for (int i = 0; i < 10 && wheel_run(&w, 1000) != NULL; i++)
		wheel_set(&w, &t, 0);
	assert_null(wheel_run(&w, 1000));
}

/* --- idmap --- */

static void
a_map_finds_what_was_put_and_forgets_what_was_removed(void **state)
{
	struct idmap m;
	size_t at = 0, n = 0;
	static int values[3000];

	(void)state;
	idmap_init(&m);
	assert_null(idmap_get(&m, 5));
	for (int64_t id = 1; id <= 3000; id++)
		assert_true(idmap_put(&m, id * 1024, &values[id - 1]));
	for (int64_t id = 1; id <= 3000; id += 2)
		assert_ptr_equal(idmap_remove(&m, id * 1024), &values[id - 1]);
	for (int64_t id = 1; id <= 3000; id++)
		assert_ptr_equal(idmap_get(&m, id * 1024), id % 2 ? NULL : &values[id - 1]);
	while (idmap_next(&m, &at) != NULL)
		n++;
	assert_int_equal(n, 1500);
	assert_null(idmap_remove(&m, 1024));
	idmap_fini(&m);
}

/* --- outbox --- */

static void
an_outbox_gives_its_bytes_in_order_and_holds_nothing_when_empty(void **state)
{
	struct outbox o = {0};

	(void)state;
	assert_true(outbox_put(&o, "abc", 3));
	assert_true(outbox_put(&o, "defgh", 5));
	outbox_drop(&o, 4);
	assert_int_equal(outbox_len(&o), 4);
	assert_memory_equal(outbox_bytes(&o), "efgh", 4);
	assert_true(outbox_put_frame(&o, FRAME_PONG, "x", 1));
	assert_memory_equal(outbox_bytes(&o), "efgh\x8a\x01x", 7);
	outbox_drop(&o, 7);
	assert_null(o.chunk);
	assert_true(outbox_put_close(&o, CLOSE_SLOW));
	assert_memory_equal(outbox_bytes(&o), "\x88\x02\x0f\xa1", 4);
	outbox_clear(&o);
}

/* --- pgarray --- */

static void
an_array_is_written_as_postgresql_reads_it(void **state)
{
	char text[PGARRAY_ROOM(3)];
	struct pgarray a;

	(void)state;
	pgarray_start(&a, text, sizeof text);
	assert_string_equal(pgarray_end(&a), "{}");
	pgarray_start(&a, text, sizeof text);
	pgarray_add(&a, INT64_MIN);
	pgarray_add(&a, 0);
	pgarray_add(&a, INT64_MAX);
	assert_string_equal(pgarray_end(&a), "{-9223372036854775808,0,9223372036854775807}");
	pgarray_start(&a, text, sizeof text);
	pgarray_add_text(&a, "till-1");
	pgarray_add_text(&a, "null"); /* a name, not nothing */
	pgarray_add_text(&a, "");
	pgarray_add_text(&a, "{1,\"\\");
	assert_string_equal(pgarray_end(&a), "{\"till-1\",\"null\",\"\",\"{1,\\\"\\\\\"}");
}

static void
numbers_in_a_row_are_read_one_by_one(void **state)
{
	const char *text = "3 4 9223372036854775807", *none = "", *odd = "7 x";
	int64_t value = 0;

	(void)state;
	assert_true(pgarray_next(&text, &value));
	assert_int_equal(value, 3);
	assert_true(pgarray_next(&text, &value));
	assert_int_equal(value, 4);
	assert_true(pgarray_next(&text, &value));
	assert_int_equal(value, INT64_MAX);
	assert_false(pgarray_next(&text, &value));
	assert_false(pgarray_next(&none, &value));
	assert_true(pgarray_next(&odd, &value));
	assert_false(pgarray_next(&odd, &value));
}

/* --- item --- */

static void
expect_wire(const struct item *it, enum wire wire, const char *json)
{
	size_t len, header = strlen(json) < 126 ? 2 : 4;
	const uint8_t *bytes = item_wire(it, wire, &len);

	assert_int_equal(len, header + strlen(json));
	assert_int_equal(bytes[0], 0x81);
	assert_memory_equal(bytes + header, json, strlen(json));
}

static void
an_event_is_written_for_each_kind_of_client(void **state)
{
	struct event ev = {.merchant = 7,
	    .seq = 42,
	    .has_order_id = true,
	    .order_id = 123,
	    .type = 1,
	    .content = "<b>\"1/2\" & '3'",
	    .epoch = "9f3c01aa",
	    .at = "2026-11-22T10:00:00.123Z",
	    .acked_by = "till-1"};
	struct item *it = item_new(&ev, true);

	(void)state;
	expect_wire(it, WIRE_V1,
	    "{\"type\":1,\"orderId\":123,\"content\":\"<b>\\\"1/2\\\" & '3'\",\"seq\":42,"
	    "\"epoch\":\"9f3c01aa\",\"at\":\"2026-11-22T10:00:00.123Z\",\"acked\":\"till-1\"}");
	expect_wire(it, WIRE_PLAIN,
	    "{\"type\":1,\"orderId\":123,\"content\":\"&lt;b&gt;&quot;1/2&quot; &amp; "
	    "&#39;3&#39;\","
	    "\"seq\":42,\"epoch\":\"9f3c01aa\",\"at\":\"2026-11-22T10:00:00.123Z\"}");
	item_release(it);
}

/* The v1 text of an event with these details: only what they add, that is what follows "x". */
static void
expect_added(const char *details, const char *added)
{
	struct event ev = {.merchant = 7, .type = 1, .content = "x", .details = details};
	struct item *it = item_new(&ev, true);
	size_t len, before = strlen("{\"type\":1,\"orderId\":null,\"content\":\"x\"");
	const char *json = item_json(it, &len);

	expect_wire(it, WIRE_PLAIN, "{\"type\":1,\"orderId\":null,\"content\":\"x\"}");
	assert_int_equal(len, before + strlen(added) + 1);
	assert_memory_equal(json + before, added, strlen(added));
	item_release(it);
}

static void
amount_items_and_voice_are_for_those_who_know_them(void **state)
{
	(void)state;
	expect_added("{\"amount\": \"38.50\", \"currency\": \"CNY\", \"voice\": \"来单\", "
		     "\"language\": \"zh-CN\"}",
	    ",\"amount\":\"38.50\",\"currency\":\"CNY\",\"voice\":\"来单\","
	    "\"language\":\"zh-CN\"");
	expect_added("{\"items\": [{\"name\": \"面\", \"quantity\": 2.5, \"note\": \"辣\"}, "
		     "{\"name\": \"茶\"}], \"items_more\": 3}",
	    ",\"items\":[{\"name\":\"面\",\"note\":\"辣\",\"quantity\":2.5},{\"name\":\"茶\"}],"
	    "\"items_more\":3");
}

static void
details_that_are_not_as_they_must_be_are_left_out(void **state)
{
	char *long_amount = NULL, *long_voice = NULL;

	(void)state;
	expect_added("", "");
	expect_added("[]", "");
	expect_added(
	    "{\"amount\": 38.5, \"seq\": 7, \"acked\": \"till-9\", \"currency\": \"RMBX\"}", "");
	expect_added("{\"amount\": \"1\"", "");
	expect_added("{\"items\": [{\"name\": 5}, \"x\", {\"name\": \"茶\", \"quantity\": \"2\"}, "
		     "{\"name\": \"面\", \"quantity\": -1}], \"items_more\": -5}",
	    ",\"items\":[{\"name\":\"茶\"},{\"name\":\"面\"}],\"items_more\":2");
	assert_true(asprintf(&long_amount, "{\"amount\": \"%041d\"}", 1) > 0);
	expect_added(long_amount, "");
	assert_true(
	    asprintf(&long_voice, "{\"voice\": \"%0501d\", \"amount\": \"%040d\"}", 1, 0) > 0);
	assert_int_equal(strlen(long_voice), 501 + 40 + 27);
	long_voice[strlen(long_voice) - 2] = '"';
	expect_added(long_voice, ",\"amount\":\"0000000000000000000000000000000000000000\"");
	free(long_amount);
	free(long_voice);
}

/* Gives an array of so many items with names of so many bytes, as details. */
static char *
details_with_items(int n, int name_len)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("{\"items\": [", out);
	for (int i = 0; i < n; i++)
		fprintf(out, "%s{\"name\": \"%0*d\"}", i == 0 ? "" : ", ", name_len, i);
	fputs("]}", out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
expect_items(int n, int name_len, size_t kept, int64_t more)
{
	char *details = details_with_items(n, name_len);
	struct event ev = {.merchant = 7, .type = 1, .content = "x", .details = details};
	struct item *it = item_new(&ev, true);
	size_t len;
	const char *json = item_json(it, &len);
	json_object *object = json_read_object(json, len);
	int64_t n_more = 0;

	json_get_int(object, "items_more", &n_more);
	assert_int_equal(n_more, more);
	assert_int_equal(json_object_array_length(json_object_object_get(object, "items")), kept);
	json_object_put(object);
	item_release(it);
	free(details);
}

static void
of_too_many_items_it_is_told_how_many_more_there_are(void **state)
{
	(void)state;
	expect_items(50, 10, 50, 0);
	expect_items(53, 10, 50, 3);
	expect_items(40, 200, 19, 21); /* of 211 bytes each: 4 KiB */
}

static void
kinds_that_read_the_same_share_their_bytes(void **state)
{
	struct event ev = {
	    .merchant = 7, .type = 2, .content = "订单号:1", .has_order_id = true, .order_id = 5};
	struct item *it = item_new(&ev, true);
	size_t len;

	(void)state;
	expect_wire(it, WIRE_PLAIN, "{\"type\":2,\"orderId\":5,\"content\":\"订单号:1\"}");
	assert_ptr_equal(item_wire(it, WIRE_PLAIN, &len), item_wire(it, WIRE_V1, &len));
	item_release(it);
}

static void
types_of_the_shops_own_are_not_for_plain_clients(void **state)
{
	struct event ev = {.merchant = 7, .type = 3, .content = "x"};
	struct item *it = item_new(&ev, true);
	size_t len;

	(void)state;
	item_wire(it, WIRE_PLAIN, &len);
	assert_int_equal(len, 0);
	expect_wire(it, WIRE_V1, "{\"type\":3,\"orderId\":null,\"content\":\"x\"}");
	item_release(it);
}

static void
an_ack_is_told_to_v1_clients_alone(void **state)
{
	const int64_t seqs[] = {42, 43};
	struct item *it = item_new_acked(7, seqs, 2, "till-1");
	size_t len;

	(void)state;
	item_wire(it, WIRE_PLAIN, &len);
	assert_int_equal(len, 0);
	assert_int_equal(item_merchant(it), 7);
	assert_int_equal(item_seq(it), 0);
	expect_wire(it, WIRE_V1, "{\"acked\":[42,43],\"by\":\"till-1\"}");
	item_release(it);
}

/* --- bell --- */

static void
payloads_are_bells_broadcasts_or_bad(void **state)
{
	static const struct {
		const char *payload;
		enum bell_kind kind;
		int64_t merchant, seq;
	} cases[] = {
	    {"{\"merchant\":7,\"seq\":42}", BELL_RING, 7, 42},
	    {"{\"merchant\":7}", BELL_RING, 7, 0},
	    {"{\"type\":2,\"orderId\":5,\"content\":\"hi\"}", BELL_BROADCAST, 0, 0},
	    {"{\"type\":2,\"content\":\"hi\",\"merchant\":7}", BELL_BROADCAST, 7, 0},
	    {"", BELL_BAD, 0, 0},
	    {"7", BELL_BAD, 0, 0},
	    {"{}", BELL_BAD, 0, 0},
	    {"{\"merchant\":\"7\"}", BELL_BAD, 0, 0},
	    {"{\"merchant\":0}", BELL_BAD, 0, 0},
	    {"{\"merchant\":7,\"seq\":-1}", BELL_BAD, 7, 0},
	    {"{\"type\":0,\"content\":\"x\"}", BELL_BAD, 0, 0},
	    {"{\"type\":1}", BELL_BAD, 0, 0},
	    {"{\"type\":1,\"content\":5}", BELL_BAD, 0, 0},
	    {"{\"type\":1,\"content\":\"x\",\"orderId\":\"5\"}", BELL_BAD, 0, 0},
	    {"{\"type\":1,\"content\":\"x\"} trailing", BELL_BAD, 0, 0},
	    {"{\"type\":1,\"content\":\"\xff\"}", BELL_BAD, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bell bell;
		json_object *json;

		bell_parse(cases[i].payload, &bell, &json);
		assert_int_equal(bell.kind, cases[i].kind);
		if (bell.kind != BELL_BAD) {
			assert_int_equal(bell.merchant, cases[i].merchant);
			assert_int_equal(bell.seq, cases[i].seq);
		}
		json_object_put(json);
	}
}

/* --- census --- */

static void
bounds_hold_per_address_and_merchant_and_in_all(void **state)
{
	static const struct census_bounds bounds = {
	    .in_all = 3, .per_address = 2, .per_merchant = 1};
	struct census *c = census_new(&bounds);
	int64_t a = census_address_key("203.0.113.9"), b = census_address_key("203.0.113.10");

	(void)state;
	assert_int_equal(census_address_key("127.0.0.1"), 0);
	assert_int_equal(census_address_key("2001:db8::1"), census_address_key("2001:db8::2"));
	assert_int_not_equal(a, b);
	assert_true(census_enter(c, a));
	assert_true(census_enter(c, a));
	assert_false(census_enter(c, a));
	assert_true(census_enter(c, b));
	assert_false(census_enter(c, b)); /* three in all */
	census_leave(c, a);
	assert_true(census_enter(c, b));
	assert_int_equal(census_count(c), 3);
	assert_true(census_enter_merchant(c, 7));
	assert_false(census_enter_merchant(c, 7));
	census_leave_merchant(c, 7);
	assert_true(census_enter_merchant(c, 7));
	census_free(c);
}

static void
other_bounds_hold_for_who_comes_next(void **state)
{
	struct census *c = census_new(&(struct census_bounds){.in_all = 3, .per_merchant = 2});
	int64_t a = census_address_key("203.0.113.9");

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(census_enter(c, a));
		assert_true(census_enter_merchant(c, 7));
	}
	census_set_bounds(
	    c, &(struct census_bounds){.in_all = 5, .per_address = 3, .per_merchant = 1});
	assert_int_equal(census_count(c), 2);
	census_leave_merchant(c, 7);
	assert_false(census_enter_merchant(c, 7)); /* one is left, and one may be there */
	census_leave_merchant(c, 7);
	assert_true(census_enter_merchant(c, 7));
	assert_true(census_enter(c, a));
	assert_false(census_enter(c, a));
	assert_true(census_enter(c, 0));
	assert_true(census_enter(c, 0));
	assert_false(census_enter(c, 0));
	census_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_timer_fires_once_within_a_tick_of_its_time),
	    cmocka_unit_test(a_timer_can_be_moved_and_cancelled),
	    cmocka_unit_test(a_timer_that_is_always_due_does_not_run_for_ever),
	    cmocka_unit_test(a_map_finds_what_was_put_and_forgets_what_was_removed),
	    cmocka_unit_test(an_outbox_gives_its_bytes_in_order_and_holds_nothing_when_empty),
	    cmocka_unit_test(an_array_is_written_as_postgresql_reads_it),
	    cmocka_unit_test(numbers_in_a_row_are_read_one_by_one),
	    cmocka_unit_test(an_event_is_written_for_each_kind_of_client),
	    cmocka_unit_test(amount_items_and_voice_are_for_those_who_know_them),
	    cmocka_unit_test(details_that_are_not_as_they_must_be_are_left_out),
	    cmocka_unit_test(of_too_many_items_it_is_told_how_many_more_there_are),
	    cmocka_unit_test(kinds_that_read_the_same_share_their_bytes),
	    cmocka_unit_test(types_of_the_shops_own_are_not_for_plain_clients),
	    cmocka_unit_test(an_ack_is_told_to_v1_clients_alone),
	    cmocka_unit_test(payloads_are_bells_broadcasts_or_bad),
	    cmocka_unit_test(bounds_hold_per_address_and_merchant_and_in_all),
	    cmocka_unit_test(other_bounds_hold_for_who_comes_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
