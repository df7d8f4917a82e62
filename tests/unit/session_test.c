/* orderbell.v1 and the plain clients' silence, message by message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/session.h"

static const struct access without_auth = {.auth = ACCESS_NONE};
static const struct access with_jwt = {.auth = ACCESS_JWT};

static enum session_verdict
say(struct session *s, const struct access *a, const char *text, struct session_act *act)
{
	struct frame_message m = {.opcode = FRAME_TEXT,
	    .payload = (const uint8_t *)text,
	    .len = (uint32_t)strlen(text),
	    .kept = (uint32_t)strlen(text)};

	*act = (struct session_act){.code = CLOSE_NO_STATUS};
	return session_receive(s, a, &m, "till-1", 1700000000, act);
}

/* Takes the next text frame off an outbox. */
static void
expect_text(struct outbox *out, const char *json)
{
	const uint8_t *bytes = outbox_bytes(out);
	size_t n = strlen(json), header = n < 126 ? 2 : 4;

	assert_true(outbox_len(out) >= header + n);
	assert_int_equal(bytes[0], 0x81);
	assert_memory_equal(bytes + header, json, n);
	outbox_drop(out, header + n);
}

static void
a_plain_client_may_say_anything_and_is_told_nothing(void **state)
{
	struct session s;
	struct outbox out = {0};
	struct session_act act;

	(void)state;
	session_init(&s, SESSION_PLAIN, &(struct grant){.merchant = 7});
	assert_int_equal(s.state, SESSION_ENTER);
	assert_int_equal(say(&s, &without_auth, "not json", &act), SESSION_GO_ON);
	assert_int_equal(say(&s, &without_auth, "{\"hello\":2}", &act), SESSION_GO_ON);
	assert_true(session_caught_up(&s, 3, &out));
	assert_int_equal(outbox_len(&out), 0);
	assert_true(session_heartbeat(&s, &out));
	assert_memory_equal(outbox_bytes(&out), "\x89\x00", 2);
	assert_int_equal(outbox_len(&out), 2);
	outbox_clear(&out);
}

static void
a_hello_is_answered_by_a_welcome(void **state)
{
	struct session_start start;
	struct session s;
	struct outbox out = {0};
	struct session_act act;

	(void)state;
	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
	assert_int_equal(s.state, SESSION_HELLO);
	assert_int_equal(
	    say(&s, &without_auth, "{\"hello\":1,\"audio\":\"armed\"}", &act), SESSION_JOIN);
	assert_int_equal(s.state, SESSION_ENTER);
	assert_int_equal(s.audio, AUDIO_ARMED);
	assert_true(
	    session_welcome(&s, &(struct page){.epoch = "9f3c01aa", .top = 44}, 25, &out, &start));
	assert_int_equal(s.state, SESSION_LIVE);
	assert_true(start.from_unacked);
	expect_text(&out,
	    "{\"welcome\":1,\"merchant\":7,\"epoch\":\"9f3c01aa\",\"top\":44,\"recovered\":false,"
	    "\"open\":[],\"heartbeat\":25}");
	assert_true(session_caught_up(&s, 44, &out));
	expect_text(&out, "{\"caught_up\":44}");
	assert_int_equal(outbox_len(&out), 0);
}

static void
what_is_no_hello_closes_with_4400(void **state)
{
	static const char *const bad[] = {"", "x", "[]", "{}", "{\"hello\":2}", "{\"hello\":\"1\"}",
	    "{\"ack\":[1]}", "{\"hello\":1", "{\"hello\":1} x", "{\"hello\":1,\"token\":5}",
	    "{\"hello\":1,\"audio\":5}"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct session s;
		struct session_act act;

		session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
		assert_int_equal(say(&s, &without_auth, bad[i], &act), SESSION_CLOSE);
		assert_int_equal(act.code, CLOSE_BAD_PROTOCOL);
	}
}

