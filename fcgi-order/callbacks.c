#include "fcgi-order/callbacks.h"

#include <inttypes.h>
#include <string.h>

#include "shared/log.h"

/* --- payments --- */

/* True when the money is kept for a person to look at. */
static bool
needs_a_person(enum store_status status)
{
	return status != STORE_OK && status != STORE_ALREADY_PAID && status != STORE_DOWN;
}

/* What the gateway is told.  Once the money is kept most would only repeat themselves, for a day
 * and longer: that is good for orders that may be on their way, and for nothing else. */
static int
answer_status(const struct gateway *g, enum store_status status)
{
	if (g->kept == KEPT_IS_DONE && needs_a_person(status) && status != STORE_UNKNOWN_YET)
		return 200;
	return store_http_status(status);
}

static void
pay(const struct context *c, size_t gateway, const struct callback *callback, struct reply *reply)
{
	const struct gateway *g = &gateways[gateway];
	int64_t order_id = 0;
	enum store_status status =
	    c->store->pay(c->store->arg, g->name, g->pay_method, callback, &order_id);
	int answer = answer_status(g, status);
	char number[4 * PAYMENT_NUMBER_MAX + 8];

	log_escape(
	    number, sizeof number, callback->payment.number, strlen(callback->payment.number));
	counters_add_callback(c->counters, gateway, outcome_of_status(status));
	if (status == STORE_DOWN)
		counters_add(c->counters, COUNTER_STORE_DOWN);
	if (needs_a_person(status))
		log_warn("payment needs a person: gateway=%s number=\"%s\" amount=%s order=%" PRId64
			 " verdict=%s reason=\"%s\"",
		    g->name, number, callback->payment.amount, order_id,
		    outcome_name(outcome_of_status(status)), store_message(status));
	else
		log_debug("callback: gateway=%s number=\"%s\" order=%" PRId64 " answer=%d", g->name,
		    number, order_id, answer);
	g->answer(reply, answer, store_message(status));
}

/* --- all others --- */

/* Keeps one that pays nothing; false when the database did not. */
static bool
note(const struct context *c, size_t gateway, const struct callback *callback, enum outcome outcome)
{
	if (c->store->note(
		c->store->arg, gateways[gateway].name, callback, outcome_name(outcome)) == STORE_OK)
		return true;
	counters_add(c->counters, COUNTER_STORE_DOWN);
	counters_add_callback(c->counters, gateway, OUTCOME_NO_DATABASE);
	return false;
}

static void
ignore(
    const struct context *c, size_t gateway, const struct callback *callback, struct reply *reply)
{
	const struct gateway *g = &gateways[gateway];

	if (!note(c, gateway, callback, OUTCOME_IGNORED)) {
		g->answer(reply, 503, store_message(STORE_DOWN));
		return;
	}
	counters_add_callback(c->counters, gateway, OUTCOME_IGNORED);
	log_debug("callback ignored: gateway=%s state=%s reason=\"%s\"", g->name, callback->state,
	    callback->reason);
	g->answer(reply, 200, "SUCCESS");
}

/* Anybody can send what is not signed, and send again what is: a line a second of each kind is
 * enough. */
static void
tell_refused(const struct context *c, size_t gateway, enum outcome outcome, const char *reason)
{
	const char *from = c->client != NULL ? c->client : "";
	char client[100];

	if (counters_may_tell_callback(c->counters, gateway, outcome, c->now))
		log_warn(
		    "callback refused: gateway=%s verdict=%s refused=%ld client=%s reason=\"%s\"",
		    gateways[gateway].name, outcome_name(outcome),
		    counters_get_callbacks(c->counters, gateway, outcome),
		    log_escape(client, sizeof client, from, strlen(from)), reason);
}

static void
refuse(const struct context *c, size_t gateway, enum outcome outcome, int status,
    const char *reason, struct reply *reply)
{
	counters_add_callback(c->counters, gateway, outcome);
	tell_refused(c, gateway, outcome, reason);
	gateways[gateway].answer(reply, status, reason);
}

/* Genuine, and maybe money: kept, and refused, so that it comes again when our keys or programs are
 * better. */
static void
refuse_unread(const struct context *c, size_t gateway, const struct callback *callback,
    enum outcome outcome, struct reply *reply)
{
	int status = note(c, gateway, callback, outcome) ? 400 : 503;

	refuse(c, gateway, outcome, status, callback->reason, reply);
}

void
callbacks_handle(
    const struct context *c, size_t gateway, const struct request *r, struct reply *reply)
{
	struct callback callback = {.reason = ""};
	enum gateway_verdict verdict =
	    gateways[gateway].read(c->keys->of[gateway], r, c->now, &callback);
	enum outcome outcome = outcome_of_verdict(verdict);

	switch (verdict) {
	case GATEWAY_PAYMENT: pay(c, gateway, &callback, reply); break;
	case GATEWAY_IGNORED: ignore(c, gateway, &callback, reply); break;
	case GATEWAY_MALFORMED:
	case GATEWAY_SEALED: refuse_unread(c, gateway, &callback, outcome, reply); break;
	case GATEWAY_FOREIGN: refuse(c, gateway, outcome, 403, callback.reason, reply); break;
	case GATEWAY_STALE:
	case GATEWAY_UNKNOWN_KEY:
	case GATEWAY_NOT_SIGNED: refuse(c, gateway, outcome, 401, callback.reason, reply); break;
	}
}

void
callbacks_refuse(
    const struct context *c, size_t gateway, int status, const char *message, struct reply *reply)
{
	refuse(c, gateway, OUTCOME_NOT_READ, status, message, reply);
}
