/* WeChat Pay's notifications: which are believed, and what they say. */
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

#include "fcgi-order/gateway_wechatpay.h"
#include "tests/unit/gatewaykit.h"

enum { NOW = 1700000000 };

#define API_KEY "of exactly 32 bytes, no one less"
#define SERIAL "5157F09EFDC096DE15EBE81A47057A7200000000"

static const char transaction_of_38[] =
    "{\"mchid\":\"1900000001\",\"appid\":\"wx8888888888888888\",\"out_trade_no\":\"17-a_B\","
    "\"transaction_id\":\"4200001\",\"trade_state\":\"SUCCESS\",\"amount\":{\"total\":3800,"
    "\"payer_total\":3700,\"currency\":\"CNY\",\"payer_currency\":\"CNY\"},\"attach\":\"订\"}";

/* Made once: the platform's certificate and its public key, and somebody else's. */
static EVP_PKEY *platform, *successor, *stranger;
static char *folder;

/* The options, and what is in the files they name. */
static struct {
	struct options options;
	char mchid[40], appid[60], keys[100], api_key[140];
	void *state;
	char error[500];
} shop;

/* A notification and what was made of it.  Whatever is NULL is left out. */
struct delivery {
	EVP_PKEY *signer;
	const char *timestamp, *nonce, *serial, *type, *signature;
	const char *body;
	size_t body_len; /* 0: the body is a text */
	struct callback said;
};

static const struct delivery usual = {
    .timestamp = "1700000000", .nonce = "593BEC0C930BF1AFEB40B4A08C8FB242", .serial = SERIAL};

/* --- the shop --- */

static bool
open_shop(void)
{
	struct options *o = &shop.options;

	if (shop.state != NULL)
		wechatpay_close(shop.state);
	o->wechatpay_mchid = shop.mchid;
	o->wechatpay_appid = shop.appid;
	o->wechatpay_keys = shop.keys;
	o->wechatpay_api_v3_key = shop.api_key;
	*shop.error = '\0';
	shop.state = wechatpay_open(o, shop.error, sizeof shop.error);
	return shop.state != NULL;
}

static void
put(const char *name, char *text)
{
	char path[100];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	kit_write(path, text, 0644);
	free(text);
}

static int
make_keys(void **state)
{
	(void)state;
	platform = kit_rsa(2048);
	successor = kit_rsa(2048);
	stranger = kit_rsa(2048);
	folder = kit_folder();
	put("certificate.pem", kit_certificate_pem(platform, SERIAL));
	put("PUB_KEY_ID_0114.pem", kit_public_pem(successor));
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(platform);
	EVP_PKEY_free(successor);
	EVP_PKEY_free(stranger);
	kit_remove(folder);
	return 0;
}

static int
begin(void **state)
{
	(void)state;
	strcpy(shop.mchid, "1900000001");
	strcpy(shop.appid, "wx1 wx8888888888888888");
	strcpy(shop.keys, folder);
	strcpy(shop.api_key, API_KEY);
	return open_shop() ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	if (shop.state != NULL)
		wechatpay_close(shop.state);
	shop.state = NULL;
	return 0;
}

/* --- notifications --- */

static char *
sign(const struct delivery *d, size_t body_len)
{
	char *text, *signature;
	int n = asprintf(&text, "%s\n%s\n", d->timestamp, d->nonce);

	text = realloc(text, (size_t)n + body_len + 1);
	memcpy(text + n, d->body, body_len);
	text[(size_t)n + body_len] = '\n';
	signature =
	    kit_sign(d->signer != NULL ? d->signer : platform, text, (size_t)n + body_len + 1);
	free(text);
	return signature;
}

static void
set(char **env, int *n, const char *name, const char *value)
{
	if (value != NULL)
		assert_true(asprintf(&env[(*n)++], "HTTP_WECHATPAY_%s=%s", name, value) > 0);
}

