#include "fcgi-order/gateway_webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi-order/timestamp.h"
#include "fcgi-order/webhook_keys.h"
#include "shared/json.h"

enum { TOLERANCE_S = 300 }; /* how old or early a callback may be */

struct webhook {
	const char *currency; /* the options' */
	struct webhook_keys *keys;
};

bool
webhook_is_configured(const struct options *o)
{
	return o->webhook_secret != NULL;
}

void *
webhook_open(const struct options *o, char *error, size_t error_size)
{
	struct webhook *w = calloc(1, sizeof *w);
	char why[200] = "out of memory";

	if (w != NULL)
		w->keys = webhook_keys_new(o->webhook_secret, why, sizeof why);
	if (w != NULL && w->keys != NULL) {
		w->currency = o->currency;
		return w;
	}
	snprintf(error, error_size, "webhook_secret_file: %s", why);
	free(w);
	return NULL;
}

void
webhook_close(void *keys)
{
	struct webhook *w = keys;

	webhook_keys_free(w->keys);
	free(w);
}

/* What was signed: "id.timestamp.body".  Gives it, or NULL when out of memory. */
static unsigned char *
signed_content(const char *id, const char *timestamp, const struct request *r, size_t *len)
{
	size_t id_len = strlen(id), timestamp_len = strlen(timestamp);
	unsigned char *content, *to;

	*len = id_len + 1 + timestamp_len + 1 + r->body_len;
	content = malloc(*len + 1);
	if (content == NULL)
		return NULL;
	to = (unsigned char *)stpcpy((char *)content, id);
	*to++ = '.';
	to = (unsigned char *)stpcpy((char *)to, timestamp);
	*to++ = '.';
	memcpy(to, r->body, r->body_len);
	return content;
}

/* GATEWAY_PAYMENT when the callback is genuine and of now, else what is wrong with it. */
static enum gateway_verdict
check_signature(
    const struct webhook *w, const struct request *r, int64_t now, struct callback *callback)
{
	const char *id = request_header(r, "webhook-id");
	const char *timestamp = request_header(r, "webhook-timestamp");
	const char *signatures = request_header(r, "webhook-signature");
	int64_t signed_at = timestamp_read(timestamp);
	unsigned char *content;
	size_t len;
	bool ok;

	callback->reason =
	    "the headers webhook-id, webhook-timestamp and webhook-signature are needed";
	if (id == NULL || timestamp == NULL || signatures == NULL || !callback_set_id(callback, id))
		return GATEWAY_NOT_SIGNED;
	callback->reason = "webhook-timestamp is not a number of seconds";
	if (signed_at < 0)
		return GATEWAY_NOT_SIGNED;
	callback->reason = "webhook-timestamp is more than 300 seconds off";
	if (signed_at < now - TOLERANCE_S || signed_at > now + TOLERANCE_S)
		return GATEWAY_STALE;
	callback->reason = "webhook-signature does not match";
	content = signed_content(id, timestamp, r, &len);
	ok = content != NULL && webhook_keys_signed(w->keys, signatures, content, len);
	free(content);
	return ok ? GATEWAY_PAYMENT : GATEWAY_NOT_SIGNED;
}

/* A text, or a number as it stands in the source: 38.00 stays "38.00". */
static bool
get_amount(const json_object *data, const char **text)
{
	json_object *amount = json_object_object_get(data, "amount");

	if (json_get_text(data, "amount", text))
		return true;
	*text = json_object_get_string(amount);
	return json_object_is_type(amount, json_type_int) ||
	       json_object_is_type(amount, json_type_double);
}

/* Reads `data`; NULL when it is good. */
static const char *
read_payment(const struct webhook *w, json_object *data, struct callback *callback)
{
	struct payment *payment = &callback->payment;
	const char *number, *amount, *currency = w->currency, *transaction_id = callback->id;

	if (!json_get_text(data, "orderNumber", &number) || !payment_set_number(payment, number))
		return "data.orderNumber must be 1-50 of A-Z a-z 0-9 _ -";
	if (!get_amount(data, &amount) || !payment_set_amount(payment, amount))
		return "data.amount must be a decimal number such as \"38.00\"";
	if (json_has(data, "currency") && !json_get_text(data, "currency", &currency))
		currency = "";
	if (!payment_set_currency(payment, currency))
		return "data.currency must be three capital letters";
	if (json_has(data, "transactionId") &&
	    !json_get_text(data, "transactionId", &transaction_id))
		transaction_id = "";
	if (!payment_set_transaction_id(payment, transaction_id))
		return "data.transactionId must be 1-128 printable ASCII characters";
	return NULL;
}

static enum gateway_verdict
read_message(const struct webhook *w, json_object *body, struct callback *callback)
{
	json_object *data = json_object_object_get(body, "data");
	const char *type;

	callback->reason = "type is missing, or too long";
	if (!json_get_text(body, "type", &type) || !callback_set_state(callback, type))
		return GATEWAY_MALFORMED;
	callback->reason = "not of type order.paid";
	if (strcmp(type, "order.paid") != 0)
		return GATEWAY_IGNORED;
	callback->reason = "data is missing";
	if (!json_object_is_type(data, json_type_object))
		return GATEWAY_MALFORMED;
	callback->reason = read_payment(w, data, callback);
	return callback->reason == NULL ? GATEWAY_PAYMENT : GATEWAY_MALFORMED;
}

enum gateway_verdict
webhook_read(const void *keys, const struct request *r, int64_t now, struct callback *callback)
{
	const struct webhook *w = keys;
	enum gateway_verdict verdict = check_signature(w, r, now, callback);
	json_object *body;

	if (verdict != GATEWAY_PAYMENT)
		return verdict;
	body = json_read_object(r->body, r->body_len);
	callback->reason = "the body is not a JSON object";
	verdict = body == NULL ? GATEWAY_MALFORMED : read_message(w, body, callback);
	json_object_put(body);
	return verdict;
}

void
webhook_answer(struct reply *reply, int status, const char *message)
{
	if (status == 200)
		reply_empty(reply, 204);
	else
		reply_gateway(reply, status, "FAIL", message);
}
