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
	assert_true(session_caught_up(&s, "e", 3, &out));
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
	    session_welcome(&s, &(struct stand){.epoch = "9f3c01aa", .top = 44}, 25, &out, &start));
	assert_int_equal(s.state, SESSION_LIVE);
	assert_true(start.from_unacked);
	expect_text(&out,
	    "{\"welcome\":1,\"merchant\":7,\"epoch\":\"9f3c01aa\",\"top\":44,\"recovered\":false,"
	    "\"open\":[],\"heartbeat\":25}");
	assert_true(session_caught_up(&s, "e", 44, &out));
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
	static const int64_t open[] = {3, 40, 43};
	static const struct stand stand = {
	    .epoch = "9f3c01aa", .top = 44, .kept_from = 10, .open = open, .n_open = 3};
	struct session s;
	struct session_act act;
	struct session_start start;
	struct outbox out = {0};

	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
	assert_int_equal(say(&s, &without_auth, hello, &act), SESSION_JOIN);
	assert_true(session_welcome(&s, &stand, 25, &out, &start));
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
where_not_all_open_ones_fit_it_says_what_is_to_be_told_besides(void **state)
{
	enum { FROM = 100, N = STAND_OPEN_MAX + 1 };
	static int64_t open[N];
	static const struct stand stand = {
	    .epoch = "9f3c01aa", .top = 9999, .kept_from = 1, .open = open, .n_open = N};
	static const struct {
		const char *after;
		int64_t behind; /* 0: nothing is */
	} cases[] = {
	    {"{\"epoch\":\"9f3c01aa\",\"seq\":5000}", FROM + STAND_OPEN_MAX - 1},
	    {"{\"epoch\":\"9f3c01aa\",\"seq\":1099}", 0}, /* the 1001st is yet to come */
	    {"{\"epoch\":\"other\",\"seq\":5000}", 0},    /* all that is open comes */
	};

	(void)state;
	for (size_t i = 0; i < N; i++)
		open[i] = FROM + (int64_t)i;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct session s;
		struct session_act act;
		struct session_start start;
		struct outbox out = {0};
		char hello[100];

		snprintf(hello, sizeof hello, "{\"hello\":1,\"after\":%s}", cases[i].after);
		session_init(&s, SESSION_V1, &(struct grant){.merchant = 7});
		assert_int_equal(say(&s, &without_auth, hello, &act), SESSION_JOIN);
		assert_true(session_welcome(&s, &stand, 25, &out, &start));
		assert_int_equal(s.after == NULL ? 0 : s.after->seq, cases[i].behind);
		outbox_clear(&out);
		session_fini(&s);
	}
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
	assert_int_equal(say(&s, &without_auth, "{\"ack\":[42,7]}", &act), SESSION_ACKED);
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
	assert_true(session_welcome(&s, &(struct stand){.epoch = "e"}, 25, &out, &start));
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

/* Takes the next text off an outbox that is no frame. */
static void
expect_bytes(struct outbox *out, const char *text)
{
	size_t n = strlen(text);

	assert_true(outbox_len(out) >= n);
	assert_memory_equal(outbox_bytes(out), text, n);
	outbox_drop(out, n);
}

static void
a_stream_says_the_same_as_v1_in_events(void **state)
{
	static const int64_t open[] = {3, 40};
	const struct stand stand = {
	    .epoch = "9f3c01aa-1", .top = 44, .open = open, .n_open = 2, .kept_from = 1};
	struct cursor after;
	struct session_start start;
	struct session s;
	struct outbox out = {0};

	(void)state;
	session_init(&s, SESSION_SSE, &(struct grant){.merchant = 7});
	assert_true(cursor_parse("9f3c01aa-1:41", &after));
	assert_true(session_set_after(&s, &after));
	assert_true(session_welcome(&s, &stand, 25, &out, &start));
	assert_int_equal(start.next, 42);
	expect_bytes(&out, "event: welcome\ndata: "
			   "{\"welcome\":1,\"merchant\":7,\"epoch\":\"9f3c01aa-1\",\"top\":44,"
			   "\"recovered\":true,\"open\":[3,40],\"heartbeat\":25}\n\n");
	assert_true(session_caught_up(&s, stand.epoch, 44, &out));
	expect_bytes(&out, "event: caught_up\nid: 9f3c01aa-1:44\ndata: {\"caught_up\":44}\n\n");
	assert_true(session_heartbeat(&s, &out));
	expect_bytes(&out, ":\n\n");
	assert_true(session_goodbye(&s, CLOSE_GOING_AWAY, &out));
	expect_bytes(&out, "event: bye\ndata: {\"code\":4003}\n\n");
	assert_int_equal(outbox_len(&out), 0);
	session_fini(&s);
}

