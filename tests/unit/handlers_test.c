/* From a request to its answer, with a database that only remembers what it was asked. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "fcgi-order/handlers.h"
#include "shared/log.h"
#include "tests/unit/gatewaykit.h"

enum { NOW = 1700000000, ENV_MAX = 12 };

/* What the store was asked, and what it answers. */
struct asked {
	enum store_status answer;
	bool is_up;
	int n_calls, n_notes;
	char number[70], amount[30], currency[10], transaction_id[140], gateway[20];
	char id[300], state[70], verdict[20];
	int64_t user_id, order_id;
	int pay_method;
};

struct fixture {
	struct asked asked;
	struct order_store store;
	struct options options;
	struct gateway_keys keys;
	struct counters counters;
	char *env[ENV_MAX + 1];
	int n_env;
	struct reply reply;
};

/* Alipay's, made once. */
static EVP_PKEY *alipay_key;
static char *folder, alipay_path[100];

/* --- the store --- */

static enum store_status
pay(void *arg, const char *gateway, int pay_method, const struct callback *callback,
    int64_t *order_id)
{
	const struct payment *payment = &callback->payment;
	struct asked *a = arg;

	a->n_calls++;
	strcpy(a->gateway, gateway);
	strcpy(a->number, payment->number);
	strcpy(a->amount, payment->amount);
	strcpy(a->currency, payment->currency);
	strcpy(a->transaction_id, payment->transaction_id);
	strcpy(a->id, callback->id);
	strcpy(a->state, callback->state);
	a->pay_method = pay_method;
	*order_id = 5;
	return a->answer;
}

static enum store_status
note(void *arg, const char *gateway, const struct callback *callback, const char *verdict)
{
	struct asked *a = arg;

	a->n_notes++;
	strcpy(a->gateway, gateway);
	strcpy(a->id, callback->id);
	strcpy(a->state, callback->state);
	strcpy(a->verdict, verdict);
	return a->answer;
}

static enum store_status
pay_own(void *arg, const char *number, int64_t user_id, int pay_method, int64_t *order_id)
{
	struct asked *a = arg;

	a->n_calls++;
	strcpy(a->number, number);
	a->user_id = user_id;
	a->pay_method = pay_method;
	*order_id = 5;
	return a->answer;
}

static enum store_status
remind(void *arg, int64_t order_id, int64_t user_id)
{
	struct asked *a = arg;

	a->n_calls++;
	a->order_id = order_id;
	a->user_id = user_id;
	return a->answer;
}

static bool
is_up(void *arg)
{
	return ((struct asked *)arg)->is_up;
}

/* --- requests --- */

