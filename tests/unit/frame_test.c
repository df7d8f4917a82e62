/* What the reader of RFC 6455 frames lets in, and with which code it throws out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/frame.h"

/* A client's frame, masked, in buffer; gives its length. */
static size_t
build(uint8_t *to, uint8_t b0, const void *payload, size_t len)
{
	static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
	uint8_t header[10];
	size_t n = frame_header(header, FRAME_TEXT, len);

	memcpy(to, header, n);
	to[0] = b0;
	to[1] |= 0x80;
	memcpy(to + n, mask, 4);
	for (size_t i = 0; i < len; i++)
		to[n + 4 + i] = ((const uint8_t *)payload)[i] ^ mask[i & 3];
	return n + 4 + len;
}

/* Feeds `bytes` in pieces of `step` and gives what came of it: the first event that is not
 * FRAME_NEED_MORE, its message copied. */
struct outcome {
	enum frame_event event;
	struct frame_message message;
	uint8_t payload[70000];
};

static struct outcome *
feed(struct frame_reader *r, const uint8_t *bytes, size_t len, size_t step)
{
	struct outcome *o = calloc(1, sizeof *o);
	uint8_t *copy = malloc(len + 1);

	memcpy(copy, bytes, len);
	for (size_t at = 0; at < len;) {
		size_t n = len - at < step ? len - at : step, used;

		o->event = frame_read(r, copy + at, n, &used, &o->message);
		at += used;
		if (o->event != FRAME_NEED_MORE)
			break;
		assert_int_equal(used, n);
	}
	if (o->event == FRAME_GOT && o->message.kept > 0)
		memcpy(o->payload, o->message.payload, o->message.kept);
	free(copy);
	return o;
}

static void
expect_code(const uint8_t *bytes, size_t len, enum close_code code)
{
	static const size_t steps[] = {1, 2, 3, 7, SIZE_MAX};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct frame_reader r;
		struct outcome *o;

		frame_reader_init(&r, FRAME_MESSAGE_MAX);
		o = feed(&r, bytes, len, steps[i]);
		assert_int_equal(o->event, FRAME_FAILED);
		assert_int_equal(o->message.code, code);
		free(o);
		frame_reader_fini(&r);
	}
}

static void
a_text_arrives_whole_however_it_is_cut(void **state)
{
	static const size_t lens[] = {0, 1, 125, 126, 127, 65535, 65536};
	uint8_t *bytes = malloc(70000), *text = malloc(65536);

	(void)state;
	memset(text, 'x', 65536);
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		size_t n = build(bytes, 0x81, text, lens[i]);

		for (size_t step = 1; step < n + 7; step = step * 3 + 1) {
			struct frame_reader r;
			struct outcome *o;

			frame_reader_init(&r, FRAME_MESSAGE_MAX);
			o = feed(&r, bytes, n, step);
			assert_int_equal(o->event, FRAME_GOT);
			assert_int_equal(o->message.opcode, FRAME_TEXT);
			assert_int_equal(o->message.len, lens[i]);
			assert_memory_equal(o->payload, text, lens[i]);
			free(o);
			frame_reader_fini(&r);
		}
	}
	free(bytes);
	free(text);
}

static void
control_frames_pass_between_fragments(void **state)
{
	uint8_t bytes[100];
	size_t n = 0, used, at = 0;
	struct frame_reader r;
	struct frame_message m;

	(void)state;
	n += build(bytes + n, 0x01, "He", 2);
	n += build(bytes + n, 0x89, "ping", 4);
	n += build(bytes + n, 0x00, "ll", 2);
	n += build(bytes + n, 0x80, "o", 1);
	frame_reader_init(&r, 100);
	assert_int_equal(frame_read(&r, bytes, n, &used, &m), FRAME_GOT);
	assert_int_equal(m.opcode, FRAME_PING);
	assert_memory_equal(m.payload, "ping", 4);
	at += used;
	assert_int_equal(frame_read(&r, bytes + at, n - at, &used, &m), FRAME_GOT);
	assert_int_equal(m.opcode, FRAME_TEXT);
	assert_int_equal(m.len, 5);
	assert_memory_equal(m.payload, "Hello", 5);
	assert_int_equal(at + used, n);
	frame_reader_fini(&r);
}