/* As it is; with a signature of its own, or without one where that is "". */
static enum gateway_verdict
deliver(struct delivery *d)
{
	size_t body_len = d->body_len > 0 ? d->body_len : strlen(d->body);
	char *made = d->signature == NULL ? sign(d, body_len) : NULL;
	const char *signature = made != NULL ? made : d->signature;
	char *env[8] = {NULL};
	const struct request request = {.env = env, .body = d->body, .body_len = body_len};
	enum gateway_verdict verdict;
	int n = 0;

	set(env, &n, "TIMESTAMP", d->timestamp);
	set(env, &n, "NONCE", d->nonce);
	set(env, &n, "SERIAL", d->serial);
	set(env, &n, "SIGNATURE", *signature == '\0' ? NULL : signature);
	set(env, &n, "SIGNATURE_TYPE", d->type);
	d->said = (struct callback){.reason = ""};
	verdict = wechatpay_read(shop.state, &request, NOW, &d->said);
	while (n > 0)
		free(env[--n]);
	free(made);
	return verdict;
}

/* An event with that resource. */
static char *
event_of(const char *type, const char *algorithm, const char *nonce, const char *associated,
    const char *ciphertext)
{
	char *body;

	assert_true(asprintf(&body,
			"{\"id\":\"EV-2018022511223320873\",\"create_time\":\"2015-05-20T13:29:35+"
			"08:00\",\"resource_type\":\"encrypt-resource\",\"event_type\":\"%s\","
			"\"summary\":\"支付成功\",\"resource\":{\"original_type\":\"transaction\","
			"\"algorithm\":\"%s\",\"ciphertext\":\"%s\",\"associated_data\":\"%s\","
			"\"nonce\":\"%s\"}}",
			type, algorithm, ciphertext, associated, nonce) > 0);
	return body;
}

/* The usual event about a transaction. */
static char *
seal(const char *transaction)
{
	char *sealed = kit_seal(API_KEY, "fdasflkja484", "transaction", transaction);
	char *body = event_of(
	    "TRANSACTION.SUCCESS", "AEAD_AES_256_GCM", "fdasflkja484", "transaction", sealed);

	free(sealed);
	return body;
}

static enum gateway_verdict
deliver_transaction(struct delivery *d, const char *transaction)
{
	char *body = seal(transaction);
	enum gateway_verdict verdict;

	*d = usual;
	d->body = body;
	verdict = deliver(d);
	d->body = NULL;
	free(body);
	return verdict;
}

/* --- good ones --- */

static void
a_payment_is_read_as_it_was_sealed(void **state)
{
	struct delivery d;

	(void)state;
	assert_int_equal(deliver_transaction(&d, transaction_of_38), GATEWAY_PAYMENT);
	assert_string_equal(d.said.payment.number, "17-a_B");
	assert_string_equal(d.said.payment.amount, "38.00");
	assert_string_equal(d.said.payment.currency, "CNY");
	assert_string_equal(d.said.payment.transaction_id, "4200001");
	assert_string_equal(d.said.id, "EV-2018022511223320873");
	assert_string_equal(d.said.state, "TRANSACTION.SUCCESS");
	assert_null(d.said.reason);
}

static void
any_key_of_the_folder_may_sign_as_its_serial_says(void **state)
{
	struct delivery d = usual;

	(void)state;
	d.body = seal(transaction_of_38);
	d.serial = "PUB_KEY_ID_0114";
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED); /* by the other one */
	d.signer = successor;
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
	d.serial = SERIAL;
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	d.signer = platform;
	d.serial = "5157f09efdc096de15ebe81a47057a7200000000";
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
	d.type = "WECHATPAY2-SHA256-RSA2048";
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
	free((char *)d.body);
}

static void
any_api_key_of_the_file_may_open(void **state)
{
	struct delivery d;

	(void)state;
	strcpy(shop.api_key, "another key of exactly 32 bytes!\r\n\n" API_KEY);
	assert_true(open_shop());
	assert_int_equal(deliver_transaction(&d, transaction_of_38), GATEWAY_PAYMENT);
}

