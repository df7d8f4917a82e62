/* Alipay's notifications: which are believed, and what they say. */
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

#include "fcgi-order/gateway_alipay.h"
#include "tests/unit/gatewaykit.h"

enum { NOW = 1700000000, FIELDS_MAX = 40 };

static EVP_PKEY *alipay, *stranger;
static char *folder;

static struct {
	struct options options;
	char app_id[60], seller_id[60], keys[100];
	void *state;
	char error[500];
} shop;

/* A notification: its fields in any order, the bytes of their values, and what was made of it. */
struct delivery {
	struct {
		char name[40], value[400];
	} fields[FIELDS_MAX];
	int n;
	struct callback said;
};

/* --- the shop --- */

static bool
open_shop(void)
{
	struct options *o = &shop.options;

	if (shop.state != NULL)
		alipay_close(shop.state);
	o->alipay_app_id = shop.app_id;
	o->alipay_seller_id = shop.seller_id;
	o->alipay_keys = shop.keys;
	*shop.error = '\0';
	shop.state = alipay_open(o, shop.error, sizeof shop.error);
	return shop.state != NULL;
}

static int
make_keys(void **state)
{
	char path[100], *pem;

	(void)state;
	alipay = kit_rsa(2048);
	stranger = kit_rsa(2048);
	folder = kit_folder();
	snprintf(path, sizeof path, "%s/alipay.pem", folder);
	pem = kit_public_pem(alipay);
	kit_write(path, pem, 0644);
	free(pem);
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(alipay);
	EVP_PKEY_free(stranger);
	kit_remove(folder);
	return 0;
}

static int
begin(void **state)
{
	(void)state;
	strcpy(shop.app_id, "2014 2014072300007148");
	strcpy(shop.seller_id, "2088101106499364");
	snprintf(shop.keys, sizeof shop.keys, "%s/alipay.pem", folder);
	return open_shop() ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	if (shop.state != NULL)
		alipay_close(shop.state);
	shop.state = NULL;
	return 0;
}

/* --- notifications --- */

/* Adds or replaces a field; NULL takes it away. */
static void
set(struct delivery *d, const char *name, const char *value)
{
	int i = 0;

	while (i < d->n && strcmp(d->fields[i].name, name) != 0)
		i++;
	if (value == NULL) {
		if (i < d->n)
			d->fields[i] = d->fields[--d->n];
		return;
	}
	assert_in_range(i, 0, FIELDS_MAX - 1);
	strcpy(d->fields[i].name, name);
	strcpy(d->fields[i].value, value);
	d->n += i == d->n;
}

