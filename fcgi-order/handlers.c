#include "fcgi-order/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi-order/callbacks.h"
#include "fcgi-order/metrics.h"
#include "shared/json.h"
#include "shared/token.h"

/* --- customers --- */

/* Counts what a customer asked for; `done` is the counter of a success. */
static void
count_own(const struct context *c, enum store_status status, enum counter done)
{
	if (status == STORE_DOWN)
		counters_add(c->counters, COUNTER_STORE_DOWN);
	else if (store_http_status(status) != 200)
		counters_add(c->counters, COUNTER_REFUSED_RULES);
	else if (status == STORE_OK)
		counters_add(c->counters, done);
}

/* The user of the request's token, or 0 when it has no valid one. */
static int64_t
user_of(const struct context *c, const struct request *r)
{
	const struct token_key key = {.secret = c->options->jwt_secret};
	const char *token = request_header(r, "authentication");
	struct token_claims claims;

	if (token == NULL || key.secret == NULL)
		return 0;
	return token_verify(token, &key, 1, "userId", c->now, &claims) == TOKEN_OK ? claims.id : 0;
}

static void
refuse_stranger(const struct context *c, struct reply *reply)
{
	counters_add(c->counters, COUNTER_REFUSED_UNAUTHORIZED);
	reply_empty(reply, 401);
}

/* Business errors are HTTP 200 with code 0, as the tutorial's clients expect; a database that does
 * not answer is no business error. */
static void
answer_customer(struct reply *reply, enum store_status status, json_object *data)
{
	if (store_http_status(status) == 200) {
		reply_envelope(reply, 200, NULL, data);
		return;
	}
	json_object_put(data);
	reply_envelope(reply, status == STORE_DOWN ? 503 : 200, store_message(status), NULL);
}

static void
handle_payment(
    const struct context *c, const struct request *r, const char *rest, struct reply *reply)
{
	int64_t user_id = user_of(c, r), pay_method = 1, order_id = 0;
	struct payment payment = {0};
	const char *number;
	json_object *body, *data;
	enum store_status status;

	(void)rest;
	if (user_id == 0) {
		refuse_stranger(c, reply);
		return;
	}
	body = json_read_object(r->body, r->body_len);
	if (body == NULL || !json_get_text(body, "orderNumber", &number) ||
	    (json_has(body, "payMethod") && (!json_get_int(body, "payMethod", &pay_method) ||
						pay_method < 1 || pay_method > 2))) {
		json_object_put(body);
		counters_add(c->counters, COUNTER_REFUSED_MALFORMED);
		reply_envelope(reply, 400,
		    "a JSON object with orderNumber and payMethod (1 or 2) is needed", NULL);
		return;
	}
	/* What cannot be a number is that of no order. */
	status = STORE_UNKNOWN_ORDER;
	if (payment_set_number(&payment, number))
		status = c->store->pay_own(
		    c->store->arg, payment.number, user_id, (int)pay_method, &order_id);
	json_object_put(body);
	count_own(c, status, COUNTER_SANDBOX_PAID);
	data = json_object_new_object();
	json_object_object_add(data, "orderId", json_object_new_int64(order_id));
	json_object_object_add(data, "orderNumber", json_object_new_string(payment.number));
	answer_customer(reply, status, data);
}

static void
handle_reminder(
    const struct context *c, const struct request *r, const char *rest, struct reply *reply)
{
	int64_t user_id = user_of(c, r), order_id;
	size_t len = strlen(rest);
	enum store_status status;

	if (user_id == 0) {
		refuse_stranger(c, reply);
		return;
	}
	if (len < 1 || len > 18 || strspn(rest, "0123456789") != len) {
		counters_add(c->counters, COUNTER_REFUSED_NOT_FOUND);
		reply_envelope(reply, 404, "the path is /user/order/reminder/{id}", NULL);
		return;
	}
	order_id = strtoll(rest, NULL, 10);
	status = c->store->remind(c->store->arg, order_id, user_id);
	count_own(c, status, COUNTER_REMINDERS);
	answer_customer(reply, status, NULL);
}

/* --- the operator --- */