static void
what_is_sealed_with_it_may_be_left_out(void **state)
{
	char *sealed = kit_seal(API_KEY, "fdasflkja484", "", transaction_of_38);
	struct delivery d = usual;
	char *body;

	(void)state;
	body = event_of("TRANSACTION.SUCCESS", "AEAD_AES_256_GCM", "fdasflkja484", "", sealed);
	d.body = body;
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
	free(body);
	assert_true(asprintf(&body,
			"{\"id\":\"1\",\"event_type\":\"TRANSACTION.SUCCESS\",\"resource\":{"
			"\"algorithm\":\"AEAD_AES_256_GCM\",\"nonce\":\"fdasflkja484\","
			"\"ciphertext\":\"%s\"}}",
			sealed) > 0);
	d.body = body;
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
	free(body);
	free(sealed);
}

/* --- who says so --- */

static void
the_time_is_less_than_five_minutes_off(void **state)
{
	static const struct {
		const char *timestamp;
		enum gateway_verdict verdict;
	} cases[] = {
	    {"1699999701", GATEWAY_PAYMENT},
	    {"1699999700", GATEWAY_STALE},
	    {"1700000299", GATEWAY_PAYMENT},
	    {"1700000300", GATEWAY_STALE},
	    {"0", GATEWAY_STALE},
	    {"999999999999", GATEWAY_STALE},
	    {"-1", GATEWAY_NOT_SIGNED},
	    {"+1700000000", GATEWAY_NOT_SIGNED},
	    {" 1700000000", GATEWAY_NOT_SIGNED},
	    {"1700000000.0", GATEWAY_NOT_SIGNED},
	    {"1.7e9", GATEWAY_NOT_SIGNED},
	    {"", GATEWAY_NOT_SIGNED},
	    {"17000000000000000000000", GATEWAY_NOT_SIGNED},
	};
	struct delivery d = usual;

	(void)state;
	d.body = seal(transaction_of_38);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		d.timestamp = cases[i].timestamp;
		assert_int_equal(deliver(&d), cases[i].verdict);
	}
	free((char *)d.body);
}

static void
what_was_changed_after_it_was_signed_is_not_even_read(void **state)
{
	struct delivery d = usual;
	char *body = seal(transaction_of_38), *signature;

	(void)state;
	d.body = body;
	signature = sign(&d, strlen(body));
	d.signature = signature;
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
	d.nonce = "593BEC0C930BF1AFEB40B4A08C8FB243";
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	d.nonce = usual.nonce;
	d.timestamp = "1700000001";
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	d.timestamp = usual.timestamp;
	for (size_t i = 0; i < strlen(body); i += 7) {
		char was = body[i];

		body[i] = was == 'x' ? 'y' : 'x';
		assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
		body[i] = was;
	}
	d.body = "not JSON";
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	assert_string_equal(d.said.id, "");
	d.body = body;
	d.body_len = strlen(body) - 1;
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	free(body);
	free(signature);
}

