#include "fcgi-order/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi-order/gateway.h"
#include "shared/json.h"
#include "shared/log.h"
#include "shared/token.h"

/* --- what the database said, in HTTP --- */

static int
http_status(enum store_status status)
{
	switch (status) {
	case STORE_OK: return 200;
	case STORE_ALREADY_PAID: return 200; /* a gateway repeats itself: same answer, no event */
	case STORE_UNKNOWN_ORDER: return 404;
	case STORE_AMOUNT_DIFFERS: return 409;
	case STORE_CANCELLED: return 409;
	case STORE_REFUNDED: return 409;
	case STORE_NOT_WAITING: return 409;
	case STORE_DOWN: return 503; /* the gateway will try again */
	}
	return 500;
}

static const char *
message_of(enum store_status status)
{
	switch (status) {
	case STORE_OK: return "SUCCESS";
	case STORE_ALREADY_PAID: return "SUCCESS";
	case STORE_UNKNOWN_ORDER: return "there is no such order";
	case STORE_AMOUNT_DIFFERS: return "the amount is not that of the order";
	case STORE_CANCELLED: return "the order was cancelled";
	case STORE_REFUNDED: return "the order was refunded";
	case STORE_NOT_WAITING: return "the order is not waiting";
	case STORE_DOWN: return "the database does not answer, try again";
	}
	return "error";
}

static enum counter
counter_of(enum store_status status)
{
	switch (status) {
	case STORE_OK: return COUNTER_PAID;
	case STORE_ALREADY_PAID: return COUNTER_ALREADY_PAID;
	case STORE_UNKNOWN_ORDER:
	case STORE_AMOUNT_DIFFERS:
	case STORE_CANCELLED:
	case STORE_REFUNDED:
	case STORE_NOT_WAITING: return COUNTER_EXCEPTIONS;
	case STORE_DOWN: return COUNTER_STORE_DOWN;
	}
	return COUNTER_EXCEPTIONS;
}

/* --- callbacks of gateways --- */

static void
pay(const struct context *c, const struct gateway *g, const struct payment *payment,
    struct reply *reply)
{
	int64_t order_id = 0;
	enum store_status status = c->store->pay(c->store->arg, g->name, payment, &order_id);

	counters_add(c->counters, counter_of(status));
	if (http_status(status) >= 400 && status != STORE_DOWN)
		log_warn("payment needs a person: gateway=%s number=%s amount=%s order=%" PRId64
			 " reason=\"%s\"",
		    g->name, payment->number, payment->amount, order_id, message_of(status));
	else
		log_debug("callback: gateway=%s number=%s order=%" PRId64 " answer=%d", g->name,
		    payment->number, order_id, http_status(status));
	g->answer(reply, http_status(status), message_of(status));
}

/* Anybody can send what is not signed: one line a second is enough. */
static void
tell_refused(const struct context *c, const struct gateway *g, const char *reason)
{
	if (counters_may_tell(c->counters, c->now))
		log_warn("callback refused: gateway=%s refused=%ld reason=\"%s\"", g->name,
		    counters_get(c->counters, COUNTER_NOT_SIGNED), reason);
}

static void
handle_callback(
    const struct context *c, const struct gateway *g, const struct request *r, struct reply *reply)
{
	struct payment payment = {0};
	const char *reason = "";

	switch (g->read(c->options, r, c->now, &payment, &reason)) {
	case GATEWAY_PAYMENT: pay(c, g, &payment, reply); break;
	case GATEWAY_IGNORED:
		counters_add(c->counters, COUNTER_IGNORED);
		log_debug("callback ignored: gateway=%s reason=\"%s\"", g->name, reason);
		g->answer(reply, 200, "SUCCESS");
		break;
	case GATEWAY_NOT_SIGNED:
		counters_add(c->counters, COUNTER_NOT_SIGNED);
		tell_refused(c, g, reason);
		g->answer(reply, 401, reason);
		break;
	case GATEWAY_MALFORMED:
		counters_add(c->counters, COUNTER_MALFORMED);
		log_warn("callback not readable: gateway=%s reason=\"%s\"", g->name, reason);
		g->answer(reply, 400, reason);
		break;
	}
}

/* --- customers --- */