static void set(struct fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds NAME=value to the request. */
static void
set(struct fixture *f, const char *format, ...)
{
	va_list args;

	assert_in_range(f->n_env, 0, ENV_MAX - 1);
	va_start(args, format);
	assert_true(vasprintf(&f->env[f->n_env++], format, args) > 0);
	va_end(args);
}

static void
clear(struct fixture *f)
{
	for (int i = 0; i < f->n_env; i++)
		free(f->env[i]);
	memset(f->env, 0, sizeof f->env);
	f->n_env = 0;
	reply_fini(&f->reply);
}

/* Sends what was set; the request is clear again, the reply is there. */
static int
ask(struct fixture *f, const char *method, const char *path, const char *body)
{
	const struct context context = {&f->options, &f->keys, &f->store, &f->counters, NOW, NULL};
	const struct request request = {.env = f->env, .body = body, .body_len = strlen(body)};
	struct reply reply = {0};

	set(f, "REQUEST_METHOD=%s", method);
	set(f, "SCRIPT_NAME=%s", path);
	handle_request(&context, &request, &reply);
	clear(f);
	f->reply = reply;
	return reply.status;
}

static int
callback(struct fixture *f, const char *body)
{
	char content[2000], signature[60];
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len;
	int n = snprintf(content, sizeof content, "m1.%d.%s", NOW, body);

	HMAC(EVP_sha256(), f->options.webhook_secret, (int)strlen(f->options.webhook_secret),
	    (unsigned char *)content, (size_t)n, mac, &mac_len);
	EVP_EncodeBlock((unsigned char *)signature, mac, (int)mac_len);
	set(f, "HTTP_WEBHOOK_ID=m1");
	set(f, "HTTP_WEBHOOK_TIMESTAMP=%d", NOW);
	set(f, "HTTP_WEBHOOK_SIGNATURE=v1,%s", signature);
	return ask(f, "POST", "/notify/webhook", body);
}

/* Places in gateways[]. */
enum { WEBHOOK, WECHATPAY, ALIPAY };

static long
counted(const struct fixture *f, size_t gateway, enum outcome outcome)
{
	return counters_get_callbacks(&f->counters, gateway, outcome);
}

static const char good_callback[] = "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"17\","
				    "\"amount\":\"38.00\",\"transactionId\":\"t1\"}}";

/* One of Alipay's about order 17, as a form that needs no escapes but in its signature. */
static int
alipay_callback(struct fixture *f, const char *status)
{
	char text[500], body[1500], *signature, *to;

	snprintf(text, sizeof text,
	    "app_id=2021&notify_id=n1&notify_type=trade_status_sync&out_trade_no=17&seller_id=2088&"
	    "total_amount=38.00&trade_no=t1&trade_status=%s",
	    status);
	signature = kit_sign(alipay_key, text, strlen(text));
	to = body + sprintf(body, "%s&sign_type=RSA2&sign=", text);
	for (const char *c = signature; *c != '\0'; c++)
		to += sprintf(to, strchr("+/=", *c) != NULL ? "%%%02X" : "%c", *c);
	free(signature);
	return ask(f, "POST", "/notify/alipay", body);
}

/* As the customer with that id. */
static void
log_in(struct fixture *f, long user_id, long exp)
{
	jwt_t *jwt;
	char *text;

	jwt_new(&jwt);
	jwt_add_grant_int(jwt, "userId", user_id);
	jwt_add_grant_int(jwt, "exp", exp);
	jwt_set_alg(jwt, JWT_ALG_HS256, (unsigned char *)f->options.jwt_secret,
	    (int)strlen(f->options.jwt_secret));
	text = jwt_encode_str(jwt);
	set(f, "HTTP_AUTHENTICATION=%s", text);
	free(text);
	jwt_free(jwt);
}

static int
make_keys(void **state)
{
	char *pem;

	(void)state;
	folder = kit_folder();
	alipay_key = kit_rsa(2048);
	snprintf(alipay_path, sizeof alipay_path, "%s/alipay.pem", folder);
	pem = kit_public_pem(alipay_key);
	kit_write(alipay_path, pem, 0644);
	free(pem);
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(alipay_key);
	kit_remove(folder);
	return 0;
}

static int
begin(void **state)
{
	static char webhook_secret[] = "a secret of the gateway", jwt_secret[] = "of the shop";
	static char currency[] = "CNY", app_id[] = "2021", seller_id[] = "2088";
	struct fixture *f = calloc(1, sizeof *f);
	char error[200];

	log_set_level(LOG_LEVEL_ERR);
	f->options = (struct options){.webhook_secret = webhook_secret,
	    .jwt_secret = jwt_secret,
	    .sandbox_payment = 1,
	    .currency = currency,
	    .alipay_app_id = app_id,
	    .alipay_seller_id = seller_id,
	    .alipay_keys = alipay_path,
	    .body_max = 65536};
	f->store = (struct order_store){&f->asked, pay, note, pay_own, remind, is_up};
	if (!gateways_open(&f->keys, &f->options, error, sizeof error))
		return -1;
	*state = f;
	return 0;
}

static int
end(void **state)
{
	struct fixture *f = *state;

	clear(f);
	gateways_close(&f->keys);
	free(f);
	return 0;
}

/* --- callbacks --- */

static void
a_payment_goes_to_the_store_and_is_answered_204(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(callback(f, good_callback), 204);
	assert_null(f->reply.body);
	assert_int_equal(f->asked.n_calls, 1);
	assert_string_equal(f->asked.gateway, "webhook");
	assert_string_equal(f->asked.number, "17");
	assert_string_equal(f->asked.amount, "38.00");
	assert_string_equal(f->asked.currency, "CNY");
	assert_string_equal(f->asked.transaction_id, "t1");
	assert_string_equal(f->asked.id, "m1");
	assert_string_equal(f->asked.state, "order.paid");
	assert_int_equal(f->asked.pay_method, 0);
	assert_int_equal(counted(f, WEBHOOK, OUTCOME_PAID), 1);
}

static void
each_verdict_of_the_store_has_its_answer(void **state)
{
	static const struct {
		enum store_status verdict;
		int status;
		enum outcome outcome;
	} cases[] = {
	    {STORE_OK, 204, OUTCOME_PAID},
	    {STORE_ALREADY_PAID, 204, OUTCOME_ALREADY_PAID},
	    {STORE_PAID_TWICE, 204, OUTCOME_PAID_TWICE},
	    {STORE_UNKNOWN_YET, 404, OUTCOME_UNKNOWN_ORDER},
	    {STORE_UNKNOWN_ORDER, 404, OUTCOME_UNKNOWN_ORDER},
	    {STORE_AMOUNT_DIFFERS, 409, OUTCOME_AMOUNT_DIFFERS},
	    {STORE_CANCELLED, 409, OUTCOME_CANCELLED},
	    {STORE_REFUNDED, 409, OUTCOME_REFUNDED},
	    {STORE_DOWN, 503, OUTCOME_NO_DATABASE},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		long before = counted(f, WEBHOOK, cases[i].outcome);

		f->asked.answer = cases[i].verdict;
		assert_int_equal(callback(f, good_callback), cases[i].status);
		assert_int_equal(counted(f, WEBHOOK, cases[i].outcome), before + 1);
		if (cases[i].status >= 400)
			assert_memory_equal(f->reply.body, "{\"code\":\"FAIL\",\"message\":\"", 26);
	}
}

/* A gateway that would repeat itself for a day is content once a person has the money. */
static void
kept_money_is_a_success_for_alipay_unless_its_order_may_come(void **state)
{
	static const struct {
		enum store_status verdict;
		int status;
	} cases[] = {
	    {STORE_OK, 200},
	    {STORE_ALREADY_PAID, 200},
	    {STORE_PAID_TWICE, 200},
	    {STORE_UNKNOWN_YET, 404},
	    {STORE_UNKNOWN_ORDER, 200},
	    {STORE_AMOUNT_DIFFERS, 200},
	    {STORE_CANCELLED, 200},
	    {STORE_REFUNDED, 200},
	    {STORE_DOWN, 503},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		f->asked.answer = cases[i].verdict;
		assert_int_equal(alipay_callback(f, "TRADE_SUCCESS"), cases[i].status);
		assert_string_equal(f->reply.body, cases[i].status == 200 ? "success" : "failure");
	}
	assert_string_equal(f->asked.gateway, "alipay");
	assert_string_equal(f->asked.number, "17");
	assert_string_equal(f->asked.state, "TRADE_SUCCESS");
	assert_int_equal(f->asked.pay_method, 2);
}

static void
what_is_not_signed_or_not_readable_never_pays(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "POST", "/notify/webhook", good_callback), 401);
	assert_string_equal(f->reply.content_type, "application/json");
	assert_int_equal(f->asked.n_notes, 0);
	assert_int_equal(callback(f, "{"), 400);
	assert_string_equal(
	    f->reply.body, "{\"code\":\"FAIL\",\"message\":\"the body is not a JSON object\"}");
	assert_int_equal(f->asked.n_notes, 1);
	assert_string_equal(f->asked.verdict, "malformed");
	assert_string_equal(f->asked.id, "m1");
	assert_int_equal(callback(f, "{\"type\":\"order.shipped\"}"), 204);
	assert_int_equal(f->asked.n_notes, 2);
	assert_string_equal(f->asked.verdict, "ignored");
	assert_string_equal(f->asked.state, "order.shipped");
	assert_int_equal(f->asked.n_calls, 0);
	assert_int_equal(counted(f, WEBHOOK, OUTCOME_NOT_SIGNED), 1);
	assert_int_equal(counted(f, WEBHOOK, OUTCOME_MALFORMED), 1);
	assert_int_equal(counted(f, WEBHOOK, OUTCOME_IGNORED), 1);
	assert_int_equal(alipay_callback(f, "TRADE_CLOSED"), 200);
	assert_string_equal(f->reply.body, "success");
	assert_int_equal(counted(f, ALIPAY, OUTCOME_IGNORED), 1);
}

