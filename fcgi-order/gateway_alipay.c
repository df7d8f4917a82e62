#include "fcgi-order/gateway_alipay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi-order/form.h"
#include "fcgi-order/keyfiles.h"
#include "fcgi-order/rsa.h"
#include "fcgi-order/words.h"

enum { KEYS_MAX = 8 }; /* each is tried: a callback does not name its own */

struct alipay {
	const char *app_ids, *seller_ids; /* the options' */
	struct keyring *ring;
};

/* --- settings --- */

bool
alipay_is_configured(const struct options *o)
{
	return o->alipay_app_id != NULL || o->alipay_seller_id != NULL || o->alipay_keys != NULL;
}

/* What is missing or wrong in the plain settings; NULL: nothing. */
static const char *
find_fault(const struct options *o)
{
	if (o->alipay_app_id == NULL || o->alipay_seller_id == NULL || o->alipay_keys == NULL)
		return "alipay_app_id, alipay_seller_id and alipay_keys go together: set all or "
		       "none";
	if (!words_are_of(o->alipay_app_id, "0123456789"))
		return "alipay_app_id: must be digits, as 2021000000000000, with spaces between";
	if (!words_are_of(o->alipay_seller_id, "0123456789"))
		return "alipay_seller_id: must be digits, as 2088000000000000, with spaces "
		       "between";
	return NULL;
}

void *
alipay_open(const struct options *o, char *error, size_t error_size)
{
	struct alipay *a = calloc(1, sizeof *a);
	const char *fault = a == NULL ? "out of memory" : find_fault(o);
	char why[400];

	if (fault != NULL) {
		snprintf(error, error_size, "%s", fault);
		free(a);
		return NULL;
	}
	a->app_ids = o->alipay_app_id;
	a->seller_ids = o->alipay_seller_id;
	a->ring = keyfiles_load(o->alipay_keys, why, sizeof why);
	if (a->ring == NULL)
		snprintf(error, error_size, "alipay_keys: %s", why);
	else if (keyring_count(a->ring) > KEYS_MAX)
		snprintf(error, error_size, "alipay_keys: %zu keys; allowed are 1 to %d",
		    keyring_count(a->ring), KEYS_MAX);
	else
		return a;
	alipay_close(a);
	return NULL;
}

void
alipay_close(void *keys)
{
	struct alipay *a = keys;

	keyring_free(a->ring);
	free(a);
}

/* --- who says so --- */

static bool
is_signed_field(const struct form_field *field)
{
	return strcmp(field->name, "sign") != 0 && strcmp(field->name, "sign_type") != 0;
}

/* Names, values and what stands between them, in the order in which they were signed. */
static size_t
list_parts(const struct form *form, struct rsa_part parts[4 * FORM_FIELDS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < form->n; i++) {
		const struct form_field *field = &form->fields[i];

		if (!is_signed_field(field))
			continue;
		if (n > 0)
			parts[n++] = (struct rsa_part){"&", 1};
		parts[n++] = (struct rsa_part){field->name, strlen(field->name)};
		parts[n++] = (struct rsa_part){"=", 1};
		parts[n++] = (struct rsa_part){field->value, strlen(field->value)};
	}
	return n;
}

/* NULL when Alipay signed the form, else what is wrong. */
static const char *
check_signature(const struct alipay *a, const struct form *form)
{
	struct rsa_part parts[4 * FORM_FIELDS_MAX];
	const char *type = form_get(form, "sign_type"), *sign = form_get(form, "sign");
	size_t n_parts = list_parts(form, parts);

	if (sign == NULL || type == NULL || strcmp(type, "RSA2") != 0)
		return "the fields sign and sign_type=RSA2 are needed";
	for (size_t i = 0; i < keyring_count(a->ring); i++) {
		if (rsa_verify(keyring_key(a->ring, i), sign, parts, n_parts))
			return NULL;
	}
	return "sign does not match";
}

/* --- what it says --- */

static const char *
get(const struct form *form, const char *name)
{
	const char *value = form_get(form, name);

	return value == NULL ? "" : value;
}

/* Money went back: such a notification too has the state of the trade, and its whole amount. */
static bool
is_refund(const struct form *form)
{
	const char *fee = get(form, "refund_fee");

	return *get(form, "gmt_refund") != '\0' || strspn(fee, "0.") != strlen(fee);
}

static bool
pays(const char *status)
{
	return strcmp(status, "TRADE_SUCCESS") == 0 || strcmp(status, "TRADE_FINISHED") == 0;
}

static const char *
read_payment(const struct form *form, struct payment *payment)
{
	if (payment->number[0] == '\0' || payment->transaction_id[0] == '\0')
		return "out_trade_no or trade_no is missing, or too long";
	if (!payment_set_amount(payment, get(form, "total_amount")))
		return "total_amount must be a decimal number such as 38.00";
	payment_set_currency(payment, "CNY"); /* the form has no field for it */
	return NULL;
}

static enum gateway_verdict
read_form(const struct alipay *a, const struct form *form, struct callback *callback)
{
	const char *status = get(form, "trade_status");

	callback->reason = "app_id or seller_id is not ours";
	if (!words_have(a->app_ids, get(form, "app_id")) ||
	    !words_have(a->seller_ids, get(form, "seller_id")))
		return GATEWAY_FOREIGN;
	callback->reason = "notify_id is missing, or too long";
	if (!callback_set_id(callback, get(form, "notify_id")))
		return GATEWAY_MALFORMED;
	callback_set_state(callback, *status != '\0' ? status : get(form, "notify_type"));
	payment_set_any_number(&callback->payment, get(form, "out_trade_no"));
	payment_set_transaction_id(&callback->payment, get(form, "trade_no"));
	callback->reason = "not of type trade_status_sync";
	if (strcmp(get(form, "notify_type"), "trade_status_sync") != 0)
		return GATEWAY_IGNORED;
	callback->reason = "trade_status is neither TRADE_SUCCESS nor TRADE_FINISHED";
	if (!pays(status))
		return GATEWAY_IGNORED;
	callback->reason = "a refund";
	if (is_refund(form)) {
		callback_set_state(callback, "refund");
		return GATEWAY_IGNORED;
	}
	callback->reason = read_payment(form, &callback->payment);
	return callback->reason == NULL ? GATEWAY_PAYMENT : GATEWAY_MALFORMED;
}

enum gateway_verdict
alipay_read(const void *keys, const struct request *r, int64_t now, struct callback *callback)
{
	const struct alipay *a = keys;
	enum gateway_verdict verdict = GATEWAY_NOT_SIGNED;
	struct form form;

	(void)now;
	callback->reason = "the body is no form, or a field stands twice";
	if (form_read(&form, r->body, r->body_len)) {
		callback->reason = check_signature(a, &form);
		if (callback->reason == NULL)
			verdict = read_form(a, &form, callback);
	}
	form_fini(&form);
	return verdict;
}

void
alipay_answer(struct reply *reply, int status, const char *message)
{
	(void)message;
	reply_text(reply, status, status == 200 ? "success" : "failure");
}
