/* Strict base64, forms, lists of words: what is read, and how little else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi-order/base64.h"
#include "fcgi-order/form.h"
#include "fcgi-order/payment.h"
#include "fcgi-order/timestamp.h"
#include "fcgi-order/words.h"
#include "tests/unit/gatewaykit.h"

static bool
decode(const char *text, unsigned char out[64], size_t *len)
{
	return base64_decode(text, strlen(text), out, 64, len);
}

/* RFC 4648, section 10, and the two letters beyond. */
static void
the_rfcs_examples_are_decoded(void **state)
{
	static const struct {
		const char *text, *bytes;
	} cases[] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"},
	    {"Zm9vYmE=", "fooba"}, {"Zm9vYmFy", "foobar"}, {"+/+/", "\xfb\xff\xbf"}};
	unsigned char out[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(decode(cases[i].text, out, &len));
		assert_int_equal(len, strlen(cases[i].bytes));
		assert_memory_equal(out, cases[i].bytes, len);
	}
}

static void
what_encodes_is_decoded_again(void **state)
{
	unsigned char bytes[64], out[64];
	size_t len;

	(void)state;
	for (size_t n = 0; n <= sizeof bytes; n++) {
		char *text;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)(n * 41 + i * 83);
		text = kit_base64(bytes, n);
		assert_true(decode(text, out, &len));
		assert_int_equal(len, n);
		assert_memory_equal(out, bytes, n);
		free(text);
	}
}

static void
another_spelling_of_the_same_bytes_is_none(void **state)
{
	static const char *const odd[] = {"Zg", "Zg=", "Zg===", "Z===", "====", "=",
	    "==", "Zh==", "Zm9=", "Zm8 ", " Zm8=", "Zm8=\n", "Zm 8", "Zm\n8", "Zg==Zg==", "Zg=A",
	    "Z=g=", "Zm-_", "Zm8=Zm8=", "Zm9vY", "Zm9v\tYg==",
	    ("\xc3\xa9"
	     "Zg"),
	    "Zm9.", "Zm9v====", "    Zm9v"};
	unsigned char out[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		if (decode(odd[i], out, &len))
			fail_msg("decoded: \"%s\"", odd[i]);
	}
	assert_false(base64_decode("Zm\0v", 4, out, sizeof out, &len));
	/* What stands behind its end is no part of it. */
	assert_false(base64_decode("Zm9vZm9v", 6, out, sizeof out, &len));
}

static void
what_does_not_fit_is_refused(void **state)
{
	unsigned char out[3] = "xx";
	size_t len;

	(void)state;
	assert_true(base64_decode("Zm8=", 4, out, 2, &len));
	assert_false(base64_decode("Zm9v", 4, out, 2, &len));
	assert_false(base64_decode("Zg==", 4, out, 0, &len));
	assert_int_equal(out[2], '\0');
}

/* --- forms --- */

static void
a_form_is_decoded_and_sorted(void **state)
{
	static const char text[] = "b=2+3&a=%E8%AE%A2&c=&d&A=%3d%26%2b%25&a.b=1=2\r\n";
	struct form f;

	(void)state;
	assert_true(form_read(&f, text, strlen(text)));
	assert_int_equal(f.n, 6);
	assert_string_equal(f.fields[0].name, "A");
	assert_string_equal(f.fields[0].value, "=&+%");
	assert_string_equal(f.fields[1].name, "a");
	assert_string_equal(f.fields[1].value, "订");
	assert_string_equal(f.fields[2].name, "a.b");
	assert_string_equal(f.fields[2].value, "1=2");
	assert_string_equal(form_get(&f, "b"), "2 3");
	assert_string_equal(form_get(&f, "c"), "");
	assert_string_equal(form_get(&f, "d"), "");
	assert_null(form_get(&f, "e"));
	form_fini(&f);
	assert_true(form_read(&f, "", 0));
	assert_null(form_get(&f, "a"));
	form_fini(&f);
}