static void
what_could_not_be_kept_is_to_be_sent_again(void **state)
{
	struct fixture *f = *state;

	f->asked.answer = STORE_DOWN;
	assert_int_equal(callback(f, "{\"type\":\"order.shipped\"}"), 503);
	assert_int_equal(callback(f, "{"), 503);
	assert_int_equal(alipay_callback(f, "TRADE_CLOSED"), 503);
	assert_string_equal(f->reply.body, "failure");
	assert_int_equal(counted(f, WEBHOOK, OUTCOME_IGNORED), 0);
	assert_int_equal(counted(f, WEBHOOK, OUTCOME_NO_DATABASE), 2);
	assert_int_equal(counters_get(&f->counters, COUNTER_STORE_DOWN), 3);
}

static void
a_gateway_without_keys_is_not_there(void **state)
{
	struct fixture *f = *state;

	gateways_close(&f->keys);
	f->options.webhook_secret = NULL;
	f->options.alipay_app_id = f->options.alipay_seller_id = f->options.alipay_keys = NULL;
	assert_true(gateways_open(&f->keys, &f->options, NULL, 0));
	assert_int_equal(ask(f, "POST", "/notify/webhook", good_callback), 404);
	assert_int_equal(ask(f, "GET", "/notify/webhook", ""), 404);
	assert_int_equal(ask(f, "POST", "/notify/alipay", ""), 404);
	assert_int_equal(ask(f, "POST", "/notify/paySuccess", ""), 404);
	assert_int_equal(counters_get(&f->counters, COUNTER_REFUSED_NOT_FOUND), 4);
}

