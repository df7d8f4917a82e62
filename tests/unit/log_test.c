/* One happening is one line, whatever is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/log.h"
#include "shared/log_json.h"
#include "shared/loglimit.h"
#include "tests/unit/capture.h"

static int
begin(void **state)
{
	struct capture *c = calloc(1, sizeof *c);

	capture_begin(c);
	log_open("prog");
	log_set_level(LOG_LEVEL_INFO);
	*state = c;
	return 0;
}

static int
end(void **state)
{
	capture_end(*state);
	free(*state);
	return 0;
}

static void
a_line_names_program_and_level(void **state)
{
	log_warn("lost: retry_ms=%d", 5);
	assert_string_equal(capture_text(*state), "prog warn: lost: retry_ms=5\n");
}

static void
lines_below_the_threshold_are_dropped(void **state)
{
	log_debug("quiet");
	assert_false(log_enabled(LOG_LEVEL_DEBUG));
	assert_true(log_enabled(LOG_LEVEL_INFO));
	log_set_level(LOG_LEVEL_ERR);
	log_warn("quiet");
	log_err("loud");
	assert_string_equal(capture_text(*state), "prog err: loud\n");
}

static void
a_newline_inside_does_not_make_a_second_line(void **state)
{
	log_info("reason=\"%s\"", "one\ntwo\r\n\tthree");
	assert_string_equal(capture_text(*state), "prog info: reason=\"one two   three\"\n");
}

static void
an_overlong_line_is_cut_and_ended(void **state)
{
	char *much = malloc(10001);
	const char *text;

	memset(much, 'x', 10000);
	much[10000] = '\0';
	log_info("%s", much);
	log_info("next");
	free(much);
	text = capture_text(*state);
	assert_in_range(strcspn(text, "\n"), 1000, 4000);
	assert_string_equal(strchr(text, '\n') + 1, "prog info: next\n");
}

static void
what_a_stranger_sent_is_escaped(void **state)
{
	char out[100];

	(void)state;
	assert_string_equal(log_escape(out, sizeof out, "till-1", 6), "till-1");
	assert_string_equal(log_escape(out, sizeof out, "a\"b\\c\n\0\x7f\xe5", 9),
	    "a\\x22b\\x5cc\\x0a\\x00\\x7f\\xe5");
	assert_string_equal(log_escape(out, sizeof out, "", 0), "");
}

static void
an_escape_never_overruns_and_shows_its_cut(void **state)
{
	char bytes[300], *out;

	(void)state;
	for (size_t len = 0; len <= sizeof bytes; len += 1 + len / 8) {
		for (int i = 0; i < 3; i++) {
			memset(bytes, "x\n\xff"[i], sizeof bytes);
			for (size_t size = 8; size < 80; size++) {
				out = malloc(size); /* its end is watched by the sanitizer */
				log_escape(out, size, bytes, len);
				assert_true(strlen(out) < size);
				if (len >= size)
					assert_string_equal(out + strlen(out) - 3, "...");
				free(out);
			}
		}
	}
	out = malloc(8);
	assert_string_equal(log_escape(out, 8, "1234567", 7), "1234567");
	assert_string_equal(log_escape(out, 8, "12345678", 8), "1234...");
	free(out);
}