static void
an_odd_signature_is_none(void **state)
{
	struct delivery d = usual;
	char *good, *bad;
	size_t len;

	(void)state;
	d.body = seal(transaction_of_38);
	good = sign(&d, strlen(d.body));
	len = strlen(good);
	bad = malloc(4 * len + 10);
	d.signature = bad;
	for (size_t i = 0; i < len; i++) {
		strcpy(bad, good);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	}
	for (size_t n = 1; n < len; n += 5) {
		strcpy(bad, good);
		bad[n] = '\0';
		assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	}
	sprintf(bad, " %s", good);
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	sprintf(bad, "%s ", good);
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	sprintf(bad, "%s\n", good);
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	sprintf(bad, "%s%s", good, good);
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	memset(bad, 'A', 4 * len);
	bad[4 * len] = '\0';
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	for (char *c = strcpy(bad, good); *c != '\0'; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	assert_int_equal(
	    deliver(&d), strcmp(bad, good) == 0 ? GATEWAY_PAYMENT : GATEWAY_NOT_SIGNED);
	free((char *)d.body);
	free(good);
	free(bad);
}

static void
a_missing_header_or_a_foreign_key_is_no_signature(void **state)
{
	char *body = seal(transaction_of_38);
	char huge[2000];
	struct delivery d = usual;

	(void)state;
	d.body = body;
	d.signer = stranger;
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	d.signer = platform;
	d.signature = "";
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	d.signature = NULL;
	d.type = "WECHATPAY2-SM2-WITH-SM3";
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	d.type = NULL;
	d.serial = "5157F09EFDC096DE15EBE81A47057A7200000001";
	assert_int_equal(deliver(&d), GATEWAY_UNKNOWN_KEY);
	d.serial = "PUB_KEY_ID_0115";
	assert_int_equal(deliver(&d), GATEWAY_UNKNOWN_KEY);
	d.serial = "";
	assert_int_equal(deliver(&d), GATEWAY_UNKNOWN_KEY);
	memset(huge, 'F', sizeof huge);
	huge[sizeof huge - 1] = '\0';
	d.serial = huge;
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	d.serial = NULL;
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	d.serial = SERIAL;
	d.nonce = huge;
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	d.nonce = usual.nonce;
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
	free(body);
}

static void
a_line_feed_in_the_nonce_moves_no_part_of_the_body(void **state)
{
	char *body = seal(transaction_of_38), *whole, *signature;
	struct delivery d = usual;

	(void)state;
	/* Signed as nonce "n" and a body of two lines; delivered as a nonce of two. */
	assert_true(asprintf(&whole, "first line\n%s", body) > 0);
	d.nonce = "n";
	d.body = whole;
	signature = sign(&d, strlen(whole));
	d.signature = signature;
	d.nonce = "n\nfirst line";
	d.body = body;
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	free(body);
	free(whole);
	free(signature);
}

static void
a_probe_fails(void **state)
{
	struct delivery d = usual;

	(void)state;
	d.body = seal(transaction_of_38);
	d.signature = "WECHATPAY/SIGNTEST/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	assert_non_null(strstr(d.said.reason, "probe"));
	free((char *)d.body);
}

/* --- what it says --- */

static void
a_changed_tag_or_another_key_leaves_it_sealed(void **state)
{
	char *good = kit_seal(API_KEY, "fdasflkja484", "transaction", transaction_of_38);
	char *theirs = kit_seal(
	    "the key of another shop, 32 byte", "fdasflkja484", "transaction", transaction_of_38);
	size_t len = strlen(good);
	const struct {
		const char *nonce, *associated, *ciphertext;
	} cases[] = {
	    {"fdasflkja485", "transaction", good},
	    {"fdasflkja484", "Transaction", good},
	    {"fdasflkja484", "", good},
	    {"fdasflkja484", "transaction", theirs},
	    {"fdasflkja484", "transaction", ""},
	    {"fdasflkja484", "transaction", "AAAA"},
	    {"fdasflkja484", "transaction", "not base64"},
	};
	struct delivery d = usual;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		d.body = event_of("TRANSACTION.SUCCESS", "AEAD_AES_256_GCM", cases[i].nonce,
		    cases[i].associated, cases[i].ciphertext);
		assert_int_equal(deliver(&d), GATEWAY_SEALED);
		assert_string_equal(d.said.id, "EV-2018022511223320873");
		assert_string_equal(d.said.payment.number, "");
		free((char *)d.body);
	}
	for (size_t i = len - 24; i < len - 4; i++) { /* the tag is there */
		char was = good[i];

		good[i] = was == 'A' ? 'Q' : 'A';
		d.body = event_of(
		    "TRANSACTION.SUCCESS", "AEAD_AES_256_GCM", "fdasflkja484", "transaction", good);
		assert_int_equal(deliver(&d), GATEWAY_SEALED);
		free((char *)d.body);
		good[i] = was;
	}
	free(good);
	free(theirs);
}