static void
binary_and_overlong_messages_close_with_4400(void **state)
{
	struct frame_message m = {.opcode = FRAME_BINARY,
	    .payload = (const uint8_t *)"{\"hello\":1}",
	    .len = 11,
	    .kept = 11};
	struct session s;
	struct session_act act;

	(void)state;
	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
	assert_int_equal(session_receive(&s, &without_auth, &m, "t", 0, &act), SESSION_CLOSE);
	assert_int_equal(act.code, CLOSE_BAD_PROTOCOL);
	m.opcode = FRAME_TEXT;
	m.len = SESSION_V1_KEEP + 1;
	assert_int_equal(session_receive(&s, &without_auth, &m, "t", 0, &act), SESSION_CLOSE);
	assert_int_equal(act.code, CLOSE_BAD_PROTOCOL);
}

static void
without_a_valid_token_a_hello_closes_with_4401(void **state)
{
	struct session s;
	struct session_act act;

	(void)state;
	session_init(&s, SESSION_V1, &(struct grant){0});
	assert_int_equal(say(&s, &with_jwt, "{\"hello\":1}", &act), SESSION_CLOSE);
	assert_int_equal(act.code, CLOSE_UNAUTHORIZED);
	/* The token of the hello wins, even over a good one of the request. */
	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
	assert_int_equal(
	    say(&s, &with_jwt, "{\"hello\":1,\"token\":\"bad\"}", &act), SESSION_CLOSE);
	assert_int_equal(act.code, CLOSE_UNAUTHORIZED);
	/* Without one in the hello the request's counts. */
	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
	assert_int_equal(say(&s, &with_jwt, "{\"hello\":1}", &act), SESSION_JOIN);
}

static void
frames_of_a_later_protocol_are_left_alone(void **state)
{
	struct session s;
	struct session_act act;

	(void)state;
	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
	say(&s, &without_auth, "{\"hello\":1}", &act);
	assert_int_equal(say(&s, &without_auth, "{\"future\":[1,2]}", &act), SESSION_GO_ON);
	assert_int_equal(say(&s, &without_auth, "{\"audio\":\"blocked\"}", &act), SESSION_GO_ON);
	assert_int_equal(s.audio, AUDIO_BLOCKED);
	assert_int_equal(say(&s, &without_auth, "{\"hello\":1}", &act), SESSION_GO_ON);
}

/* Says hello with that cursor and gives the welcome it gets from a stream with top 44 that is kept
 * from 10 on, where 3, 40 and 43 are un-acked. */
static struct session_start
welcome_after(const char *hello, const char *expected)
{
	static const struct page opening = {
	    .epoch = "9f3c01aa", .top = 44, .kept_from = 10, .open = {3, 40, 43}, .n_open = 3};
	struct session s;
	struct session_act act;
	struct session_start start;
	struct outbox out = {0};

	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
	assert_int_equal(say(&s, &without_auth, hello, &act), SESSION_JOIN);
	assert_true(session_welcome(&s, &opening, 25, &out, &start));
	expect_text(&out, expected);
	assert_null(s.after);
	return start;
}

static void
a_cursor_goes_on_where_it_was(void **state)
{
	struct session_start start = welcome_after(
	    "{\"hello\":1,\"after\":{\"epoch\":\"9f3c01aa\",\"seq\":41}}",
	    "{\"welcome\":1,\"merchant\":7,\"epoch\":\"9f3c01aa\",\"top\":44,\"recovered\":true,"
	    "\"open\":[3,40],\"heartbeat\":25}");

	(void)state;
	assert_int_equal(start.next, 42);
	assert_false(start.from_unacked);
}

static void
a_cursor_that_does_not_hold_starts_from_the_unacked(void **state)
{
	static const char *const hellos[] = {
	    "{\"hello\":1,\"after\":{\"epoch\":\"other\",\"seq\":41}}",    /* another epoch */
	    "{\"hello\":1,\"after\":{\"epoch\":\"9f3c01aa\",\"seq\":45}}", /* ahead of top */
	    "{\"hello\":1,\"after\":{\"epoch\":\"9f3c01aa\",\"seq\":8}}",  /* pruned behind it */
	};

	(void)state;
	for (size_t i = 0; i < sizeof hellos / sizeof *hellos; i++) {
		struct session_start start = welcome_after(hellos[i],
		    "{\"welcome\":1,\"merchant\":7,\"epoch\":\"9f3c01aa\",\"top\":44,"
		    "\"recovered\":false,\"open\":[],\"heartbeat\":25}");

		assert_true(start.from_unacked);
	}
}