/* --- routes --- */

static void
unknown_paths_are_404_each_in_its_own_words(void **state)
{
	static const char *const notify[] = {
	    "", "/", "/notify", "/notify/", "/notify/webhook/", "/notify/webhook/x", "/healthz/"};
	static const char *const user[] = {
	    "/user/", "/user/order/payment/", "/user/order/reminder", "/user/order/x"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof notify / sizeof *notify; i++) {
		assert_int_equal(ask(f, "POST", notify[i], ""), 404);
		assert_string_equal(
		    f->reply.body, "{\"code\":\"FAIL\",\"message\":\"there is nothing here\"}");
	}
	for (size_t i = 0; i < sizeof user / sizeof *user; i++) {
		assert_int_equal(ask(f, "GET", user[i], ""), 404);
		assert_string_equal(
		    f->reply.body, "{\"code\":0,\"msg\":\"there is nothing here\",\"data\":null}");
	}
}

static void
other_methods_are_405_with_the_allowed_ones(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "GET", "/notify/webhook", ""), 405);
	assert_string_equal(f->reply.allow, "POST");
	assert_string_equal(f->reply.body, "{\"code\":\"FAIL\",\"message\":\"allowed: POST\"}");
	assert_int_equal(ask(f, "PUT", "/notify/alipay", ""), 405);
	assert_string_equal(f->reply.allow, "POST");
	assert_string_equal(f->reply.body, "failure");
	assert_int_equal(counters_get(&f->counters, COUNTER_REFUSED_METHOD), 2);
	assert_int_equal(ask(f, "POST", "/user/order/payment", ""), 405);
	assert_string_equal(f->reply.allow, "PUT");
	assert_int_equal(ask(f, "PUT", "/user/order/reminder/5", ""), 405);
	assert_string_equal(f->reply.allow, "GET, POST");
	assert_int_equal(ask(f, "", "/healthz", ""), 405);
	assert_int_equal(ask(f, "GE", "/healthz", ""), 405);
	assert_int_equal(ask(f, "get", "/healthz", ""), 405);
}