static void
what_is_no_form_is_refused(void **state)
{
	static const char *const odd[] = {"=1", "&a=1", "a=1&&b=2", "a=1&a=2", "a=1&%61=2", "a=%",
	    "a=%4", "a=%zz", "a=%4z", "a=%00", "%00=1", "a=1 ", "a b=1", "a=\x01", "a=\xe8\xae\xa2",
	    "a=1\nb=2", "a=%-1"};
	char many[FORM_FIELDS_MAX * 8 + 10] = "";
	struct form f;

	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		if (form_read(&f, odd[i], strlen(odd[i])))
			fail_msg("read: \"%s\"", odd[i]);
		form_fini(&f);
	}
	assert_false(form_read(&f, "a=1\0&b=2", 8));
	form_fini(&f);
	for (int i = 0; i <= FORM_FIELDS_MAX; i++) {
		assert_int_equal(form_read(&f, many, strlen(many)), true);
		form_fini(&f);
		sprintf(many + strlen(many), "%sf%d=1", i == 0 ? "" : "&", i);
	}
	assert_false(form_read(&f, many, strlen(many)));
	form_fini(&f);
}

/* --- and small things --- */

static void
a_list_has_whole_words_only(void **state)
{
	(void)state;
	assert_true(words_have("wx1 wx2,wx3 ,\twx4", "wx1"));
	assert_true(words_have("wx1 wx2,wx3 ,\twx4", "wx3"));
	assert_true(words_have("wx1 wx2,wx3 ,\twx4", "wx4"));
	assert_false(words_have("wx1 wx2,wx3 ,\twx4", "wx"));
	assert_false(words_have("wx1 wx2", "wx11"));
	assert_false(words_have("wx1 wx2", "wx1 wx2"));
	assert_false(words_have("wx1 wx2", ""));
	assert_false(words_have(" , ", ""));
	assert_true(words_are_of("12 3,4", "1234"));
	assert_false(words_are_of("12 x", "1234"));
	assert_false(words_are_of(" ,", "1234"));
}

static void
fen_become_a_decimal_number(void **state)
{
	static const struct {
		int64_t cents;
		const char *amount; /* NULL: refused */
	} cases[] = {{3800, "38.00"}, {0, "0.00"}, {1, "0.01"}, {10, "0.10"},
	    {12345678901, "123456789.01"}, {999999999999999, "9999999999999.99"},
	    {1000000000000000, NULL}, {INT64_MAX, NULL}, {-1, NULL}, {INT64_MIN, NULL}};
	struct payment p;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(payment_set_cents(&p, cases[i].cents), cases[i].amount != NULL);
		if (cases[i].amount != NULL)
			assert_string_equal(p.amount, cases[i].amount);
	}
}

static void
a_timestamp_is_digits(void **state)
{
	(void)state;
	assert_true(timestamp_read("1614265330") == 1614265330);
	assert_true(timestamp_read("999999999999") == 999999999999);
	assert_true(timestamp_read("9999999999999") == -1);
	assert_true(timestamp_read("") == -1);
	assert_true(timestamp_read(NULL) == -1);
	assert_true(timestamp_read("+1") == -1);
	assert_true(timestamp_read("1 ") == -1);
	assert_true(timestamp_read("1e9") == -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_rfcs_examples_are_decoded),
	    cmocka_unit_test(what_encodes_is_decoded_again),
	    cmocka_unit_test(another_spelling_of_the_same_bytes_is_none),
	    cmocka_unit_test(what_does_not_fit_is_refused),
	    cmocka_unit_test(a_form_is_decoded_and_sorted),
	    cmocka_unit_test(what_is_no_form_is_refused),
	    cmocka_unit_test(a_list_has_whole_words_only),
	    cmocka_unit_test(fen_become_a_decimal_number),
	    cmocka_unit_test(a_timestamp_is_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
