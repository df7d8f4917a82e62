/* JSON that strangers send: one strict reading of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/json.h"

static bool
is_read(const char *text)
{
	json_object *object = json_read_object(text, strlen(text));
	bool was_read = object != NULL;

	json_object_put(object);
	return was_read;
}

static void
only_a_whole_object_is_read(void **state)
{
	static const char *const bad[] = {"", " ", "{", "}", "[]", "null", "5", "\"x\"", "{}{}",
	    "{} x", "{}\n{}", "{'a':1}", "{a:1}", "{\"a\":1,}", "{\"a\":}", "{\"a\" 1}",
	    "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":5.}", "{\"a\":-.5}", "{\"a\":-}",
	    "{\"a\":-01}", "{\"a\":1e}", "{\"a\":1.e5}", "{\"a\":1e+}", "{\"a\":NaN}",
	    "{\"a\":Infinity}", "{\"a\":-Infinity}", "{\"a\":'x'}", "{\"a\":True}", "/**/{}",
	    "{}//", "{\"a\":\"\n\"}", "{\"a\":\"\x01\"}", "{\"a\":\"\\x\"}", "{\"a\":\"",
	    "{\"a\":\"\\"};

	(void)state;
	assert_true(is_read("{}"));
	assert_true(is_read(" \r\n\t{\"a\":[1,{}]} \r\n"));
	assert_true(is_read("{\"it's\":\"\\\"'NaN.\\\\\",\"b\":[true,false,null,-1.5E+3]}"));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (is_read(bad[i]))
			fail_msg("was read: %s", bad[i]);
	}
}

static void
bad_utf8_and_nul_bytes_are_refused(void **state)
{
	(void)state;
	assert_true(is_read("{\"a\":\"\xe8\xae\xa2\"}"));
	assert_false(is_read("{\"a\":\"\xff\"}"));
	assert_false(is_read("{\"a\":\"\xe8\xae\"}"));
	assert_false(is_read("{\"a\":\"\xc1\x88\"}"));     /* overlong */
	assert_false(is_read("{\"a\":\"\xed\xa0\x80\"}")); /* half of a surrogate pair */
	assert_null(json_read_object(NULL, 0));
	assert_null(json_read_object("{}\0", 3));
	assert_null(json_read_object("{\"a\":\"\0\"}", 9));
}

static void
depth_is_bounded(void **state)
{
	char text[40000];

	(void)state;
	assert_true(is_read("{\"a\":[[[[[[1]]]]]]}"));
	assert_false(is_read("{\"a\":[[[[[[[[1]]]]]]]]}"));
	memset(text, '[', sizeof text);
	assert_null(json_read_object(text, sizeof text));
}

static void
of_a_doubled_key_the_last_counts(void **state)
{
	json_object *object = json_read_object("{\"a\":1,\"a\":2}", 13);
	int64_t value;

	(void)state;
	assert_true(json_get_int(object, "a", &value));
	assert_int_equal(value, 2);
	json_object_put(object);
}

static void
an_int_is_an_int_that_fits(void **state)
{
	static const char text[] =
	    "{\"good\":-7,\"text\":\"7\",\"real\":7.0,\"big\":9223372036854775808"
	    ",\"bigger\":99999999999999999999,\"yes\":true,\"none\":null}";
	static const char *const bad[] = {"text", "real", "big", "bigger", "yes", "none", "absent"};
	json_object *object = json_read_object(text, sizeof text - 1);
	int64_t value;

	(void)state;
	assert_non_null(object);
	assert_true(json_get_int(object, "good", &value));
	assert_int_equal(value, -7);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(json_get_int(object, bad[i], &value));
	assert_true(json_has(object, "text"));
	assert_false(json_has(object, "none"));
	assert_false(json_has(object, "absent"));
	json_object_put(object);
}

static void
a_text_is_a_text_without_nul(void **state)
{
	static const char text[] = "{\"good\":\"\\u8ba2\",\"nul\":\"a\\u0000b\",\"int\":7}";
	json_object *object = json_read_object(text, sizeof text - 1);
	const char *value;

	(void)state;
	assert_true(json_get_text(object, "good", &value));
	assert_string_equal(value, "订");
	assert_false(json_get_text(object, "nul", &value));
	assert_false(json_get_text(object, "int", &value));
	assert_false(json_get_text(object, "absent", &value));
	json_object_put(object);
}

/* Not ours but json-c's: amounts lean on it. */
static void
a_number_keeps_its_source_text(void **state)
{
	static const char text[] = "{\"a\":38.00,\"b\":0.10,\"c\":38,\"d\":100000000.05,\"e\":1e2}";
	static const char *const wanted[] = {"38.00", "0.10", "38", "100000000.05", "1e2"};
	json_object *object = json_read_object(text, sizeof text - 1);

	(void)state;
	for (int i = 0; i < 5; i++) {
		const char key[] = {(char)('a' + i), '\0'};

		assert_string_equal(
		    json_object_get_string(json_object_object_get(object, key)), wanted[i]);
	}
	json_object_put(object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_a_whole_object_is_read),
	    cmocka_unit_test(bad_utf8_and_nul_bytes_are_refused),
	    cmocka_unit_test(depth_is_bounded),
	    cmocka_unit_test(of_a_doubled_key_the_last_counts),
	    cmocka_unit_test(an_int_is_an_int_that_fits),
	    cmocka_unit_test(a_text_is_a_text_without_nul),
	    cmocka_unit_test(a_number_keeps_its_source_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