static void
the_path_may_come_in_two_parts_or_behind_the_programs_name(void **state)
{
	struct fixture *f = *state;

	f->asked.is_up = true;
	set(f, "PATH_INFO=/healthz");
	assert_int_equal(ask(f, "GET", "", ""), 200);
	set(f, "PATH_INFO=z");
	assert_int_equal(ask(f, "GET", "/health", ""), 200);
	set(f, "PATH_INFO=/healthz");
	assert_int_equal(ask(f, "GET", "/cgi-bin/fcgi-order", ""), 200);
}

static void
an_endless_path_is_404(void **state)
{
	struct fixture *f = *state;
	char path[5000];

	memset(path, '/', sizeof path);
	path[sizeof path - 1] = '\0';
	assert_int_equal(ask(f, "GET", path, ""), 404);
}

/* --- customers --- */

static void
without_a_valid_token_it_is_an_empty_401(void **state)
{
	static const char *const paths[] = {"/user/order/reminder/5", "/user/order/reminder/x"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		assert_int_equal(ask(f, "GET", paths[i], ""), 401);
		assert_null(f->reply.body);
		assert_null(f->reply.content_type);
		log_in(f, 4, NOW);
		assert_int_equal(ask(f, "GET", paths[i], ""), 401);
		log_in(f, 0, NOW + 60);
		assert_int_equal(ask(f, "GET", paths[i], ""), 401);
	}
	assert_int_equal(ask(f, "PUT", "/user/order/payment", "{"), 401);
	assert_int_equal(f->asked.n_calls, 0);
	assert_int_equal(counters_get(&f->counters, COUNTER_REFUSED_UNAUTHORIZED), 7);
}

static void
a_customer_pays_his_own_order_in_the_sandbox(void **state)
{
	struct fixture *f = *state;

	log_in(f, 4, NOW + 60);
	assert_int_equal(
	    ask(f, "PUT", "/user/order/payment", "{\"orderNumber\":\"17\",\"payMethod\":2}"), 200);
	assert_string_equal(f->reply.body,
	    "{\"code\":1,\"msg\":null,\"data\":{\"orderId\":5,\"orderNumber\":\"17\"}}");
	assert_string_equal(f->asked.number, "17");
	assert_int_equal(f->asked.user_id, 4);
	assert_int_equal(f->asked.pay_method, 2);
}

static void
a_refused_payment_is_http_200_with_code_0(void **state)
{
	struct fixture *f = *state;

	f->asked.answer = STORE_UNKNOWN_ORDER;
	log_in(f, 4, NOW + 60);
	assert_int_equal(ask(f, "PUT", "/user/order/payment", "{\"orderNumber\":\"17\"}"), 200);
	assert_string_equal(
	    f->reply.body, "{\"code\":0,\"msg\":\"there is no such order\",\"data\":null}");
	assert_int_equal(counters_get(&f->counters, COUNTER_REFUSED_RULES), 1);
	/* What cannot be a number is not even asked for. */
	log_in(f, 4, NOW + 60);
	assert_int_equal(ask(f, "PUT", "/user/order/payment", "{\"orderNumber\":\"a b\"}"), 200);
	assert_string_equal(
	    f->reply.body, "{\"code\":0,\"msg\":\"there is no such order\",\"data\":null}");
	assert_int_equal(f->asked.n_calls, 1);
	f->asked.answer = STORE_DOWN;
	log_in(f, 4, NOW + 60);
	assert_int_equal(ask(f, "PUT", "/user/order/payment", "{\"orderNumber\":\"17\"}"), 503);
	assert_memory_equal(f->reply.body, "{\"code\":0,\"msg\":\"", 17);
}

static void
an_unreadable_payment_is_400(void **state)
{
	static const char *const bad[] = {"", "{", "{}", "{\"orderNumber\":17}",
	    "{\"orderNumber\":\"17\",\"payMethod\":0}", "{\"orderNumber\":\"17\",\"payMethod\":3}",
	    "{\"orderNumber\":\"17\",\"payMethod\":\"1\"}"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		log_in(f, 4, NOW + 60);
		assert_int_equal(ask(f, "PUT", "/user/order/payment", bad[i]), 400);
		assert_memory_equal(f->reply.body, "{\"code\":0,\"msg\":\"", 17);
	}
	assert_int_equal(f->asked.n_calls, 0);
}

