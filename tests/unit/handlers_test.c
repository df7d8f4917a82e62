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

enum { NOW = 1700000000, ENV_MAX = 12 };

/* What the store was asked, and what it answers. */
struct asked {
	enum store_status answer;
	bool is_up;
	int n_calls;
	char number[60], amount[30], currency[10], transaction_id[140], gateway[20];
	int64_t user_id, order_id;
	int pay_method;
};

struct fixture {
	struct asked asked;
	struct order_store store;
	struct options options;
	struct counters counters;
	char *env[ENV_MAX + 1];
	int n_env;
	struct reply reply;
};

/* --- the store --- */

static enum store_status
pay(void *arg, const char *gateway, const struct payment *payment, int64_t *order_id)
{
	struct asked *a = arg;

	a->n_calls++;
	strcpy(a->gateway, gateway);
	strcpy(a->number, payment->number);
	strcpy(a->amount, payment->amount);
	strcpy(a->currency, payment->currency);
	strcpy(a->transaction_id, payment->transaction_id);
	*order_id = 5;
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
	const struct context context = {
	    .options = &f->options, .store = &f->store, .counters = &f->counters, .now = NOW};
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

static const char good_callback[] = "{\"type\":\"order.paid\",\"data\":{\"orderNumber\":\"17\","
				    "\"amount\":\"38.00\",\"transactionId\":\"t1\"}}";

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
begin(void **state)
{
	static char webhook_secret[] = "a secret of the gateway", jwt_secret[] = "of the shop";
	static char currency[] = "CNY";
	struct fixture *f = calloc(1, sizeof *f);

	log_set_level(LOG_LEVEL_ERR);
	f->options = (struct options){.webhook_secret = webhook_secret,
	    .jwt_secret = jwt_secret,
	    .sandbox_payment = 1,
	    .currency = currency,
	    .body_max = 65536};
	f->store = (struct order_store){&f->asked, pay, pay_own, remind, is_up};
	*state = f;
	return 0;
}

static int
end(void **state)
{
	struct fixture *f = *state;

	clear(f);
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
	assert_int_equal(counters_get(&f->counters, COUNTER_PAID), 1);
}

static void
each_verdict_of_the_store_has_its_answer(void **state)
{
	static const struct {
		enum store_status verdict;
		int status;
		enum counter counter;
	} cases[] = {
	    {STORE_OK, 204, COUNTER_PAID},
	    {STORE_ALREADY_PAID, 204, COUNTER_ALREADY_PAID},
	    {STORE_UNKNOWN_ORDER, 404, COUNTER_EXCEPTIONS},
	    {STORE_AMOUNT_DIFFERS, 409, COUNTER_EXCEPTIONS},
	    {STORE_CANCELLED, 409, COUNTER_EXCEPTIONS},
	    {STORE_REFUNDED, 409, COUNTER_EXCEPTIONS},
	    {STORE_DOWN, 503, COUNTER_STORE_DOWN},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		long before = counters_get(&f->counters, cases[i].counter);

		f->asked.answer = cases[i].verdict;
		assert_int_equal(callback(f, good_callback), cases[i].status);
		assert_int_equal(counters_get(&f->counters, cases[i].counter), before + 1);
		if (cases[i].status >= 400)
			assert_memory_equal(f->reply.body, "{\"code\":\"FAIL\",\"message\":\"", 26);
	}
}

static void
what_is_not_signed_or_not_readable_never_reaches_the_store(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "POST", "/notify/webhook", good_callback), 401);
	assert_string_equal(f->reply.content_type, "application/json");
	assert_int_equal(callback(f, "{"), 400);
	assert_string_equal(
	    f->reply.body, "{\"code\":\"FAIL\",\"message\":\"the body is not a JSON object\"}");
	assert_int_equal(callback(f, "{\"type\":\"order.shipped\"}"), 204);
	assert_int_equal(f->asked.n_calls, 0);
	assert_int_equal(counters_get(&f->counters, COUNTER_NOT_SIGNED), 1);
	assert_int_equal(counters_get(&f->counters, COUNTER_MALFORMED), 1);
	assert_int_equal(counters_get(&f->counters, COUNTER_IGNORED), 1);
}

static void
a_gateway_without_keys_is_not_there(void **state)
{
	struct fixture *f = *state;

	f->options.webhook_secret = NULL;
	assert_int_equal(ask(f, "POST", "/notify/webhook", good_callback), 404);
	assert_int_equal(ask(f, "GET", "/notify/webhook", ""), 404);
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
	assert_int_equal(counters_get(&f->counters, COUNTER_EXCEPTIONS), 0);
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
	const struct context context = {
	    .options = &f->options, .store = &f->store, .counters = &f->counters};
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
}

static void
strangers_can_make_one_log_line_a_second(void **state)
{
	struct counters c = {0};

	(void)state;
	assert_true(counters_may_tell(&c, NOW));
	assert_false(counters_may_tell(&c, NOW));
	assert_true(counters_may_tell(&c, NOW + 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_payment_goes_to_the_store_and_is_answered_204),
	    TEST(each_verdict_of_the_store_has_its_answer),
	    TEST(what_is_not_signed_or_not_readable_never_reaches_the_store),
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
	    cmocka_unit_test(strangers_can_make_one_log_line_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