static void
fill(struct delivery *d)
{
	static const char *const pairs[][2] = {{"total_amount", "38.00"},
	    {"buyer_id", "2088102116773037"}, {"body", "面条 + 汤 & 100%"},
	    {"trade_no", "2016071921001003030200089909"}, {"notify_time", "2016-07-19 14:10:49"},
	    {"subject", "=&%"}, {"sign_type", "RSA2"}, {"charset", "utf-8"},
	    {"notify_type", "trade_status_sync"}, {"out_trade_no", "17-a_B"},
	    {"trade_status", "TRADE_SUCCESS"}, {"version", "1.0"}, {"refund_fee", "0.00"},
	    {"app_id", "2014072300007148"}, {"seller_id", "2088101106499364"},
	    {"notify_id", "4a91b7a78a503640467525113fb7d8bg8e"}, {"passback_params", ""}};

	memset(d, 0, sizeof *d);
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		set(d, pairs[i][0], pairs[i][1]);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Signs all that is there now, and adds that as `sign`. */
static void
sign(struct delivery *d, EVP_PKEY *key)
{
	char text[9000] = "", *signature;

	set(d, "sign", NULL);
	qsort(d->fields, (size_t)d->n, sizeof *d->fields, by_name);
	for (int i = 0; i < d->n; i++) {
		if (strcmp(d->fields[i].name, "sign_type") == 0)
			continue;
		sprintf(text + strlen(text), "%s%s=%s", *text == '\0' ? "" : "&", d->fields[i].name,
		    d->fields[i].value);
	}
	signature = kit_sign(key, text, strlen(text));
	set(d, "sign", signature);
	free(signature);
}

/* As it goes over the wire: fields backwards, values URL-encoded. */
static char *
encode(const struct delivery *d)
{
	char *body = malloc(50000), *to = body;

	for (int i = d->n - 1; i >= 0; i--) {
		to += sprintf(to, "%s%s=", to == body ? "" : "&", d->fields[i].name);
		for (const char *c = d->fields[i].value; *c != '\0'; c++) {
			if (*c == ' ')
				*to++ = '+';
			else if (strchr("-_.", *c) != NULL || (*c >= '0' && *c <= '9') ||
				 (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z'))
				*to++ = *c;
			else
				to += sprintf(to, "%%%02X", (unsigned char)*c);
		}
	}
	*to = '\0';
	return body;
}

static enum gateway_verdict
deliver_text(struct delivery *d, const char *body)
{
	char *env[] = {NULL};
	const struct request request = {.env = env, .body = body, .body_len = strlen(body)};

	d->said = (struct callback){.reason = ""};
	return alipay_read(shop.state, &request, NOW, &d->said);
}

static enum gateway_verdict
deliver(struct delivery *d)
{
	char *body = encode(d);
	enum gateway_verdict verdict = deliver_text(d, body);

	free(body);
	return verdict;
}

/* The usual one with a field replaced before it is signed. */
static enum gateway_verdict
deliver_with(struct delivery *d, const char *name, const char *value)
{
	fill(d);
	set(d, name, value);
	sign(d, alipay);
	return deliver(d);
}

/* --- good ones --- */

static void
a_payment_is_read_as_it_stands(void **state)
{
	struct delivery d;

	(void)state;
	assert_int_equal(deliver_with(&d, "version", "1.0"), GATEWAY_PAYMENT);
	assert_string_equal(d.said.payment.number, "17-a_B");
	assert_string_equal(d.said.payment.amount, "38.00");
	assert_string_equal(d.said.payment.currency, "CNY");
	assert_string_equal(d.said.payment.transaction_id, "2016071921001003030200089909");
	assert_string_equal(d.said.id, "4a91b7a78a503640467525113fb7d8bg8e");
	assert_string_equal(d.said.state, "TRADE_SUCCESS");
	assert_null(d.said.reason);
	assert_int_equal(deliver_with(&d, "trade_status", "TRADE_FINISHED"), GATEWAY_PAYMENT);
	assert_int_equal(deliver_with(&d, "refund_fee", NULL), GATEWAY_PAYMENT);
}

static void
empty_fields_are_signed_too(void **state)
{
	struct delivery d;

	(void)state;
	assert_int_equal(deliver_with(&d, "body", ""), GATEWAY_PAYMENT);
	set(&d, "body", NULL);
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	assert_int_equal(deliver_with(&d, "body", NULL), GATEWAY_PAYMENT);
	set(&d, "body", "");
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
}

/* The same words in GBK: the bytes are what was signed. */
static void
the_charset_is_the_senders_affair(void **state)
{
	struct delivery d;

	(void)state;
	fill(&d);
	set(&d, "charset", "GBK");
	set(&d, "subject", "\xc3\xe6\xcc\xf5 + \xcc\xc0");
	set(&d, "body", "\x81\x5c\x81\x7c"); /* whose second bytes look like \ and | */
	sign(&d, alipay);
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
}

static void
any_key_of_the_file_may_sign(void **state)
{
	char *old = kit_public_pem(stranger), *now = kit_public_pem(alipay), *both;
	struct delivery d;

	(void)state;
	assert_true(asprintf(&both, "PUB_KEY_ID_OLD\n%sPUB_KEY_ID_NEW\n%s", old, now) > 0);
	snprintf(shop.keys, sizeof shop.keys, "%s/both.pem", folder);
	kit_write(shop.keys, both, 0644);
	assert_true(open_shop());
	assert_int_equal(deliver_with(&d, "version", "1.0"), GATEWAY_PAYMENT);
	sign(&d, stranger);
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
	free(old);
	free(now);
	free(both);
}

/* --- who says so --- */

static void
what_was_changed_after_it_was_signed_is_refused(void **state)
{
	struct delivery d, changed;

	(void)state;
	assert_int_equal(deliver_with(&d, "version", "1.0"), GATEWAY_PAYMENT);
	for (int i = 0; i < d.n; i++) {
		changed = d;
		strcat(changed.fields[i].value, "1");
		assert_int_equal(deliver(&changed), GATEWAY_NOT_SIGNED);
		changed = d;
		set(&changed, d.fields[i].name, NULL);
		assert_int_equal(deliver(&changed), GATEWAY_NOT_SIGNED);
	}
	set(&d, "one_more", "");
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	assert_string_equal(d.said.id, "");
}

static void
an_odd_or_foreign_signature_is_none(void **state)
{
	static const char *const types[] = {"RSA", "rsa2", "MD5", "", "RSA2 "};
	struct delivery d, odd;
	char good[400];

	(void)state;
	fill(&d);
	sign(&d, stranger);
	assert_int_equal(deliver(&d), GATEWAY_NOT_SIGNED);
	sign(&d, alipay);
	assert_int_equal(deliver(&d), GATEWAY_PAYMENT);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		odd = d;
		set(&odd, "sign_type", types[i]);
		assert_int_equal(deliver(&odd), GATEWAY_NOT_SIGNED);
	}
	for (int i = 0; i < d.n; i++) {
		if (strcmp(d.fields[i].name, "sign") == 0)
			strcpy(good, d.fields[i].value);
	}
	for (size_t i = 0; good[i] != '\0'; i++) {
		char bad[400];

		odd = d;
		strcpy(bad, good);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		set(&odd, "sign", bad);
		assert_int_equal(deliver(&odd), GATEWAY_NOT_SIGNED);
		bad[i] = '\0';
		set(&odd, "sign", bad);
		assert_int_equal(deliver(&odd), GATEWAY_NOT_SIGNED);
	}
}

static void
a_field_that_stands_twice_or_a_body_that_is_no_form_is_refused(void **state)
{
	struct delivery d;
	char *body, *twice;

	(void)state;
	assert_int_equal(deliver_with(&d, "version", "1.0"), GATEWAY_PAYMENT);
	body = encode(&d);
	assert_true(asprintf(&twice, "%s&out_trade_no=other", body) > 0);
	assert_int_equal(deliver_text(&d, twice), GATEWAY_NOT_SIGNED);
	free(twice);
	assert_true(asprintf(&twice, "out_trade_no=other&%s", body) > 0);
	assert_int_equal(deliver_text(&d, twice), GATEWAY_NOT_SIGNED);
	free(twice);
	assert_true(asprintf(&twice, "%s&x=%%0", body) > 0);
	assert_int_equal(deliver_text(&d, twice), GATEWAY_NOT_SIGNED);
	free(twice);
	assert_int_equal(deliver_text(&d, ""), GATEWAY_NOT_SIGNED);
	assert_int_equal(deliver_text(&d, "{\"sign\":\"x\"}"), GATEWAY_NOT_SIGNED);
	twice = malloc(1000001);
	memset(twice, '&', 1000000);
	twice[1000000] = '\0';
	assert_int_equal(deliver_text(&d, twice), GATEWAY_NOT_SIGNED);
	memset(twice, '%', 1000000);
	assert_int_equal(deliver_text(&d, twice), GATEWAY_NOT_SIGNED);
	free(twice);
	free(body);
}

/* --- what it says --- */

static void
a_notification_is_judged_by_what_it_says(void **state)
{
	static const struct {
		const char *name, *value;
		enum gateway_verdict verdict;
	} cases[] = {
	    {"app_id", "2014072300007149", GATEWAY_FOREIGN},
	    {"app_id", "2014", GATEWAY_PAYMENT},
	    {"app_id", "", GATEWAY_FOREIGN},
	    {"app_id", NULL, GATEWAY_FOREIGN},
	    {"app_id", "2014 2014072300007148", GATEWAY_FOREIGN},
	    {"seller_id", "2088101106499365", GATEWAY_FOREIGN},
	    {"seller_id", NULL, GATEWAY_FOREIGN},
	    {"notify_id", NULL, GATEWAY_MALFORMED},
	    {"notify_id", "", GATEWAY_MALFORMED},
	    {"notify_type", "fund_auth_freeze", GATEWAY_IGNORED},
	    {"notify_type", NULL, GATEWAY_IGNORED},
	    {"trade_status", "WAIT_BUYER_PAY", GATEWAY_IGNORED},
	    {"trade_status", "TRADE_CLOSED", GATEWAY_IGNORED},
	    {"trade_status", "trade_success", GATEWAY_IGNORED},
	    {"trade_status", "", GATEWAY_IGNORED},
	    {"trade_status", NULL, GATEWAY_IGNORED},
	    {"refund_fee", "1.00", GATEWAY_IGNORED},
	    {"refund_fee", "0.01", GATEWAY_IGNORED},
	    {"refund_fee", "0", GATEWAY_PAYMENT},
	    {"gmt_refund", "2016-07-19 14:10:49.123", GATEWAY_IGNORED},
	    {"out_trade_no", NULL, GATEWAY_MALFORMED},
	    {"out_trade_no", "", GATEWAY_MALFORMED},
	    {"out_trade_no", "订单", GATEWAY_MALFORMED},
	    {"out_trade_no", "1234567890123456789012345678901234567890123456789012345678901234",
		GATEWAY_PAYMENT}, /* no number of ours, but money */
	    {"out_trade_no", "12345678901234567890123456789012345678901234567890123456789012345",
		GATEWAY_MALFORMED},
	    {"trade_no", NULL, GATEWAY_MALFORMED},
	    {"total_amount", NULL, GATEWAY_MALFORMED},
	    {"total_amount", "", GATEWAY_MALFORMED},
	    {"total_amount", "38", GATEWAY_PAYMENT},
	    {"total_amount", "-38.00", GATEWAY_MALFORMED},
	    {"total_amount", "3,8", GATEWAY_MALFORMED},
	    {"total_amount", "38.001", GATEWAY_MALFORMED},
	    {"total_amount", "1e3", GATEWAY_MALFORMED},
	    {"total_amount", " 38", GATEWAY_MALFORMED},
	};
	struct delivery d;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum gateway_verdict verdict = deliver_with(&d, cases[i].name, cases[i].value);

		if (verdict != cases[i].verdict)
			fail_msg("%s=%s: %d, %s", cases[i].name,
			    cases[i].value != NULL ? cases[i].value : "(none)", verdict,
			    d.said.reason);
	}
}

static void
what_is_ignored_still_names_its_order(void **state)
{
	struct delivery d;

	(void)state;
	assert_int_equal(deliver_with(&d, "trade_status", "TRADE_CLOSED"), GATEWAY_IGNORED);
	assert_string_equal(d.said.state, "TRADE_CLOSED");
	assert_string_equal(d.said.payment.number, "17-a_B");
	assert_string_equal(d.said.payment.transaction_id, "2016071921001003030200089909");
	assert_int_equal(deliver_with(&d, "refund_fee", "38.00"), GATEWAY_IGNORED);
	assert_string_equal(d.said.state, "refund");
}

/* --- settings and answers --- */

static void
settings_that_do_not_do_are_refused_by_name(void **state)
{
	static const struct {
		char *text;
		const char *value, *says;
	} cases[] = {
	    {shop.app_id, "2014x", "alipay_app_id: must be digits"},
	    {shop.seller_id, "", "alipay_seller_id: must be digits"},
	    {shop.keys, "/nonexistent", "alipay_keys: \"/nonexistent\": No such file"},
	};
	char *all = strdup(""), *more;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin(NULL);
		strcpy(cases[i].text, cases[i].value);
		assert_false(open_shop());
		if (strstr(shop.error, cases[i].says) == NULL)
			fail_msg("said: %s", shop.error);
	}
	for (int i = 0; i < 9; i++) {
		char *pem, id[8];

		snprintf(id, sizeof id, "%02X", i + 1);
		pem = kit_certificate_pem(alipay, id);
		assert_true(asprintf(&more, "%s%s", all, pem) > 0);
		free(all);
		free(pem);
		all = more;
	}
	begin(NULL);
	snprintf(shop.keys, sizeof shop.keys, "%s/many.pem", folder);
	kit_write(shop.keys, all, 0644);
	assert_false(open_shop());
	assert_non_null(strstr(shop.error, "alipay_keys: 9 keys; allowed are 1 to 8"));
	free(all);
}