static void
without_the_setting_there_is_no_sandbox(void **state)
{
	struct fixture *f = *state;

	f->options.sandbox_payment = 0;
	log_in(f, 4, NOW + 60);
	assert_int_equal(ask(f, "PUT", "/user/order/payment", "{\"orderNumber\":\"17\"}"), 404);
	assert_int_equal(f->asked.n_calls, 0);
}

static void
a_reminder_names_order_and_user(void **state)
{
	struct fixture *f = *state;

	log_in(f, 4, NOW + 60);
	assert_int_equal(ask(f, "GET", "/user/order/reminder/123456789012345678", ""), 200);
	assert_string_equal(f->reply.body, "{\"code\":1,\"msg\":null,\"data\":null}");
	assert_true(f->asked.order_id == 123456789012345678);
	assert_int_equal(f->asked.user_id, 4);
	assert_int_equal(counters_get(&f->counters, COUNTER_REMINDERS), 1);
	f->asked.answer = STORE_NOT_WAITING;
	log_in(f, 4, NOW + 60);
	assert_int_equal(ask(f, "POST", "/user/order/reminder/5", ""), 200);
	assert_string_equal(
	    f->reply.body, "{\"code\":0,\"msg\":\"the order is not waiting\",\"data\":null}");
}

static void
an_odd_id_of_a_reminder_is_404(void **state)
{
	static const char *const bad[] = {
	    "", "x", "1x", "-1", "+1", " 1", "1/2", "1234567890123456789"};
	struct fixture *f = *state;
	char path[80];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(path, sizeof path, "/user/order/reminder/%s", bad[i]);
		log_in(f, 4, NOW + 60);
		assert_int_equal(ask(f, "GET", path, ""), 404);
	}
	assert_int_equal(f->asked.n_calls, 0);
}

/* --- the operator, and bodies --- */

static void
health_is_the_databases_and_shows_the_counters(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "GET", "/healthz", ""), 503);
	f->asked.is_up = true;
	callback(f, good_callback);
	assert_int_equal(ask(f, "GET", "/healthz", ""), 200);
	assert_non_null(strstr(f->reply.body, "\"paid\":1"));
	assert_non_null(strstr(f->reply.body, "\"database\":\"up\""));
}

static void
a_body_is_whole_when_it_is_as_long_as_was_said(void **state)
{
	char *no_length[] = {NULL}, *length[] = {(char[]){"CONTENT_LENGTH=5"}, NULL};
	char *empty[] = {(char[]){"CONTENT_LENGTH="}, NULL};

	(void)state;
	assert_true(request_is_whole(&(struct request){.env = no_length, .body_len = 3}));
	assert_true(request_is_whole(&(struct request){.env = empty, .body_len = 3}));
	assert_true(request_is_whole(&(struct request){.env = length, .body_len = 5}));
	assert_false(request_is_whole(&(struct request){.env = length, .body_len = 4}));
}

static void
a_body_that_was_not_read_is_told_in_the_paths_words(void **state)
{
	struct fixture *f = *state;
	const struct context context = {&f->options, &f->keys, &f->store, &f->counters, NOW, NULL};
	const struct request request = {.env = f->env, .body = ""};

	set(f, "SCRIPT_NAME=/user/order/payment");
	handle_unread(&context, &request, 413, &f->reply);
	assert_int_equal(f->reply.status, 413);
	assert_string_equal(f->reply.body,
	    "{\"code\":0,\"msg\":\"the body is longer than 65536 bytes\",\"data\":null}");
	clear(f);
	set(f, "SCRIPT_NAME=/notify/webhook");
	handle_unread(&context, &request, 400, &f->reply);
	assert_string_equal(
	    f->reply.body, "{\"code\":\"FAIL\",\"message\":\"the body is not complete\"}");
	clear(f);
	set(f, "SCRIPT_NAME=/notify/alipay");
	handle_unread(&context, &request, 413, &f->reply);
	assert_int_equal(f->reply.status, 413);
	assert_string_equal(f->reply.body, "failure");
	assert_int_equal(counters_get(&f->counters, COUNTER_REFUSED_NOT_READ), 1);
	assert_int_equal(counted(f, WEBHOOK, OUTCOME_NOT_READ), 1);
	assert_int_equal(counted(f, ALIPAY, OUTCOME_NOT_READ), 1);
}

