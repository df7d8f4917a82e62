/* What the benches measure with: a wrong quantile would make every figure wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/frame.h"
#include "tests/bench/floor_stream.h"
#include "tests/bench/follower.h"
#include "tests/bench/latency.h"
#include "tests/bench/mqtt.h"
#include "tests/bench/wsclient.h"

static struct latency *
latency_of(int64_t from_ns, int64_t to_ns, int64_t step_ns)
{
	struct latency *l = calloc(1, sizeof *l);

	assert_non_null(l);
	for (int64_t ns = from_ns; ns <= to_ns; ns += step_ns)
		latency_add(l, ns);
	return l;
}

static void
assert_near(int64_t got, int64_t wanted)
{
	assert_in_range(got, wanted, wanted + wanted / 30 + 1);
}

static void
quantiles_are_exact_to_three_percent(void **state)
{
	struct latency *l = latency_of(1000, 1000000, 1000);

	(void)state;
	assert_int_equal(l->n, 1000);
	assert_near(latency_quantile_ns(l, 0.5), 500000);
	assert_near(latency_quantile_ns(l, 0.99), 990000);
	assert_int_equal(latency_quantile_ns(l, 1), 1000000);
	free(l);
}

static void
small_and_huge_values_have_their_place(void **state)
{
	struct latency *l = latency_of(0, 31, 1);

	(void)state;
	assert_int_equal(latency_quantile_ns(l, 0.5), 15);
	latency_add(l, -5);
	assert_int_equal(latency_quantile_ns(l, 0), 0);
	latency_add(l, INT64_MAX);
	assert_true(latency_quantile_ns(l, 1) == INT64_MAX);
	free(l);
}

static void
nothing_measured_is_zero(void **state)
{
	struct latency l = {0};

	(void)state;
	assert_int_equal(latency_quantile_ns(&l, 0.99), 0);
}

static void
a_client_frame_is_what_the_server_reads(void **state)
{
	uint8_t bytes[300 + WSCLIENT_FRAME_ROOM], payload[300];
	struct frame_reader reader;
	struct frame_message got;
	size_t used, n;

	(void)state;
	memset(payload, 'x', sizeof payload);
	for (size_t len = 0; len <= sizeof payload; len += 100) {
		frame_reader_init(&reader, 1000);
		n = wsclient_frame(bytes, WSCLIENT_TEXT, payload, len);
		assert_int_equal(frame_read(&reader, bytes, n, &used, &got), FRAME_GOT);
		assert_int_equal(used, n);
		assert_int_equal(got.len, len);
		assert_true(len == 0 || memcmp(got.payload, payload, len) == 0);
		frame_reader_fini(&reader);
	}
}

static void
a_server_frame_is_read_once_it_is_whole(void **state)
{
	uint8_t bytes[300] = {0};
	struct wsclient_frame got;
	size_t n = frame_header(bytes, FRAME_TEXT, 200) + 200;

	(void)state;
	for (size_t part = 0; part < n; part++)
		assert_int_equal(wsclient_read(bytes, part, &got), WSCLIENT_MORE);
	assert_int_equal(wsclient_read(bytes, n, &got), WSCLIENT_FRAME);
	assert_int_equal(got.len, 200);
	assert_int_equal(got.used, n);
	bytes[1] |= 0x80; /* no server masks */
	assert_int_equal(wsclient_read(bytes, n, &got), WSCLIENT_BROKEN);
}