/* What a customer asks in vain needs nobody's attention: it is not counted. */
static void
count_own(const struct context *c, enum store_status status)
{
	if (status == STORE_OK || status == STORE_ALREADY_PAID || status == STORE_DOWN)
		counters_add(c->counters, counter_of(status));
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

/* Business errors are HTTP 200 with code 0, as the tutorial's clients expect; a database that does
 * not answer is no business error. */
static void
answer_customer(struct reply *reply, enum store_status status, json_object *data)
{
	if (http_status(status) == 200) {
		reply_envelope(reply, 200, NULL, data);
		return;
	}
	json_object_put(data);
	reply_envelope(reply, status == STORE_DOWN ? 503 : 200, message_of(status), NULL);
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
		reply_empty(reply, 401);
		return;
	}
	body = json_read_object(r->body, r->body_len);
	if (body == NULL || !json_get_text(body, "orderNumber", &number) ||
	    (json_has(body, "payMethod") && (!json_get_int(body, "payMethod", &pay_method) ||
						pay_method < 1 || pay_method > 2))) {
		json_object_put(body);
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
	count_own(c, status);
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
		reply_empty(reply, 401);
		return;
	}
	if (len < 1 || len > 18 || strspn(rest, "0123456789") != len) {
		reply_envelope(reply, 404, "the path is /user/order/reminder/{id}", NULL);
		return;
	}
	order_id = strtoll(rest, NULL, 10);
	status = c->store->remind(c->store->arg, order_id, user_id);
	if (status == STORE_OK)
		counters_add(c->counters, COUNTER_REMINDERS);
	if (status == STORE_DOWN)
		counters_add(c->counters, COUNTER_STORE_DOWN);
	answer_customer(reply, status, NULL);
}

/* --- the operator --- */

static void
handle_health(
    const struct context *c, const struct request *r, const char *rest, struct reply *reply)
{
	bool is_up = c->store->is_up(c->store->arg);
	json_object *object = counters_json(c->counters);

	(void)r;
	(void)rest;
	json_object_object_add(object, "database", json_object_new_string(is_up ? "up" : "down"));
	reply_text(reply, is_up ? 200 : 503,
	    json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	reply->content_type = "application/json";
	json_object_put(object);
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

static void
refuse_method(struct reply *reply, const char *path, const char *methods)
{
	char message[80];

	snprintf(message, sizeof message, "allowed: %s", methods);
	reply_error(reply, path, 405, message);
	reply->allow = methods;
}

/* True when the path was one of the gateways'. */
static bool
try_gateways(
    const struct context *c, const struct request *r, const char *path, struct reply *reply)
{
	for (size_t i = 0; i < n_gateways; i++) {
		const struct gateway *g = &gateways[i];

		if (strcmp(path, g->path) != 0 || !g->is_configured(c->options))
			continue;
		if (strcmp(request_variable(r, "REQUEST_METHOD"), "POST") != 0)
			refuse_method(reply, path, "POST");
		else
			handle_callback(c, g, r, reply);
		return true;
	}
	return false;
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
			refuse_method(reply, path, route->methods);
		return true;
	}
	return false;
}

void
handle_request(const struct context *c, const struct request *r, struct reply *reply)
{
	char path[REQUEST_PATH_MAX];
	const char *inner = request_variable(r, "PATH_INFO");

	if (!request_path(r, path)) {
		reply_gateway(reply, 404, "FAIL", "the path is too long");
		return;
	}
	if (try_gateways(c, r, path, reply) || try_routes(c, r, path, reply))
		return;
	/* As a CGI script the program's own name stands before the path. */
	if (*inner != '\0' && (try_gateways(c, r, inner, reply) || try_routes(c, r, inner, reply)))
		return;
	reply_error(reply, path, 404, "there is nothing here");
}

void
handle_unread(const struct context *c, const struct request *r, int status, struct reply *reply)
{
	char path[REQUEST_PATH_MAX], message[64] = "the body is not complete";

	if (!request_path(r, path))
		path[0] = '\0';
	if (status == 413)
		snprintf(message, sizeof message, "the body is longer than %" PRId64 " bytes",
		    c->options->body_max);
	counters_add(c->counters, COUNTER_MALFORMED);
	reply_error(reply, path, status, message);
}