static void
metrics_are_each_told_with_their_help(void **state)
{
	struct fixture *f = *state;
	char help[100] = "", name[100];
	int n = 0;

	callback(f, good_callback);
	assert_int_equal(ask(f, "GET", "/metrics", ""), 200);
	assert_string_equal(f->reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
	assert_non_null(strstr(f->reply.body,
	    "\norderbell_fcgi_callbacks_total{gateway=\"webhook\",verdict=\"paid\"} 1\n"));
	assert_non_null(strstr(f->reply.body,
	    "\norderbell_fcgi_callbacks_total{gateway=\"wechatpay\",verdict=\"sealed\"} 0\n"));
	for (char *line = strtok(f->reply.body, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		long value;

		if (sscanf(line, "# HELP %99s", help) == 1)
			continue;
		if (sscanf(line, "# TYPE %99s counter", name) == 1) {
			assert_string_equal(name, help);
			continue;
		}
		assert_int_equal(sscanf(line, "%99[a-z_]", name), 1);
		assert_string_equal(name, help);
		assert_int_equal(sscanf(strrchr(line, ' '), "%ld", &value), 1);
		n++;
	}
	assert_int_equal(n, (int)n_gateways * OUTCOME_COUNT + COUNTER_COUNT);
	assert_int_equal(ask(f, "POST", "/metrics", ""), 405);
}

static void
strangers_can_make_one_log_line_a_second(void **state)
{
	struct counters c = {0};

	(void)state;
	assert_true(counters_may_tell(&c, NOW));
	assert_false(counters_may_tell(&c, NOW));
	assert_true(counters_may_tell(&c, NOW + 1));
	assert_true(counters_may_tell_callback(&c, 0, OUTCOME_STALE, NOW));
	assert_true(counters_may_tell_callback(&c, 0, OUTCOME_FOREIGN, NOW));
	assert_true(counters_may_tell_callback(&c, 1, OUTCOME_STALE, NOW));
	assert_false(counters_may_tell_callback(&c, 1, OUTCOME_STALE, NOW));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_payment_goes_to_the_store_and_is_answered_204),
	    TEST(each_verdict_of_the_store_has_its_answer),
	    TEST(kept_money_is_a_success_for_alipay_unless_its_order_may_come),
	    TEST(what_is_not_signed_or_not_readable_never_pays),
	    TEST(what_could_not_be_kept_is_to_be_sent_again),
	    TEST(a_gateway_without_keys_is_not_there),
	    TEST(unknown_paths_are_404_each_in_its_own_words),
	    TEST(other_methods_are_405_with_the_allowed_ones),
	    TEST(the_path_may_come_in_two_parts_or_behind_the_programs_name),
	    TEST(an_endless_path_is_404),
	    TEST(without_a_valid_token_it_is_an_empty_401),
	    TEST(a_customer_pays_his_own_order_in_the_sandbox),
	    TEST(a_refused_payment_is_http_200_with_code_0),
	    TEST(an_unreadable_payment_is_400),
	    TEST(without_the_setting_there_is_no_sandbox),
	    TEST(a_reminder_names_order_and_user),
	    TEST(an_odd_id_of_a_reminder_is_404),
	    TEST(health_is_the_databases_and_shows_the_counters),
	    cmocka_unit_test(a_body_is_whole_when_it_is_as_long_as_was_said),
	    TEST(a_body_that_was_not_read_is_told_in_the_paths_words),
	    TEST(metrics_are_each_told_with_their_help),
	    cmocka_unit_test(strangers_can_make_one_log_line_a_second),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