static void
a_cursor_is_an_epoch_and_a_seq(void **state)
{
	static const char *const bad[] = {"", ":", ":5", "e:", "e", "e:-1", "e:5x", "e: 5",
	    "e:99999999999999999999", "0123456789012345678901234567890123456789:5"};
	struct cursor c;

	(void)state;
	assert_true(cursor_parse("9f3c01aa-1:42", &c));
	assert_string_equal(c.epoch, "9f3c01aa-1");
	assert_int_equal(c.seq, 42);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(cursor_parse(bad[i], &c));
		assert_string_equal(c.epoch, "");
	}
}

/* A v1 session whose hello brought a terminal's token. */
static void
claim(struct session *s, const struct access *a)
{
	struct session_act act;

	session_init(s, SESSION_V1, &(struct grant){0});
	assert_int_equal(
	    say(s, a, "{\"hello\":1,\"token\":\"obt_17_secret\"}", &act), SESSION_PROVE);
	assert_int_equal(s->state, SESSION_CLAIM);
	assert_int_equal(s->claim->terminal, 17);
}

static const char secret_hash[] =
    "3d2d28fb7e69fbd8767b912415a0f1b96d2385b821afde77fcb55151208b538f";

static void
a_claim_is_granted_when_the_database_has_its_hash(void **state)
{
	const struct access a = {.auth = ACCESS_TERMINAL};
	const struct terminal_record record = {7, "kitchen", secret_hash};
	struct session s;
	struct session_act act;

	(void)state;
	claim(&s, &a);
	assert_int_equal(session_prove(&s, &record, &act), SESSION_JOIN);
	assert_int_equal(s.state, SESSION_ENTER);
	assert_int_equal(s.grant.merchant, 7);
	assert_int_equal(s.grant.terminal, 17);
	assert_string_equal(s.terminal, "kitchen");
	assert_true(session_is_revoked(&s, NULL, 0));
	assert_true(session_is_revoked(&s, (const int64_t[]){16, 18}, 2));
	assert_false(session_is_revoked(&s, (const int64_t[]){16, 17}, 2));
	session_fini(&s);
}

static void
a_claim_that_the_database_does_not_know_closes_with_4401(void **state)
{
	static const struct terminal_record bad[] = {
	    {0, "", ""}, {7, "kitchen", "00"}, {7, "kitchen", ""}};
	const struct access a = {.auth = ACCESS_TERMINAL};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct session s;
		struct session_act act;

		claim(&s, &a);
		assert_int_equal(session_prove(&s, &bad[i], &act), SESSION_CLOSE);
		assert_int_equal(act.code, CLOSE_UNAUTHORIZED);
		assert_int_equal(s.grant.merchant, 0);
		session_fini(&s);
	}
}

static void
while_it_is_being_proved_only_audio_may_be_said(void **state)
{
	static const char *const bad[] = {
	    "{\"hello\":1}", "{\"ack\":[1]}", "{\"hello\":1,\"token\":\"x\"}"};
	const struct access a = {.auth = ACCESS_TERMINAL};
	struct session s;
	struct session_act act;

	(void)state;
	claim(&s, &a);
	assert_int_equal(say(&s, &a, "{\"audio\":\"armed\"}", &act), SESSION_GO_ON);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(say(&s, &a, bad[i], &act), SESSION_CLOSE);
		assert_int_equal(act.code, CLOSE_BAD_PROTOCOL);
	}
	session_fini(&s);
}