static void
a_resource_that_is_none_is_malformed(void **state)
{
	static const char *const resources[] = {"null", "5", "[]", "{}",
	    "{\"algorithm\":\"AEAD_AES_256_GCM\"}",
	    "{\"algorithm\":\"AEAD_AES_128_GCM\",\"nonce\":\"n\",\"ciphertext\":\"\"}",
	    "{\"algorithm\":\"AEAD_AES_256_GCM\",\"nonce\":5,\"ciphertext\":\"\"}",
	    "{\"algorithm\":\"AEAD_AES_256_GCM\",\"nonce\":\"\",\"ciphertext\":\"\"}",
	    "{\"algorithm\":\"AEAD_AES_256_GCM\",\"nonce\":\"seventeen bytes no\","
	    "\"ciphertext\":\"\"}",
	    "{\"algorithm\":\"AEAD_AES_256_GCM\",\"nonce\":\"n\",\"ciphertext\":null}",
	    "{\"algorithm\":\"AEAD_AES_256_GCM\",\"nonce\":\"n\",\"ciphertext\":\"\","
	    "\"associated_data\":{}}"};
	struct delivery d = usual;

	(void)state;
	for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
		char *body;

		assert_true(asprintf(&body,
				"{\"id\":\"1\",\"event_type\":\"TRANSACTION.SUCCESS\",\"resource\":"
				"%s}",
				resources[i]) > 0);
		d.body = body;
		assert_int_equal(deliver(&d), GATEWAY_MALFORMED);
		free(body);
	}
}

static void
an_event_that_is_none_is_malformed(void **state)
{
	static const char *const bodies[] = {"{", "[]", "null", "5", "{}", "{}{}",
	    "{\"event_type\":\"TRANSACTION.SUCCESS\"}", "{\"id\":\"1\"}",
	    "{\"id\":1,\"event_type\":\"TRANSACTION.SUCCESS\"}",
	    "{\"id\":\"\",\"event_type\":\"REFUND.SUCCESS\"}", "{\"id\":\"1\",\"event_type\":5}",
	    "{\"id\":\"订\",\"event_type\":\"REFUND.SUCCESS\"}",
	    "{\"id\":\"1\",\"event_type\":\"\"}",
	    "{\"id\":\"1\\u0000\",\"event_type\":\"REFUND.SUCCESS\"}"};
	struct delivery d = usual;
	char huge[300];

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		d.body = bodies[i];
		if (deliver(&d) != GATEWAY_MALFORMED)
			fail_msg("not malformed: %s", bodies[i]);
	}
	snprintf(huge, sizeof huge, "{\"id\":\"1\",\"event_type\":\"%0200d\"}", 0);
	d.body = huge;
	assert_int_equal(deliver(&d), GATEWAY_MALFORMED);
	d.body = "{\"id\":\"1\",\"event_type\":\"REFUND.SUCCESS\"}\0{}";
	d.body_len = strlen(d.body) + 3;
	assert_int_equal(deliver(&d), GATEWAY_MALFORMED);
}

static void
another_event_is_ignored_but_its_order_noted(void **state)
{
	char *sealed = kit_seal(API_KEY, "n", "refund", transaction_of_38);
	struct delivery d = usual;

	(void)state;
	d.body = event_of("REFUND.SUCCESS", "AEAD_AES_256_GCM", "n", "refund", sealed);
	assert_int_equal(deliver(&d), GATEWAY_IGNORED);
	assert_string_equal(d.said.state, "REFUND.SUCCESS");
	assert_string_equal(d.said.payment.number, "17-a_B");
	assert_string_equal(d.said.payment.transaction_id, "4200001");
	free((char *)d.body);
	d.body = event_of("COUPON.USE", "AEAD_AES_256_GCM", "n", "coupon", sealed);
	assert_int_equal(deliver(&d), GATEWAY_IGNORED);
	assert_string_equal(d.said.payment.number, "");
	free((char *)d.body);
	free(sealed);
}

/* A transaction with one thing replaced. */
static char *
with(const char *what, const char *by)
{
	const char *at = strstr(transaction_of_38, what);
	char *text;

	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - transaction_of_38), transaction_of_38,
			by, at + strlen(what)) > 0);
	return text;
}

