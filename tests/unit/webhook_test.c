/* Callbacks signed as Standard Webhooks say: which are believed, and what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "fcgi-order/gateway_webhook.h"

enum { NOW = 1614265330 };

static const char body_of_38[] = "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"17-a_B\","
				 "\"amount\":\"38.00\",\"transactionId\":\"t-1\"}}";

static char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static char currency[] = "CNY";
static struct options options = {.webhook_secret = secret, .currency = currency};

/* A callback: its environment and what was made of it. */
struct callback {
	char id[300], timestamp[60], signature[2000];
	char *env[5];
	struct request request;
	struct payment payment;
	const char *reason;
};

/* "v1," and the signature by that key. */
static void
sign(char out[64], const char *key, size_t key_len, const char *id, const char *timestamp,
    const char *body)
{
	char content[4000];
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len;
	int n = snprintf(content, sizeof content, "%s.%s.%s", id, timestamp, body);

	HMAC(EVP_sha256(), key, (int)key_len, (unsigned char *)content, (size_t)n, mac, &mac_len);
	strcpy(out, "v1,");
	EVP_EncodeBlock((unsigned char *)out + 3, mac, (int)mac_len);
}

/* The same by the key of `secret`. */
static void
sign_well(char out[64], const char *id, const char *timestamp, const char *body)
{
	unsigned char key[24];

	assert_int_equal(
	    EVP_DecodeBlock(key, (unsigned char *)"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 32), 24);
	sign(out, (char *)key, sizeof key, id, timestamp, body);
}

static enum gateway_verdict
deliver(struct callback *c, const char *id, const char *timestamp, const char *signature,
    const char *body)
{
	int n = 0;

	memset(c, 0, sizeof *c);
	if (id != NULL) {
		snprintf(c->id, sizeof c->id, "HTTP_WEBHOOK_ID=%s", id);
		c->env[n++] = c->id;
	}
	if (timestamp != NULL) {
		snprintf(c->timestamp, sizeof c->timestamp, "HTTP_WEBHOOK_TIMESTAMP=%s", timestamp);
		c->env[n++] = c->timestamp;
	}
	if (signature != NULL) {
		snprintf(c->signature, sizeof c->signature, "HTTP_WEBHOOK_SIGNATURE=%s", signature);
		c->env[n++] = c->signature;
	}
	c->request = (struct request){.env = c->env, .body = body, .body_len = strlen(body)};
	return webhook_read(&options, &c->request, NOW, &c->payment, &c->reason);
}

static enum gateway_verdict
deliver_signed(struct callback *c, const char *body)
{
	char signature[64];

	sign_well(signature, "msg_1", "1614265330", body);
	return deliver(c, "msg_1", "1614265330", signature, body);
}

/* The specification's own example. */
static void
the_standards_example_is_genuine(void **state)
{
	struct callback c;

	(void)state;
	assert_int_equal(
	    deliver(&c, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
		"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "{\"test\": 2432232314}"),
	    GATEWAY_MALFORMED);
	assert_string_equal(c.reason, "type is missing");
}

static void
a_payment_is_read_as_it_stands(void **state)
{
	struct callback c;

	(void)state;
	assert_int_equal(deliver_signed(&c, body_of_38), GATEWAY_PAYMENT);
	assert_string_equal(c.payment.number, "17-a_B");
	assert_string_equal(c.payment.amount, "38.00");
	assert_string_equal(c.payment.currency, "CNY");
	assert_string_equal(c.payment.transaction_id, "t-1");
}

static void
without_transaction_id_the_webhook_id_stands_in(void **state)
{
	struct callback c;

	(void)state;
	assert_int_equal(
	    deliver_signed(&c, "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\","
			       "\"amount\":38.10,\"currency\":\"USD\"}}"),
	    GATEWAY_PAYMENT);
	assert_string_equal(c.payment.transaction_id, "msg_1");
	assert_string_equal(c.payment.amount, "38.10");
	assert_string_equal(c.payment.currency, "USD");
}

static void
what_is_not_signed_is_not_even_read(void **state)
{
	static const char zeros[] = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	struct callback c;
	char good[64], bad[64];

	(void)state;
	sign_well(good, "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", "1614265330", good, body_of_38), GATEWAY_PAYMENT);
	assert_int_equal(deliver(&c, "m", "1614265330", zeros, body_of_38), GATEWAY_NOT_SIGNED);
	assert_int_equal(deliver(&c, "m", "1614265330", "", "not JSON"), GATEWAY_NOT_SIGNED);
	assert_int_equal(deliver(&c, "n", "1614265330", good, body_of_38), GATEWAY_NOT_SIGNED);
	assert_int_equal(deliver(&c, "m", "1614265331", good, body_of_38), GATEWAY_NOT_SIGNED);
	assert_int_equal(deliver(&c, "m", "1614265330", good, "{}"), GATEWAY_NOT_SIGNED);
	for (size_t i = 0; good[i] != '\0'; i++) {
		strcpy(bad, good);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_int_equal(
		    deliver(&c, "m", "1614265330", bad, body_of_38), GATEWAY_NOT_SIGNED);
		bad[i] = '\0';
		assert_int_equal(
		    deliver(&c, "m", "1614265330", bad, body_of_38), GATEWAY_NOT_SIGNED);
	}
}

static void
a_missing_header_is_no_signature(void **state)
{
	struct callback c;
	char good[64];

	(void)state;
	sign_well(good, "", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, NULL, "1614265330", good, body_of_38), GATEWAY_NOT_SIGNED);
	assert_int_equal(deliver(&c, "", "1614265330", good, body_of_38), GATEWAY_NOT_SIGNED);
	sign_well(good, "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", NULL, good, body_of_38), GATEWAY_NOT_SIGNED);
	assert_int_equal(deliver(&c, "m", "1614265330", NULL, body_of_38), GATEWAY_NOT_SIGNED);
}