static void
handle_health(
    const struct context *c, const struct request *r, const char *rest, struct reply *reply)
{
	bool is_up = c->store->is_up(c->store->arg);
	json_object *object = metrics_json(c->counters);

	(void)r;
	(void)rest;
	json_object_object_add(object, "database", json_object_new_string(is_up ? "up" : "down"));
	reply_text(reply, is_up ? 200 : 503,
	    json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	reply->content_type = "application/json";
	json_object_put(object);
}

/* Who may read it is the web server's affair: it asks here only what it was asked. */
static void
handle_metrics(
    const struct context *c, const struct request *r, const char *rest, struct reply *reply)
{
	(void)r;
	(void)rest;
	reply_empty(reply, 200);
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	reply->body = metrics_text(c->counters);
}

/* --- routes --- */

static bool
has_customers(const struct options *o)
{
	return o->jwt_secret != NULL;
}

static bool
has_sandbox(const struct options *o)
{
	return o->jwt_secret != NULL && o->sandbox_payment;
}

static bool
always(const struct options *o)
{
	(void)o;
	return true;
}

static const struct route {
	const char *path;    /* one that ends with / takes what follows as `rest` */
	const char *methods; /* as in Allow */
	bool (*is_configured)(const struct options *o); /* else 404 */
	void (*handle)(const struct context *c, const struct request *r, const char *rest,
	    struct reply *reply);
} routes[] = {
    {"/user/order/payment", "PUT", has_sandbox, handle_payment},
    {"/user/order/reminder/", "GET, POST", has_customers, handle_reminder},
    {"/healthz", "GET, HEAD", always, handle_health},
    {"/metrics", "GET, HEAD", always, handle_metrics},
};

/* Words an error for whoever is at that path. */
static void
reply_error(struct reply *reply, const char *path, int status, const char *message)
{
	if (strncmp(path, "/user/", 6) == 0)
		reply_envelope(reply, status, message, NULL);
	else
		reply_gateway(reply, status, "FAIL", message);
}

static bool
method_is_allowed(const char *methods, const char *method)
{
	size_t len = strlen(method);

	for (const char *at = methods; *at != '\0';) {
		size_t n = strcspn(at, ",");

		if (n == len && strncmp(at, method, n) == 0)
			return true;
		at += n;
		at += strspn(at, ", ");
	}
	return false;
}

/* True when the path was one of the gateways'. */
static bool
try_gateways(
    const struct context *c, const struct request *r, const char *path, struct reply *reply)
{
	int gateway = gateways_at(c->keys, path);

	if (gateway < 0)
		return false;
	if (strcmp(request_variable(r, "REQUEST_METHOD"), "POST") == 0) {
		callbacks_handle(c, (size_t)gateway, r, reply);
		return true;
	}
	counters_add(c->counters, COUNTER_REFUSED_METHOD);
	gateways[gateway].answer(reply, 405, "allowed: POST");
	reply->allow = "POST";
	return true;
}

static void
refuse_method(const struct context *c, const char *path, const char *methods, struct reply *reply)
{
	char message[80];

	counters_add(c->counters, COUNTER_REFUSED_METHOD);
	snprintf(message, sizeof message, "allowed: %s", methods);
	reply_error(reply, path, 405, message);
	reply->allow = methods;
}

static bool
try_routes(const struct context *c, const struct request *r, const char *path, struct reply *reply)
{
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		const struct route *route = &routes[i];
		size_t len = strlen(route->path);
		bool takes_rest = route->path[len - 1] == '/';

		if (strncmp(path, route->path, len) != 0 || (!takes_rest && path[len] != '\0') ||
		    !route->is_configured(c->options))
			continue;
		if (method_is_allowed(route->methods, request_variable(r, "REQUEST_METHOD")))
			route->handle(c, r, path + len, reply);
		else
			refuse_method(c, path, route->methods, reply);
		return true;
	}
	return false;
}

static void
refuse_path(const struct context *c, const char *path, const char *message, struct reply *reply)
{
	counters_add(c->counters, COUNTER_REFUSED_NOT_FOUND);
	reply_error(reply, path, 404, message);
}

void
handle_request(const struct context *c, const struct request *r, struct reply *reply)
{
	char path[REQUEST_PATH_MAX];
	const char *inner = request_variable(r, "PATH_INFO");

	if (!request_path(r, path)) {
		refuse_path(c, "", "the path is too long", reply);
		return;
	}
	if (try_gateways(c, r, path, reply) || try_routes(c, r, path, reply))
		return;
	/* As a CGI script the program's own name stands before the path. */
	if (*inner != '\0' && (try_gateways(c, r, inner, reply) || try_routes(c, r, inner, reply)))
		return;
	refuse_path(c, path, "there is nothing here", reply);
}

void
handle_unread(const struct context *c, const struct request *r, int status, struct reply *reply)
{
	char path[REQUEST_PATH_MAX], message[64] = "the body is not complete";
	int gateway;

	if (!request_path(r, path))
		path[0] = '\0';
	if (status == 413)
		snprintf(message, sizeof message, "the body is longer than %" PRId64 " bytes",
		    c->options->body_max);
	gateway = gateways_at(c->keys, path);
	if (gateway >= 0) {
		callbacks_refuse(c, (size_t)gateway, status, message, reply);
		return;
	}
	counters_add(c->counters, COUNTER_REFUSED_NOT_READ);
	reply_error(reply, path, status, message);
}