static void
a_transaction_is_judged_by_what_it_says(void **state)
{
	static const struct {
		const char *what, *by;
		enum gateway_verdict verdict;
	} cases[] = {
	    {"\"1900000001\"", "\"1900000002\"", GATEWAY_FOREIGN},
	    {"\"1900000001\"", "1900000001", GATEWAY_FOREIGN},
	    {"\"mchid\"", "\"sp_mchid\"", GATEWAY_FOREIGN},
	    {"wx8888888888888888", "wx888888888888888", GATEWAY_FOREIGN},
	    {"wx8888888888888888", "wx1", GATEWAY_PAYMENT},
	    {"wx8888888888888888", "", GATEWAY_FOREIGN},
	    {"\"appid\"", "\"sub_appid\"", GATEWAY_FOREIGN},
	    {"\"SUCCESS\"", "\"REFUND\"", GATEWAY_IGNORED},
	    {"\"SUCCESS\"", "\"NOTPAY\"", GATEWAY_IGNORED},
	    {"\"SUCCESS\"", "\"success\"", GATEWAY_IGNORED},
	    {"\"SUCCESS\"", "1", GATEWAY_MALFORMED},
	    {"\"17-a_B\"", "17", GATEWAY_MALFORMED},
	    {"\"17-a_B\"", "\"\"", GATEWAY_MALFORMED},
	    {"\"17-a_B\"", "\"订单\"", GATEWAY_MALFORMED},
	    {"\"17-a_B\"", "\"a|b*c\"", GATEWAY_PAYMENT}, /* no number of ours, but money */
	    {"\"4200001\"", "null", GATEWAY_MALFORMED},
	    {"3800", "\"3800\"", GATEWAY_MALFORMED},
	    {"3800", "38.00", GATEWAY_MALFORMED},
	    {"3800", "-3800", GATEWAY_MALFORMED},
	    {"3800", "null", GATEWAY_MALFORMED},
	    {"3800", "99999999999999999999", GATEWAY_MALFORMED},
	    {"3800", "9999999999999999", GATEWAY_MALFORMED},
	    {"3800", "true", GATEWAY_MALFORMED},
	    {"\"currency\":\"CNY\",", "", GATEWAY_MALFORMED},
	    {"\"currency\":\"CNY\"", "\"currency\":\"cny\"", GATEWAY_MALFORMED},
	    {"\"currency\":\"CNY\"", "\"currency\":\"USD\"",
		GATEWAY_PAYMENT}, /* pay()'s to judge */
	    {"\"amount\"", "\"amounts\"", GATEWAY_MALFORMED},
	};
	struct delivery d;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *transaction = with(cases[i].what, cases[i].by);
		enum gateway_verdict verdict = deliver_transaction(&d, transaction);

		if (verdict != cases[i].verdict)
			fail_msg("%s by %s: %d", cases[i].what, cases[i].by, verdict);
		free(transaction);
	}
	assert_int_equal(deliver_transaction(&d, "not JSON"), GATEWAY_SEALED);
	assert_int_equal(deliver_transaction(&d, ""), GATEWAY_SEALED);
}

static void
a_body_of_a_mebibyte_is_read(void **state)
{
	char *attach = malloc(700001), *transaction;
	struct delivery d;

	(void)state;
	memset(attach, 'x', 700000);
	attach[700000] = '\0';
	transaction = with("订", attach);
	assert_int_equal(deliver_transaction(&d, transaction), GATEWAY_PAYMENT);
	free(transaction);
	free(attach);
}

/* --- settings --- */

