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
static void *keys; /* of these secrets */

/* Takes other secrets; false when they are refused: then `error` says why. */
static char error[300];

static bool
take_secrets(char *text)
{
	void *taken;

	options.webhook_secret = text;
	*error = '\0';
	taken = webhook_open(&options, error, sizeof error);
	if (taken == NULL)
		return false;
	if (keys != NULL)
		webhook_close(keys);
	keys = taken;
	return true;
}

static int
begin(void **state)
{
	(void)state;
	return take_secrets(secret) ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	webhook_close(keys);
	keys = NULL;
	return 0;
}

/* A callback: its environment and what was made of it. */
struct delivery {
	char id[300], timestamp[60], signature[2000];
	char *env[5];
	struct request request;
	struct callback said;
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
deliver(struct delivery *c, const char *id, const char *timestamp, const char *signature,
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
	return webhook_read(keys, &c->request, NOW, &c->said);
}

static enum gateway_verdict
deliver_signed(struct delivery *c, const char *body)
{
	char signature[64];

	sign_well(signature, "msg_1", "1614265330", body);
	return deliver(c, "msg_1", "1614265330", signature, body);
}

/* The specification's own example. */
static void
the_standards_example_is_genuine(void **state)
{
	struct delivery c;

	(void)state;
	assert_int_equal(
	    deliver(&c, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
		"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "{\"test\": 2432232314}"),
	    GATEWAY_MALFORMED);
	assert_string_equal(c.said.reason, "type is missing, or too long");
}

static void
a_payment_is_read_as_it_stands(void **state)
{
	struct delivery c;

	(void)state;
	assert_int_equal(deliver_signed(&c, body_of_38), GATEWAY_PAYMENT);
	assert_string_equal(c.said.payment.number, "17-a_B");
	assert_string_equal(c.said.payment.amount, "38.00");
	assert_string_equal(c.said.payment.currency, "CNY");
	assert_string_equal(c.said.payment.transaction_id, "t-1");
}

static void
without_transaction_id_the_webhook_id_stands_in(void **state)
{
	struct delivery c;

	(void)state;
	assert_int_equal(
	    deliver_signed(&c, "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\","
			       "\"amount\":38.10,\"currency\":\"USD\"}}"),
	    GATEWAY_PAYMENT);
	assert_string_equal(c.said.payment.transaction_id, "msg_1");
	assert_string_equal(c.said.payment.amount, "38.10");
	assert_string_equal(c.said.payment.currency, "USD");
}

static void
what_is_not_signed_is_not_even_read(void **state)
{
	static const char zeros[] = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	struct delivery c;
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
	struct delivery c;
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
	    {"1614265029", GATEWAY_STALE},
	    {"1614265630", GATEWAY_PAYMENT},
	    {"1614265631", GATEWAY_STALE},
	    {"+1614265330", GATEWAY_NOT_SIGNED},
	    {" 1614265330", GATEWAY_NOT_SIGNED},
	    {"1614265330.0", GATEWAY_NOT_SIGNED},
	    {"0x6037d472", GATEWAY_NOT_SIGNED},
	    {"-1", GATEWAY_NOT_SIGNED},
	    {"", GATEWAY_NOT_SIGNED},
	    {"99999999999999999999999", GATEWAY_NOT_SIGNED},
	};
	struct delivery c;
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
	struct delivery c;
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
	struct delivery c;
	char signature[64];

	(void)state;
	assert_true(take_secrets(several));
	assert_int_equal(deliver_signed(&c, body_of_38), GATEWAY_PAYMENT);
	sign(signature, "a plain text of a secret", 24, "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", "1614265330", signature, body_of_38), GATEWAY_PAYMENT);
	sign(signature, "\n", 1, "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", "1614265330", signature, body_of_38), GATEWAY_NOT_SIGNED);
	sign(signature, "", 0, "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", "1614265330", signature, body_of_38), GATEWAY_NOT_SIGNED);
}