static void
a_cursor_that_is_none_closes_with_4400(void **state)
{
	static const char *const bad[] = {"{\"hello\":1,\"after\":5}",
	    "{\"hello\":1,\"after\":{\"epoch\":\"e\"}}",
	    "{\"hello\":1,\"after\":{\"epoch\":\"e\",\"seq\":-1}}",
	    "{\"hello\":1,\"after\":{\"epoch\":5,\"seq\":1}}"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct session s;
		struct session_act act;

		session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
		assert_int_equal(say(&s, &without_auth, bad[i], &act), SESSION_CLOSE);
		assert_int_equal(act.code, CLOSE_BAD_PROTOCOL);
		session_fini(&s);
	}
}

static void
an_ack_names_the_seqs(void **state)
{
	static const char *const bad[] = {
	    "{\"ack\":5}", "{\"ack\":[]}", "{\"ack\":[0]}", "{\"ack\":[\"5\"]}", "{\"ack\":[1.5]}"};
	struct session s;
	struct session_act act;

	(void)state;
	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
	say(&s, &without_auth, "{\"hello\":1}", &act);
	assert_int_equal(say(&s, &without_auth, "{\"ack\":[42,7]}", &act), SESSION_ACK);
	assert_int_equal(act.n_seqs, 2);
	assert_int_equal(act.seqs[0], 42);
	assert_int_equal(act.seqs[1], 7);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(say(&s, &without_auth, bad[i], &act), SESSION_CLOSE);
		assert_int_equal(act.code, CLOSE_BAD_PROTOCOL);
	}
}

static void
a_heartbeat_of_v1_can_be_seen_by_a_page(void **state)
{
	struct session_start start;
	struct session s;
	struct outbox out = {0};
	struct session_act act;

	(void)state;
	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
	assert_true(session_heartbeat(&s, &out)); /* before the welcome only the ping */
	assert_int_equal(outbox_len(&out), 2);
	outbox_clear(&out);
	say(&s, &without_auth, "{\"hello\":1}", &act);
	assert_true(session_welcome(&s, &(struct page){.epoch = "e"}, 25, &out, &start));
	outbox_clear(&out);
	assert_true(session_heartbeat(&s, &out));
	outbox_drop(&out, 2);
	expect_text(&out, "{\"heartbeat\":1}");
}

static void
a_session_ends_with_its_token(void **state)
{
	struct session s;

	(void)state;
	session_init(&s, SESSION_PLAIN, &(struct grant){.merchant = 7, .exp = 1000});
	assert_false(session_is_expired(&s, 999));
	assert_true(session_is_expired(&s, 1000));
	session_init(&s, SESSION_PLAIN, &(struct grant){.merchant = 7});
	assert_false(session_is_expired(&s, INT64_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_plain_client_may_say_anything_and_is_told_nothing),
	    cmocka_unit_test(a_hello_is_answered_by_a_welcome),
	    cmocka_unit_test(what_is_no_hello_closes_with_4400),
	    cmocka_unit_test(binary_and_overlong_messages_close_with_4400),
	    cmocka_unit_test(without_a_valid_token_a_hello_closes_with_4401),
	    cmocka_unit_test(frames_of_a_later_protocol_are_left_alone),
	    cmocka_unit_test(a_cursor_goes_on_where_it_was),
	    cmocka_unit_test(a_cursor_that_does_not_hold_starts_from_the_unacked),
	    cmocka_unit_test(a_cursor_that_is_none_closes_with_4400),
	    cmocka_unit_test(an_ack_names_the_seqs),
	    cmocka_unit_test(a_heartbeat_of_v1_can_be_seen_by_a_page),
	    cmocka_unit_test(a_session_ends_with_its_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