static void
the_time_may_be_five_minutes_off_and_is_digits(void **state)
{
	static const struct {
		const char *timestamp;
		enum gateway_verdict verdict;
	} cases[] = {
	    {"1614265030", GATEWAY_PAYMENT},
	    {"1614265029", GATEWAY_NOT_SIGNED},
	    {"1614265630", GATEWAY_PAYMENT},
	    {"1614265631", GATEWAY_NOT_SIGNED},
	    {"+1614265330", GATEWAY_NOT_SIGNED},
	    {" 1614265330", GATEWAY_NOT_SIGNED},
	    {"1614265330.0", GATEWAY_NOT_SIGNED},
	    {"0x6037d472", GATEWAY_NOT_SIGNED},
	    {"-1", GATEWAY_NOT_SIGNED},
	    {"", GATEWAY_NOT_SIGNED},
	    {"99999999999999999999999", GATEWAY_NOT_SIGNED},
	};
	struct callback c;
	char signature[64];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		sign_well(signature, "m", cases[i].timestamp, body_of_38);
		assert_int_equal(
		    deliver(&c, "m", cases[i].timestamp, signature, body_of_38), cases[i].verdict);
	}
}

static void
any_of_several_signatures_will_do(void **state)
{
	struct callback c;
	char good[64], other[64], all[1500] = "";

	(void)state;
	sign_well(good, "m", "1614265330", body_of_38);
	sign(other, "another key", 11, "m", "1614265330", body_of_38);
	snprintf(all, sizeof all, "v1a,xyz  %s v2,%s %s", other, good + 3, good);
	assert_int_equal(deliver(&c, "m", "1614265330", all, body_of_38), GATEWAY_PAYMENT);
	snprintf(all, sizeof all, "v1a,xyz %s v2,%s", other, good + 3);
	assert_int_equal(deliver(&c, "m", "1614265330", all, body_of_38), GATEWAY_NOT_SIGNED);
	/* But not any number of them. */
	all[0] = '\0';
	for (int i = 0; i < 16; i++)
		strcat(strcat(all, other), " ");
	strcat(all, good);
	assert_int_equal(deliver(&c, "m", "1614265330", all, body_of_38), GATEWAY_NOT_SIGNED);
}

static void
any_line_of_the_secret_file_will_do(void **state)
{
	static char several[] =
	    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\r\n\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
	    "a plain text of a secret";
	struct callback c;
	char signature[64];

	(void)state;
	options.webhook_secret = several;
	assert_null(webhook_problem(&options));
	assert_int_equal(deliver_signed(&c, body_of_38), GATEWAY_PAYMENT);
	sign(signature, "a plain text of a secret", 24, "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", "1614265330", signature, body_of_38), GATEWAY_PAYMENT);
	sign(signature, "\n", 1, "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", "1614265330", signature, body_of_38), GATEWAY_NOT_SIGNED);
	sign(signature, "", 0, "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", "1614265330", signature, body_of_38), GATEWAY_NOT_SIGNED);
	options.webhook_secret = secret;
}

static void
a_secret_that_could_never_match_is_a_problem(void **state)
{
	static char bad[][80] = {"", "\n\r\n", "whsec_", "whsec_AAAA",
	    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
	    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ", "short",
	    "a good one that is long enough\nshort"};
	char *much = malloc(700);

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		options.webhook_secret = bad[i];
		assert_non_null(webhook_problem(&options));
	}
	memset(much, 'x', 699);
	much[699] = '\0';
	options.webhook_secret = much;
	assert_non_null(webhook_problem(&options));
	much[512] = '\0';
	assert_null(webhook_problem(&options));
	free(much);
	options.webhook_secret = secret;
	assert_null(webhook_problem(&options));
}