static void
json_has_what_the_text_has(void **state)
{
	char out[LOG_JSON_SIZE(400)];
	static const struct {
		const char *text, *json;
	} cases[] = {
	    {"started: version=0.2.0 threads=8 seq=-3",
		"\"message\":\"started\",\"fields\":{\"version\":\"0.2.0\",\"threads\":8,\"seq\":-"
		"3}"},
	    {"stopped", "\"message\":\"stopped\""},
	    {"nothing to serve: no socket", "\"message\":\"nothing to serve: no socket\""},
	    /* A library's words: quotes inside, and what looks like a key. */
	    {"lost: reason=\"FATAL: role \"x\" of host=y, no\" n=1",
		"\"message\":\"lost\",\"fields\":{\"reason\":\"FATAL: role \\\"x\\\" of host=y, "
		"no\",\"n\":1}"},
	    {"said: by=\"\\x22\\x5c\"",
		"\"message\":\"said\",\"fields\":{\"by\":\"\\\\x22\\\\x5c\"}"},
	    {"a: b: c=1", "\"message\":\"a: b\",\"fields\":{\"c\":1}"},
	    {"a: zero=007 long=1234567890123456 empty= quotes=\"\" one=\"",
		"\"message\":\"a\",\"fields\":{\"zero\":\"007\",\"long\":\"1234567890123456\","
		"\"empty\":\"\",\"quotes\":\"\",\"one\":\"\\\"\"}"},
	    {"名: name=单", "\"message\":\"名\",\"fields\":{\"name\":\"单\"}"},
	    {"bad \xe5", "\"message\":\"bad \\u00e5\""},
	    {"", "\"message\":\"\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char wanted[600];
		size_t n = log_json(
		    out, 1764151200123, "prog", "warn", cases[i].text, strlen(cases[i].text));

		out[n] = '\0';
		snprintf(wanted, sizeof wanted,
		    "{\"time\":\"2025-11-26T10:00:00.123Z\",\"program\":\"prog\",\"level\":"
		    "\"warn\",%s}",
		    cases[i].json);
		assert_string_equal(out, wanted);
	}
}

static void
json_fits_its_room_whatever_is_said(void **state)
{
	static const char *const all[] = {"\x01", "\"", "a=", " a=", ": a=", "\xff", "a= a=\"\" "};

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		char text[600] = "x: ";
		char *out;

		for (size_t n = 3; n + strlen(all[i]) < sizeof text; n += strlen(all[i]))
			memcpy(text + n, all[i], strlen(all[i]));
		out = malloc(LOG_JSON_SIZE(strlen(text))); /* its end is watched by the sanitizer */
		assert_in_range(log_json(out, 0, "fcgi-order", "warn", text, strlen(text)), 1,
		    LOG_JSON_SIZE(strlen(text)));
		free(out);
	}
}

static void
the_format_changes_at_once(void **state)
{
	log_set_format(LOG_FORMAT_JSON);
	log_warn("lost: retry_ms=%d", 5);
	log_set_format(LOG_FORMAT_TEXT);
	log_warn("lost: retry_ms=%d", 5);
	assert_non_null(
	    strstr(capture_text(*state), "\"program\":\"prog\",\"level\":\"warn\",\"message\":"
					 "\"lost\",\"fields\":{\"retry_ms\":5}}\n"
					 "prog warn: lost: retry_ms=5\n"));
}

static void
a_flood_of_lines_is_cut_and_told_of(void **state)
{
	struct loglimit limit;
	int64_t n_left_out = -1;
	int n = 0;

	(void)state;
	loglimit_init(&limit);
	for (int i = 0; i < 1000; i++)
		n += loglimit_pass(&limit, 5000 + i / 2, &n_left_out);
	assert_int_equal(n, LOGLIMIT_PER_S);
	assert_true(loglimit_pass(&limit, 6000, &n_left_out));
	assert_int_equal(n_left_out, 1000 - LOGLIMIT_PER_S);
	assert_true(loglimit_pass(&limit, 6000, &n_left_out));
	assert_int_equal(n_left_out, 0);
	loglimit_fini(&limit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_line_names_program_and_level, begin, end),
	    cmocka_unit_test_setup_teardown(lines_below_the_threshold_are_dropped, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_newline_inside_does_not_make_a_second_line, begin, end),
	    cmocka_unit_test_setup_teardown(an_overlong_line_is_cut_and_ended, begin, end),
	    cmocka_unit_test(json_has_what_the_text_has),
	    cmocka_unit_test(json_fits_its_room_whatever_is_said),
	    cmocka_unit_test_setup_teardown(the_format_changes_at_once, begin, end),
	    cmocka_unit_test(what_a_stranger_sent_is_escaped),
	    cmocka_unit_test(an_escape_never_overruns_and_shows_its_cut),
	    cmocka_unit_test(a_flood_of_lines_is_cut_and_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