static void
settings_that_do_not_do_are_refused_by_name(void **state)
{
	static const struct {
		char *text;
		const char *value, *says;
	} cases[] = {
	    {shop.mchid, "19000x", "wechatpay_mchid: must be digits"},
	    {shop.appid, "wx-1", "wechatpay_appid: must be app ids"},
	    {shop.appid, " , ", "wechatpay_appid: must be app ids"},
	    {shop.keys, "/nonexistent", "wechatpay_keys: \"/nonexistent\": No such file"},
	    {shop.api_key, "31 bytes are too few for a key.", "line 1 has 31 bytes; allowed are"},
	    {shop.api_key, "33 bytes are too many for one key",
		"wechatpay_api_v3_key_file: line 1 has 33 bytes; allowed are up to 4 keys, one in "
	        "a "
		"line, of exactly 32 bytes each"},
	    {shop.api_key, API_KEY "\nshort", "line 2 has 5 bytes"},
	    {shop.api_key, API_KEY "\n" API_KEY "\n" API_KEY "\n" API_KEY "\nx", "line 5 has 1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin(NULL);
		strcpy(cases[i].text, cases[i].value);
		assert_false(open_shop());
		if (strstr(shop.error, cases[i].says) == NULL)
			fail_msg("said: %s", shop.error);
		assert_null(strstr(shop.error, "too few"));
	}
}

static void
a_public_key_without_an_id_is_refused(void **state)
{
	char *pem = kit_public_pem(successor);

	(void)state;
	snprintf(shop.keys, sizeof shop.keys, "%s/pub_key.pem", folder);
	kit_write(shop.keys, pem, 0644);
	assert_false(open_shop());
	assert_non_null(strstr(shop.error,
	    "wechatpay_keys: the public key in \"pub_key\" has no id; it needs a line "
	    "PUB_KEY_ID_... before it, or a file of that name"));
	remove(shop.keys);
	free(pem);
}

static void
it_is_configured_as_a_whole_or_not_at_all(void **state)
{
	struct options *o = &shop.options, none = {0};
	char **const settings[] = {
	    &o->wechatpay_mchid, &o->wechatpay_appid, &o->wechatpay_keys, &o->wechatpay_api_v3_key};

	(void)state;
	assert_false(wechatpay_is_configured(&none));
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		begin(NULL);
		*settings[i] = NULL;
		assert_true(wechatpay_is_configured(o));
		assert_null(wechatpay_open(o, shop.error, sizeof shop.error));
		assert_non_null(strstr(shop.error, "go together: set all or none"));
	}
}

/* --- the answer --- */

static void
the_answer_is_in_wechat_pays_words(void **state)
{
	struct reply reply = {0};

	(void)state;
	wechatpay_answer(&reply, 200, "whatever");
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.content_type, "application/json");
	assert_string_equal(reply.body, "{\"code\":\"SUCCESS\",\"message\":\"SUCCESS\"}");
	wechatpay_answer(&reply, 401, "a reason");
	assert_int_equal(reply.status, 401);
	assert_string_equal(reply.body, "{\"code\":\"FAIL\",\"message\":\"a reason\"}");
	reply_fini(&reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_payment_is_read_as_it_was_sealed),
	    TEST(any_key_of_the_folder_may_sign_as_its_serial_says),
	    TEST(any_api_key_of_the_file_may_open),
	    TEST(what_is_sealed_with_it_may_be_left_out),
	    TEST(the_time_is_less_than_five_minutes_off),
	    TEST(what_was_changed_after_it_was_signed_is_not_even_read),
	    TEST(an_odd_signature_is_none),
	    TEST(a_missing_header_or_a_foreign_key_is_no_signature),
	    TEST(a_line_feed_in_the_nonce_moves_no_part_of_the_body),
	    TEST(a_probe_fails),
	    TEST(a_changed_tag_or_another_key_leaves_it_sealed),
	    TEST(a_resource_that_is_none_is_malformed),
	    TEST(an_event_that_is_none_is_malformed),
	    TEST(another_event_is_ignored_but_its_order_noted),
	    TEST(a_transaction_is_judged_by_what_it_says),
	    TEST(a_body_of_a_mebibyte_is_read),
	    TEST(settings_that_do_not_do_are_refused_by_name),
	    TEST(a_public_key_without_an_id_is_refused),
	    TEST(it_is_configured_as_a_whole_or_not_at_all),
	    cmocka_unit_test(the_answer_is_in_wechat_pays_words),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