static void
an_amount_is_a_plain_decimal(void **state)
{
	static const struct {
		const char *json, *amount; /* NULL: refused */
	} cases[] = {
	    {"\"38.00\"", "38.00"},
	    {"\"38\"", "38"},
	    {"38", "38"},
	    {"38.00", "38.00"},
	    {"0.1", "0.1"},
	    {"1234567890123.45", "1234567890123.45"},
	    {"0", "0"},
	    {"\"0038.00\"", "0038.00"},
	    {"-1", NULL},
	    {"-0", "0"},
	    {"\"-1\"", NULL},
	    {"\"+1\"", NULL},
	    {"1e2", NULL},
	    {"\"1e2\"", NULL},
	    {"1.005", NULL},
	    {"\"1.005\"", NULL},
	    {"\"1.\"", NULL},
	    {"\".5\"", NULL},
	    {"\"\"", NULL},
	    {"\" 1\"", NULL},
	    {"\"1 \"", NULL},
	    {"\"1,00\"", NULL},
	    {"\"0x10\"", NULL},
	    {"\"NaN\"", NULL},
	    {"\"Infinity\"", NULL},
	    {"12345678901234567", NULL},
	    {"99999999999999999999", NULL},
	    {"true", NULL},
	    {"null", NULL},
	    {"[1]", NULL},
	    {"{}", NULL},
	    {"\"1\\u00000\"", NULL},
	};
	struct callback c;
	char body[200];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(body, sizeof body,
		    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\",\"amount\":%s}}",
		    cases[i].json);
		if (deliver_signed(&c, body) !=
		    (cases[i].amount != NULL ? GATEWAY_PAYMENT : GATEWAY_MALFORMED))
			fail_msg("wrong verdict on %s: %s", cases[i].json, c.reason);
		if (cases[i].amount != NULL)
			assert_string_equal(c.payment.amount, cases[i].amount);
	}
}

static void
what_cannot_be_a_payment_is_malformed(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "null", "{}", "{}{}", "{\"type\":1}",
	    "{\"type\":\"order.paid\"}", "{\"type\":\"order.paid\",\"data\":[]}",
	    "{\"type\":\"order.paid\",\"data\":{}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":1,\"amount\":1}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"\",\"amount\":1}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"a b\",\"amount\":1}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"订\",\"amount\":1}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"a\\u0000\",\"amount\":1}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\"}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\",\"amount\":1,\"currency\":1}"
	    "}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\",\"amount\":1,\"currency\":"
	    "\"cny\"}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\",\"amount\":1,"
	    "\"transactionId\":7}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\",\"amount\":1,"
	    "\"transactionId\":\"\"}}",
	    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\",\"amount\":1,"
	    "\"transactionId\":\"\\u8ba2\"}}"};
	struct callback c;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (deliver_signed(&c, bad[i]) != GATEWAY_MALFORMED)
			fail_msg("not malformed: %s", bad[i]);
	}
}

static void
an_order_number_has_fifty_characters_at_most(void **state)
{
	struct callback c;
	char body[200];

	(void)state;
	for (int len = 50; len <= 51; len++) {
		snprintf(body, sizeof body,
		    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"%0*d\",\"amount\":1}}",
		    len, 7);
		assert_int_equal(
		    deliver_signed(&c, body), len == 50 ? GATEWAY_PAYMENT : GATEWAY_MALFORMED);
	}
}

static void
another_type_is_ignored(void **state)
{
	struct callback c;

	(void)state;
	assert_int_equal(deliver_signed(&c, "{\"type\":\"order.refunded\"}"), GATEWAY_IGNORED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_standards_example_is_genuine),
	    cmocka_unit_test(a_payment_is_read_as_it_stands),
	    cmocka_unit_test(without_transaction_id_the_webhook_id_stands_in),
	    cmocka_unit_test(what_is_not_signed_is_not_even_read),
	    cmocka_unit_test(a_missing_header_is_no_signature),
	    cmocka_unit_test(the_time_may_be_five_minutes_off_and_is_digits),
	    cmocka_unit_test(any_of_several_signatures_will_do),
	    cmocka_unit_test(any_line_of_the_secret_file_will_do),
	    cmocka_unit_test(a_secret_that_could_never_match_is_a_problem),
	    cmocka_unit_test(an_amount_is_a_plain_decimal),
	    cmocka_unit_test(what_cannot_be_a_payment_is_malformed),
	    cmocka_unit_test(an_order_number_has_fifty_characters_at_most),
	    cmocka_unit_test(another_type_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