static void
a_claim_in_a_later_hello_cannot_change_the_merchant(void **state)
{
	const struct access a = {.auth = ACCESS_ANY};
	const struct terminal_record same = {7, "kitchen", secret_hash},
				     other = {8, "kitchen", secret_hash};
	struct session s;
	struct session_act act;

	(void)state;
	session_init(&s, SESSION_V1, &(struct grant){.merchant = 7, .exp = 5});
	s.state = SESSION_LIVE;
	assert_int_equal(
	    say(&s, &a, "{\"hello\":1,\"token\":\"obt_17_secret\"}", &act), SESSION_PROVE);
	assert_int_equal(s.state, SESSION_LIVE);
	assert_int_equal(session_prove(&s, &same, &act), SESSION_GO_ON);
	assert_int_equal(s.grant.exp, 0);
	assert_int_equal(
	    say(&s, &a, "{\"hello\":1,\"token\":\"obt_17_secret\"}", &act), SESSION_PROVE);
	assert_int_equal(session_prove(&s, &other, &act), SESSION_CLOSE);
	assert_int_equal(act.code, CLOSE_FORBIDDEN);
	session_fini(&s);
}

static void
what_was_not_answered_yet_is_refused_in_http(void **state)
{
	struct session s;
	struct outbox out = {0};

	(void)state;
	session_init(&s, SESSION_PLAIN, &(struct grant){0});
	assert_true(session_set_claim(&s, &(struct claim){.terminal = 17}));
	assert_int_equal(s.state, SESSION_CLAIM);
	assert_true(outbox_put(&out, "HTTP/1.1 101", 12)); /* what a good token would have got */
	assert_true(session_goodbye(&s, CLOSE_UNAUTHORIZED, &out));
	expect_bytes(&out, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n");
	session_fini(&s);
	outbox_clear(&out);
	session_init(&s, SESSION_POLL, &(struct grant){.merchant = 7});
	assert_true(session_goodbye(&s, CLOSE_TRY_LATER, &out));
	expect_bytes(&out, "HTTP/1.1 503 Service Unavailable\r\n");
	outbox_clear(&out);
}

static void
an_ack_by_http_is_a_list_of_seqs_or_nothing(void **state)
{
	static const char *const bad[] = {"", "x", "{}", "{\"ack\":[]}", "{\"ack\":[0]}",
	    "{\"ack\":[\"1\"]}", "{\"ack\":1}", "[1]", "{\"ack\":[1]} x"};
	static const char good[] = "{\"ack\":[3,40]}";
	struct session_act act;

	(void)state;
	assert_int_equal(session_read_ack(good, strlen(good), &act), SESSION_ACKED);
	assert_int_equal(act.n_seqs, 2);
	assert_int_equal(act.seqs[1], 40);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(session_read_ack(bad[i], strlen(bad[i]), &act), SESSION_CLOSE);
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
	    cmocka_unit_test(where_not_all_open_ones_fit_it_says_what_is_to_be_told_besides),
	    cmocka_unit_test(a_cursor_that_is_none_closes_with_4400),
	    cmocka_unit_test(an_ack_names_the_seqs),
	    cmocka_unit_test(a_heartbeat_of_v1_can_be_seen_by_a_page),
	    cmocka_unit_test(a_session_ends_with_its_token),
	    cmocka_unit_test(a_stream_says_the_same_as_v1_in_events),
	    cmocka_unit_test(a_cursor_is_an_epoch_and_a_seq),
	    cmocka_unit_test(a_claim_is_granted_when_the_database_has_its_hash),
	    cmocka_unit_test(a_claim_that_the_database_does_not_know_closes_with_4401),
	    cmocka_unit_test(while_it_is_being_proved_only_audio_may_be_said),
	    cmocka_unit_test(a_claim_in_a_later_hello_cannot_change_the_merchant),
	    cmocka_unit_test(what_was_not_answered_yet_is_refused_in_http),
	    cmocka_unit_test(an_ack_by_http_is_a_list_of_seqs_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