static void
what_the_rfc_forbids_a_client_ends_with_1002(void **state)
{
	static const struct {
		size_t len;
		uint8_t bytes[20];
	} cases[] = {
	    {2, {0x81, 0x01}},                                /* unmasked */
	    {2, {0xc1, 0x80}},                                /* RSV1 */
	    {2, {0xa1, 0x80}},                                /* RSV2 */
	    {2, {0x91, 0x80}},                                /* RSV3 */
	    {2, {0x83, 0x80}},                                /* reserved opcode 3 */
	    {2, {0x87, 0x80}},                                /* reserved opcode 7 */
	    {2, {0x8b, 0x80}},                                /* reserved control opcode */
	    {2, {0x8f, 0x80}},                                /* reserved control opcode */
	    {2, {0x09, 0x80}},                                /* fragmented ping */
	    {2, {0x08, 0x80}},                                /* fragmented close */
	    {2, {0x89, 0xfe}},                                /* long control frame */
	    {2, {0x80, 0x80}},                                /* continuation of nothing */
	    {4, {0x81, 0xfe, 0x00, 0x7d}},                    /* 125 in two bytes */
	    {10, {0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, /* 65535 in eight */
	    {10, {0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}},    /* top bit of the length */
	    {7, {0x88, 0x81, 0, 0, 0, 0, 3}},                 /* close of one byte */
	    {8, {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xec}},        /* 1004 */
	    {8, {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed}},        /* 1005 */
	    {8, {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xee}},        /* 1006 */
	    {8, {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf7}},        /* 1015 */
	    {8, {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe7}},        /* 999 */
	    {8, {0x88, 0x82, 0, 0, 0, 0, 0x13, 0x88}},        /* 5000 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect_code(cases[i].bytes, cases[i].len, CLOSE_PROTOCOL_ERROR);
}

static void
a_new_message_inside_a_fragmented_one_ends_with_1002(void **state)
{
	uint8_t bytes[40];
	size_t n = build(bytes, 0x01, "a", 1);

	(void)state;
	n += build(bytes + n, 0x81, "b", 1);
	expect_code(bytes, n, CLOSE_PROTOCOL_ERROR);
}

static void
too_much_is_refused_when_it_is_announced(void **state)
{
	static const uint8_t two_gib[] = {0x82, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0};
	static const uint8_t one_more[] = {0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1};
	uint8_t *bytes = malloc(70000), *text = malloc(65536);
	size_t n;

	(void)state;
	memset(text, 'x', 65536);
	expect_code(two_gib, sizeof two_gib, CLOSE_TOO_BIG);
	expect_code(one_more, sizeof one_more, CLOSE_TOO_BIG);
	n = build(bytes, 0x01, text, 65536);
	n += build(bytes + n, 0x80, "x", 1);
	expect_code(bytes, n, CLOSE_TOO_BIG);
	free(bytes);
	free(text);
}

static void
bad_utf8_ends_with_1007_wherever_it_is_cut(void **state)
{
	static const char *const bad[] = {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff",
	    "\xe0\x80\x80", "\xf8\x88\x80\x80\x80", "ok\xce", "\x80", "\xc3("};
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		size_t len = strlen(bad[i]), n = build(bytes, 0x81, bad[i], len);

		expect_code(bytes, n, CLOSE_BAD_TEXT);
		n = build(bytes, 0x01, bad[i], len - 1);
		n += build(bytes + n, 0x80, bad[i] + len - 1, 1);
		expect_code(bytes, n, CLOSE_BAD_TEXT);
	}
	expect_code(bytes, build(bytes, 0x88, "\x03\xe8\xff", 3), CLOSE_BAD_TEXT);
}

static void
bad_utf8_is_noticed_before_the_message_ends(void **state)
{
	uint8_t bytes[64];
	size_t n = build(bytes, 0x01, "\xed\xa0", 2);

	(void)state;
	expect_code(bytes, n, CLOSE_BAD_TEXT);
}

static void
a_character_may_be_split_between_fragments(void **state)
{
	uint8_t bytes[64];
	size_t n = build(bytes, 0x01, "\xe8\xae", 2);
	struct frame_reader r;
	struct outcome *o;

	(void)state;
	n += build(bytes + n, 0x80, "\xa2", 1);
	frame_reader_init(&r, 100);
	o = feed(&r, bytes, n, 1);
	assert_int_equal(o->event, FRAME_GOT);
	assert_memory_equal(o->payload, "\xe8\xae\xa2", 3);
	free(o);
	frame_reader_fini(&r);
}

static void
a_close_gives_its_code(void **state)
{
	static const struct {
		const char *payload;
		size_t len;
		unsigned code;
	} cases[] = {{"", 0, CLOSE_NO_STATUS}, {"\x03\xe8", 2, 1000}, {"\x0f\xa1why", 5, 4001},
	    {"\x0b\xb8", 2, 3000}, {"\x03\xf6", 2, 1014}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t bytes[64];
		struct frame_reader r;
		struct outcome *o;

		frame_reader_init(&r, 100);
		o = feed(&r, bytes, build(bytes, 0x88, cases[i].payload, cases[i].len), 1);
		assert_int_equal(o->event, FRAME_GOT);
		assert_int_equal(o->message.opcode, FRAME_CLOSE);
		assert_int_equal(o->message.code, cases[i].code);
		free(o);
		frame_reader_fini(&r);
	}
}

static void
only_so_much_of_a_long_message_is_kept(void **state)
{
	uint8_t *bytes = malloc(70000), *text = malloc(60000);
	struct frame_reader r;
	struct outcome *o;

	(void)state;
	memset(text, 'y', 60000);
	frame_reader_init(&r, 256);
	o = feed(&r, bytes, build(bytes, 0x81, text, 60000), 1000);
	assert_int_equal(o->event, FRAME_GOT);
	assert_int_equal(o->message.len, 60000);
	assert_int_equal(o->message.kept, 256);
	assert_true(r.message_room <= 256);
	free(o);
	frame_reader_fini(&r);
	free(bytes);
	free(text);
}

static void
an_idle_reader_holds_no_memory(void **state)
{
	uint8_t bytes[64];
	size_t n = build(bytes, 0x81, "hello", 5), used;
	struct frame_reader r;
	struct frame_message m;

	(void)state;
	frame_reader_init(&r, 256);
	assert_int_equal(frame_read(&r, bytes, n, &used, &m), FRAME_GOT);
	assert_int_equal(frame_read(&r, bytes + used, 0, &used, &m), FRAME_NEED_MORE);
	assert_null(r.message);
	assert_null(r.control);
	frame_reader_fini(&r);
}

static void
headers_use_the_shortest_form(void **state)
{
	uint8_t h[10];

	(void)state;
	assert_int_equal(frame_header(h, FRAME_TEXT, 125), 2);
	assert_int_equal(h[0], 0x81);
	assert_int_equal(frame_header(h, FRAME_TEXT, 126), 4);
	assert_int_equal(h[2] << 8 | h[3], 126);
	assert_int_equal(frame_header(h, FRAME_TEXT, 65535), 4);
	assert_int_equal(frame_header(h, FRAME_TEXT, 65536), 10);
	assert_int_equal(h[7], 1);
}

static void
a_reader_is_idle_only_between_messages(void **state)
{
	/* "hi" in two fragments with a ping of one byte between, masked with zeros */
	static const uint8_t bytes[] = {
	    0x01, 0x81, 0, 0, 0, 0, 'h', 0x89, 0x81, 0, 0, 0, 0, '!', 0x80, 0x81, 0, 0, 0, 0, 'i'};
	struct frame_reader r;
	struct frame_message m;
	uint8_t copy[sizeof bytes];
	size_t used;

	(void)state;
	memcpy(copy, bytes, sizeof bytes);
	frame_reader_init(&r, FRAME_MESSAGE_MAX);
	assert_true(frame_reader_is_idle(&r));
	for (size_t at = 0; at < sizeof bytes; at++) {
		enum frame_event got = frame_read(&r, copy + at, 1, &used, &m);

		assert_int_equal(used, 1);
		assert_int_equal(got == FRAME_GOT, at == 13 || at == sizeof bytes - 1);
		if (got == FRAME_GOT)
			assert_int_equal(frame_read(&r, copy, 0, &used, &m), FRAME_NEED_MORE);
		assert_int_equal(frame_reader_is_idle(&r), at == sizeof bytes - 1);
	}
	frame_reader_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_text_arrives_whole_however_it_is_cut),
	    cmocka_unit_test(control_frames_pass_between_fragments),
	    cmocka_unit_test(what_the_rfc_forbids_a_client_ends_with_1002),
	    cmocka_unit_test(a_new_message_inside_a_fragmented_one_ends_with_1002),
	    cmocka_unit_test(too_much_is_refused_when_it_is_announced),
	    cmocka_unit_test(bad_utf8_ends_with_1007_wherever_it_is_cut),
	    cmocka_unit_test(bad_utf8_is_noticed_before_the_message_ends),
	    cmocka_unit_test(a_character_may_be_split_between_fragments),
	    cmocka_unit_test(a_close_gives_its_code),
	    cmocka_unit_test(only_so_much_of_a_long_message_is_kept),
	    cmocka_unit_test(an_idle_reader_holds_no_memory),
	    cmocka_unit_test(headers_use_the_shortest_form),
	    cmocka_unit_test(a_reader_is_idle_only_between_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