static void
an_answer_is_open_only_with_the_right_accept_value(void **state)
{
	static const char good[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nrest";
	static const char wrong[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				    "Sec-WebSocket-Accept: t3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	static const char full[] = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
	size_t used;
	int status;

	(void)state;
	assert_int_equal(wsclient_answer(good, 20, &used, &status), WSCLIENT_PART);
	assert_int_equal(wsclient_answer(good, sizeof good - 1, &used, &status), WSCLIENT_OPEN);
	assert_string_equal(good + used, "rest");
	assert_int_equal(
	    wsclient_answer(wrong, sizeof wrong - 1, &used, &status), WSCLIENT_REFUSED);
	assert_int_equal(wsclient_answer(full, sizeof full - 1, &used, &status), WSCLIENT_REFUSED);
	assert_int_equal(status, 503);
	assert_int_equal(wsclient_answer("hello", 5, &used, &status), WSCLIENT_REFUSED);
}

static void
welcome(struct follower *f, bool recovered)
{
	follower_welcome(f, "9f3c01aa-1\",", 10, recovered);
}

static void
before_caught_up_seqs_may_skip_and_after_it_they_may_not(void **state)
{
	struct follower f = {0};

	(void)state;
	welcome(&f, false);
	assert_int_equal(follower_event(&f, 3), FOLLOWER_GOOD);
	assert_int_equal(follower_event(&f, 7), FOLLOWER_GOOD);
	assert_int_equal(follower_event(&f, 7), FOLLOWER_REPEAT);
	assert_int_equal(follower_caught_up(&f, 9), FOLLOWER_GOOD);
	assert_int_equal(follower_event(&f, 10), FOLLOWER_GOOD);
	assert_int_equal(follower_event(&f, 13), FOLLOWER_HOLE);
	assert_int_equal(follower_event(&f, 12), FOLLOWER_DISORDER);
	assert_int_equal(follower_event(&f, 10), FOLLOWER_REPEAT);
	assert_int_equal(follower_event(&f, 14), FOLLOWER_GOOD);
}

static void
who_comes_back_with_a_cursor_misses_nothing(void **state)
{
	struct follower f = {0};

	(void)state;
	welcome(&f, false);
	assert_int_equal(follower_caught_up(&f, 0), FOLLOWER_GOOD);
	assert_int_equal(follower_event(&f, 1), FOLLOWER_GOOD);
	welcome(&f, true);
	assert_int_equal(follower_event(&f, 2), FOLLOWER_GOOD);
	assert_int_equal(follower_caught_up(&f, 3), FOLLOWER_HOLE);
	welcome(&f, true);
	assert_int_equal(follower_event(&f, 5), FOLLOWER_HOLE);
	assert_int_equal(follower_caught_up(&f, 4), FOLLOWER_EARLY);
	welcome(&f, false);
	assert_int_equal(follower_event(&f, 2), FOLLOWER_GOOD);
}

static void
a_hello_has_the_cursor_of_the_last_caught_up_or_event(void **state)
{
	struct follower f = {0};
	char hello[100];

	(void)state;
	assert_int_equal(follower_hello(&f, "{\"hello\":1}", hello, sizeof hello), 11);
	assert_string_equal(hello, "{\"hello\":1}");
	welcome(&f, false);
	follower_event(&f, 3);
	follower_hello(&f, "{\"hello\":1}", hello, sizeof hello);
	assert_string_equal(hello, "{\"hello\":1}"); /* what lies below 3 is not all told */
	follower_caught_up(&f, 5);
	follower_event(&f, 6);
	follower_hello(&f, "{\"hello\":1}", hello, sizeof hello);
	assert_string_equal(hello, "{\"hello\":1,\"after\":{\"epoch\":\"9f3c01aa-1\",\"seq\":6}}");
	assert_int_equal(follower_hello(&f, "{\"hello\":1}", hello, 20), 0);
}

static void
assert_frame_is(const struct floor_stream *s, uint32_t at, char filled_with, size_t len)
{
	struct wsclient_frame frame;
	uint32_t end = floor_stream_next(s, at);

	assert_int_equal(wsclient_read(floor_stream_at(s, at), end - at, &frame), WSCLIENT_FRAME);
	assert_int_equal(frame.opcode, WSCLIENT_TEXT);
	assert_int_equal(frame.used, end - at);
	assert_int_equal(frame.len, len);
	assert_int_equal(frame.payload[0], filled_with);
	assert_int_equal(frame.payload[len - 1], filled_with);
}

static void
the_floor_encodes_short_and_long_events_one_behind_the_other(void **state)
{
	struct floor_stream s = {.base = UINT32_MAX - 100}; /* positions wrap on the way */
	char text[1000];
	uint32_t at = floor_stream_end(&s);

	(void)state;
	memset(text, 'a', sizeof text);
	assert_true(floor_stream_add(&s, text, 125));
	memset(text, 'b', sizeof text);
	assert_true(floor_stream_add(&s, text, sizeof text));
	assert_frame_is(&s, at, 'a', 125);
	at = floor_stream_next(&s, at);
	assert_frame_is(&s, at, 'b', sizeof text);
	at = floor_stream_next(&s, at);
	assert_int_equal(at, floor_stream_end(&s));
	floor_stream_drop(&s);
	assert_int_equal(at, floor_stream_end(&s));
	assert_true(floor_stream_add(&s, text, 126));
	assert_frame_is(&s, at, 'b', 126);
	assert_false(floor_stream_add(&s, text, UINT16_MAX + 1));
	floor_stream_fini(&s);
}

static void
what_mqtt_is_told_is_two_whole_packets(void **state)
{
	uint8_t hello[300];
	unsigned type = 0;
	size_t n = mqtt_hello(hello, sizeof hello, "merchant/1", 7), first, second;

	(void)state;
	first = mqtt_packet(hello, n, &type);
	assert_int_equal(type, 1); /* CONNECT */
	assert_memory_equal(hello + first - 6, "till-7", 6);
	second = mqtt_packet(hello + first, n - first, &type);
	assert_int_equal(type, 8); /* SUBSCRIBE */
	assert_int_equal(first + second, n);
	assert_memory_equal(hello + n - 11, "merchant/1", 11); /* and QoS 0 */
	assert_int_equal(mqtt_packet(hello, first - 1, &type), 0);
	assert_int_equal(mqtt_hello(hello, 20, "merchant/1", 7), 0);
}

static void
a_long_mqtt_packet_has_its_length_in_two_bytes(void **state)
{
	uint8_t packet[3 + 200] = {0x30, 0xc8, 0x01};
	unsigned type = 0;

	(void)state;
	assert_int_equal(mqtt_packet(packet, sizeof packet, &type), sizeof packet);
	assert_int_equal(type, MQTT_PUBLISH);
	assert_int_equal(mqtt_packet(packet, sizeof packet - 1, &type), 0);
	assert_int_equal(mqtt_packet(packet, 2, &type), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(quantiles_are_exact_to_three_percent),
	    cmocka_unit_test(small_and_huge_values_have_their_place),
	    cmocka_unit_test(nothing_measured_is_zero),
	    cmocka_unit_test(a_client_frame_is_what_the_server_reads),
	    cmocka_unit_test(a_server_frame_is_read_once_it_is_whole),
	    cmocka_unit_test(an_answer_is_open_only_with_the_right_accept_value),
	    cmocka_unit_test(before_caught_up_seqs_may_skip_and_after_it_they_may_not),
	    cmocka_unit_test(who_comes_back_with_a_cursor_misses_nothing),
	    cmocka_unit_test(a_hello_has_the_cursor_of_the_last_caught_up_or_event),
	    cmocka_unit_test(what_mqtt_is_told_is_two_whole_packets),
	    cmocka_unit_test(a_long_mqtt_packet_has_its_length_in_two_bytes),
	    cmocka_unit_test(the_floor_encodes_short_and_long_events_one_behind_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