static void
a_secret_that_could_never_match_is_refused_by_line(void **state)
{
	static const struct {
		char text[90];
		const char *says;
	} cases[] = {
	    {"", "webhook_secret_file: there is no key in it"},
	    {"\n\r\n", "webhook_secret_file: there is no key in it"},
	    {"whsec_", "webhook_secret_file: line 1: whsec_ must be"},
	    {"whsec_AAAA", "line 1: whsec_"},
	    {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", "line 1: whsec_"},
	    {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", "line 1: whsec_"},
	    {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ", "line 1: whsec_"},
	    {"whpk_", "line 1: whpk_"},
	    {"whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "line 1: whpk_"},
	    {"whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"line 1: whsk_ is the sender's private key"},
	    {"short", "line 1: plain text must have"},
	    {"a good one that is long enough\r\n\nshort\n", "line 3: plain text must have"},
	};
	char *much = malloc(9000);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_false(take_secrets((char *)cases[i].text));
		assert_non_null(strstr(error, cases[i].says));
		/* A secret is never told. */
		assert_null(strstr(error, "MfKQ"));
	}
	memset(much, 'x', 513);
	much[513] = '\0';
	assert_false(take_secrets(much));
	much[512] = '\0';
	assert_true(take_secrets(much));
	*much = '\0';
	for (int i = 0; i < 17; i++)
		strcat(much, "a plain text of a secret\n");
	assert_false(take_secrets(much));
	assert_non_null(strstr(error, "line 17: more than 16 keys"));
	free(much);
}

/* --- v1a --- */

/* "v1a," and the signature by the key pair of that seed; its public key as a line. */
static void
sign_by_pair(char signature[100], char line[60], unsigned char seed, const char *id,
    const char *timestamp, const char *body)
{
	char content[4000];
	unsigned char private[32], public[32], bytes[64];
	size_t len = sizeof bytes, public_len = sizeof public;
	int n = snprintf(content, sizeof content, "%s.%s.%s", id, timestamp, body);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY *key;

	memset(private, seed, sizeof private);
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private, sizeof private);
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, public, &public_len), 1);
	assert_int_equal(EVP_DigestSignInit(md, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(md, bytes, &len, (unsigned char *)content, (size_t)n), 1);
	strcpy(signature, "v1a,");
	EVP_EncodeBlock((unsigned char *)signature + 4, bytes, (int)len);
	strcpy(line, "whpk_");
	EVP_EncodeBlock((unsigned char *)line + 5, public, (int)public_len);
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
}

static void
a_key_pairs_signature_is_as_good_as_a_secrets(void **state)
{
	struct delivery c;
	char good[100], other[100], line[60], other_line[60], all[600], bad[100];

	(void)state;
	sign_by_pair(good, line, 1, "m", "1614265330", body_of_38);
	sign_by_pair(other, other_line, 2, "m", "1614265330", body_of_38);
	assert_true(take_secrets(line));
	assert_int_equal(deliver(&c, "m", "1614265330", good, body_of_38), GATEWAY_PAYMENT);
	assert_int_equal(deliver(&c, "m", "1614265330", other, body_of_38), GATEWAY_NOT_SIGNED);
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
	/* Both may stand in the header, and the file may know either or both. */
	snprintf(all, sizeof all, "v1,AAAA %s %s", other, good);
	assert_int_equal(deliver(&c, "m", "1614265330", all, body_of_38), GATEWAY_PAYMENT);
	snprintf(all, sizeof all, "%s\n%s\n%s", secret, other_line, line);
	assert_true(take_secrets(all));
	assert_int_equal(deliver(&c, "m", "1614265330", good, body_of_38), GATEWAY_PAYMENT);
	assert_int_equal(deliver_signed(&c, body_of_38), GATEWAY_PAYMENT);
}

static void
few_signatures_by_key_pairs_are_tried(void **state)
{
	struct delivery c;
	char good[100], other[100], line[60], other_line[60], all[1900] = "";

	(void)state;
	sign_by_pair(good, line, 1, "m", "1614265330", body_of_38);
	sign_by_pair(other, other_line, 2, "m", "1614265330", body_of_38);
	assert_true(take_secrets(line));
	for (int i = 0; i < 3; i++)
		strcat(strcat(all, other), " ");
	strcat(all, good);
	assert_int_equal(deliver(&c, "m", "1614265330", all, body_of_38), GATEWAY_PAYMENT);
	*all = '\0';
	for (int i = 0; i < 4; i++)
		strcat(strcat(all, other), " ");
	strcat(all, good);
	assert_int_equal(deliver(&c, "m", "1614265330", all, body_of_38), GATEWAY_NOT_SIGNED);
}

static void
a_public_key_is_no_secret(void **state)
{
	struct delivery c;
	char good[100], forged[64], line[60];

	(void)state;
	/* Whoever knows the public key must not be able to sign with it as if it were a secret. */
	sign_by_pair(good, line, 1, "m", "1614265330", body_of_38);
	assert_true(take_secrets(line));
	sign(forged, line, strlen(line), "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", "1614265330", forged, body_of_38), GATEWAY_NOT_SIGNED);
	sign(forged, "", 0, "m", "1614265330", body_of_38);
	assert_int_equal(deliver(&c, "m", "1614265330", forged, body_of_38), GATEWAY_NOT_SIGNED);
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
	struct delivery c;
	char body[200];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(body, sizeof body,
		    "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"1\",\"amount\":%s}}",
		    cases[i].json);
		if (deliver_signed(&c, body) !=
		    (cases[i].amount != NULL ? GATEWAY_PAYMENT : GATEWAY_MALFORMED))
			fail_msg("wrong verdict on %s: %s", cases[i].json, c.said.reason);
		if (cases[i].amount != NULL)
			assert_string_equal(c.said.payment.amount, cases[i].amount);
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
	struct delivery c;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (deliver_signed(&c, bad[i]) != GATEWAY_MALFORMED)
			fail_msg("not malformed: %s", bad[i]);
	}
}

static void
an_order_number_has_fifty_characters_at_most(void **state)
{
	struct delivery c;
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
	struct delivery c;

	(void)state;
	assert_int_equal(deliver_signed(&c, "{\"type\":\"order.refunded\"}"), GATEWAY_IGNORED);
	assert_string_equal(c.said.id, "msg_1");
	assert_string_equal(c.said.state, "order.refunded");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_standards_example_is_genuine),
	    TEST(a_payment_is_read_as_it_stands),
	    TEST(without_transaction_id_the_webhook_id_stands_in),
	    TEST(what_is_not_signed_is_not_even_read),
	    TEST(a_missing_header_is_no_signature),
	    TEST(the_time_may_be_five_minutes_off_and_is_digits),
	    TEST(any_of_several_signatures_will_do),
	    TEST(any_line_of_the_secret_file_will_do),
	    TEST(a_secret_that_could_never_match_is_refused_by_line),
	    TEST(a_key_pairs_signature_is_as_good_as_a_secrets),
	    TEST(few_signatures_by_key_pairs_are_tried),
	    TEST(a_public_key_is_no_secret),
	    TEST(an_amount_is_a_plain_decimal),
	    TEST(what_cannot_be_a_payment_is_malformed),
	    TEST(an_order_number_has_fifty_characters_at_most),
	    TEST(another_type_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