static void
it_is_configured_as_a_whole_or_not_at_all(void **state)
{
	struct options *o = &shop.options, none = {0};
	char **const settings[] = {&o->alipay_app_id, &o->alipay_seller_id, &o->alipay_keys};

	(void)state;
	assert_false(alipay_is_configured(&none));
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		begin(NULL);
		*settings[i] = NULL;
		assert_true(alipay_is_configured(o));
		assert_null(alipay_open(o, shop.error, sizeof shop.error));
		assert_non_null(strstr(shop.error, "go together: set all or none"));
	}
}

static void
the_answer_is_one_word(void **state)
{
	struct reply reply = {0};

	(void)state;
	alipay_answer(&reply, 200, "whatever");
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body, "success");
	alipay_answer(&reply, 401, "a reason");
	assert_int_equal(reply.status, 401);
	assert_string_equal(reply.body, "failure");
	reply_fini(&reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_payment_is_read_as_it_stands),
	    TEST(empty_fields_are_signed_too),
	    TEST(the_charset_is_the_senders_affair),
	    TEST(any_key_of_the_file_may_sign),
	    TEST(what_was_changed_after_it_was_signed_is_refused),
	    TEST(an_odd_or_foreign_signature_is_none),
	    TEST(a_field_that_stands_twice_or_a_body_that_is_no_form_is_refused),
	    TEST(a_notification_is_judged_by_what_it_says),
	    TEST(what_is_ignored_still_names_its_order),
	    TEST(settings_that_do_not_do_are_refused_by_name),
	    TEST(it_is_configured_as_a_whole_or_not_at_all),
	    cmocka_unit_test(the_answer_is_one_word),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
