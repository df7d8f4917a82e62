#include "fcgi-order/gateway_wechatpay.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi-order/aead.h"
#include "fcgi-order/base64.h"
#include "fcgi-order/keyfiles.h"
#include "fcgi-order/rsa.h"
#include "fcgi-order/timestamp.h"
#include "fcgi-order/words.h"
#include "shared/json.h"

enum {
	TOLERANCE_S = 300, /* how old or early a callback must not be */
	API_KEYS_MAX = 4,
	NONCE_MAX = 128,
	SERIAL_MAX = KEYRING_ID_MAX,
};

static const char signature_type[] = "WECHATPAY2-SHA256-RSA2048";
static const char probe[] = "WECHATPAY/SIGNTEST/";

struct wechatpay {
	const char *mchid, *appids; /* the options' */
	struct keyring *ring;
	size_t n_api_keys;
	unsigned char api_keys[API_KEYS_MAX][AEAD_KEY_BYTES];
};

/* --- settings --- */

bool
wechatpay_is_configured(const struct options *o)
{
	return o->wechatpay_api_v3_key != NULL || o->wechatpay_mchid != NULL ||
	       o->wechatpay_appid != NULL || o->wechatpay_keys != NULL;
}

/* What is missing or wrong in the plain settings; NULL: nothing. */
static const char *
find_fault(const struct options *o)
{
	if (o->wechatpay_mchid == NULL || o->wechatpay_appid == NULL || o->wechatpay_keys == NULL ||
	    o->wechatpay_api_v3_key == NULL)
		return "wechatpay_mchid, wechatpay_appid, wechatpay_keys and "
		       "wechatpay_api_v3_key_file go together: set all or none";
	if (strspn(o->wechatpay_mchid, "0123456789") != strlen(o->wechatpay_mchid))
		return "wechatpay_mchid: must be digits, as 1900000001";
	if (!words_are_of(o->wechatpay_appid,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))
		return "wechatpay_appid: must be app ids as wx8888888888888888, with spaces "
		       "between";
	return NULL;
}

/* A key in a line; an empty line is none. */
static bool
read_api_keys(struct wechatpay *w, const char *text, char *error, size_t error_size)
{
	for (int line = 1; *text != '\0'; line++) {
		size_t len = strcspn(text, "\r\n");

		if (len != 0 && (len != AEAD_KEY_BYTES || w->n_api_keys == API_KEYS_MAX)) {
			snprintf(error, error_size,
			    "wechatpay_api_v3_key_file: line %d has %zu bytes; allowed are up to "
			    "%d keys, one in a line, of exactly %d bytes each",
			    line, len, API_KEYS_MAX, AEAD_KEY_BYTES);
			return false;
		}
		if (len != 0)
			memcpy(w->api_keys[w->n_api_keys++], text, len);
		text += len;
		text += *text == '\r';
		text += *text == '\n';
	}
	return true;
}

/* Each key has an id that a Wechatpay-Serial can name. */
static bool
can_be_named(const struct keyring *ring, char *error, size_t error_size)
{
	for (size_t i = 0; i < keyring_count(ring); i++) {
		const char *id = keyring_id(ring, i);

		if (keyring_is_bare(ring, i) &&
		    strncmp(id, KEYRING_PUBLIC_ID, sizeof KEYRING_PUBLIC_ID - 1) != 0) {
			snprintf(error, error_size,
			    "wechatpay_keys: the public key in \"%s\" has no id; it needs a line "
			    "%s... before it, or a file of that name",
			    id, KEYRING_PUBLIC_ID);
			return false;
		}
	}
	return true;
}

void *
wechatpay_open(const struct options *o, char *error, size_t error_size)
{
	struct wechatpay *w = calloc(1, sizeof *w);
	const char *fault = w == NULL ? "out of memory" : find_fault(o);
	char why[400];

	if (fault != NULL) {
		snprintf(error, error_size, "%s", fault);
		free(w);
		return NULL;
	}
	w->mchid = o->wechatpay_mchid;
	w->appids = o->wechatpay_appid;
	w->ring = keyfiles_load(o->wechatpay_keys, why, sizeof why);
	if (w->ring == NULL)
		snprintf(error, error_size, "wechatpay_keys: %s", why);
	else if (can_be_named(w->ring, error, error_size) &&
		 read_api_keys(w, o->wechatpay_api_v3_key, error, error_size))
		return w;
	wechatpay_close(w);
	return NULL;
}

void
wechatpay_close(void *keys)
{
	struct wechatpay *w = keys;

	keyring_free(w->ring);
	OPENSSL_cleanse(w->api_keys, sizeof w->api_keys);
	free(w);
}

/* --- who says so --- */

/* The nonce's end must be where the header's is: a line feed in it could move a part of the body.
 */
static bool
is_nonce(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return len > 0 && len <= NONCE_MAX;
}

/* GATEWAY_PAYMENT when the callback is WeChat Pay's and of now, else what is wrong. */
static enum gateway_verdict
check_signature(
    const struct wechatpay *w, const struct request *r, int64_t now, const char **reason)
{
	const char *timestamp = request_header(r, "Wechatpay-Timestamp");
	const char *nonce = request_header(r, "Wechatpay-Nonce");
	const char *serial = request_header(r, "Wechatpay-Serial");
	const char *signature = request_header(r, "Wechatpay-Signature");
	const char *type = request_header(r, "Wechatpay-Signature-Type");
	int64_t signed_at = timestamp_read(timestamp);
	EVP_PKEY *key;

	*reason = "the headers Wechatpay-Timestamp, -Nonce, -Serial and -Signature are needed";
	if (timestamp == NULL || nonce == NULL || serial == NULL || signature == NULL ||
	    !is_nonce(nonce) || strlen(serial) > SERIAL_MAX)
		return GATEWAY_NOT_SIGNED;
	*reason = "Wechatpay-Signature-Type is not WECHATPAY2-SHA256-RSA2048";
	if (type != NULL && strcmp(type, signature_type) != 0)
		return GATEWAY_NOT_SIGNED;
	*reason = "Wechatpay-Timestamp is not a number of seconds";
	if (signed_at < 0)
		return GATEWAY_NOT_SIGNED;
	*reason = "Wechatpay-Timestamp is not within 300 seconds of now";
	if (signed_at <= now - TOLERANCE_S || signed_at >= now + TOLERANCE_S)
		return GATEWAY_STALE;
	*reason = "Wechatpay-Serial names a key that is not in wechatpay_keys";
	key = keyring_find(w->ring, serial);
	if (key == NULL)
		return GATEWAY_UNKNOWN_KEY;
	*reason = "Wechatpay-Signature does not match";
	if (strncmp(signature, probe, sizeof probe - 1) == 0)
		*reason = "Wechatpay-Signature is a probe, which fails as it should";
	if (!rsa_verify(key, signature,
		(const struct rsa_part[]){{timestamp, strlen(timestamp)}, {"\n", 1},
		    {nonce, strlen(nonce)}, {"\n", 1}, {r->body, r->body_len}, {"\n", 1}},
		6))
		return GATEWAY_NOT_SIGNED;
	*reason = NULL;
	return GATEWAY_PAYMENT;
}

/* --- what it says --- */

/* The members of `resource`; false when they are not those of a sealed object. */
static bool
read_box(json_object *resource, struct aead_box *box, const char **sealed)
{
	const char *algorithm;

	box->associated = "";
	if (!json_object_is_type(resource, json_type_object) ||
	    !json_get_text(resource, "algorithm", &algorithm) ||
	    strcmp(algorithm, "AEAD_AES_256_GCM") != 0 ||
	    !json_get_text(resource, "nonce", &box->nonce) ||
	    !json_get_text(resource, "ciphertext", sealed) ||
	    (json_has(resource, "associated_data") &&
		!json_get_text(resource, "associated_data", &box->associated)))
		return false;
	box->nonce_len = strlen(box->nonce);
	box->associated_len = strlen(box->associated);
	return box->nonce_len >= 1 && box->nonce_len <= AEAD_NONCE_MAX;
}

/* The object that one of the keys opens; NULL when none does. */
static json_object *
open_box(const struct wechatpay *w, struct aead_box *box, const char *sealed)
{
	size_t most = strlen(sealed) / 4 * 3;
	unsigned char *bytes = malloc(2 * most + 1), *text = bytes == NULL ? NULL : bytes + most;
	json_object *object = NULL;
	bool is_open = false;

	if (bytes == NULL)
		return NULL;
	if (base64_decode(sealed, strlen(sealed), bytes, most, &box->sealed_len)) {
		box->sealed = bytes;
		for (size_t i = 0; i < w->n_api_keys && !is_open; i++)
			is_open = aead_open(box, w->api_keys[i], text);
	}
	if (is_open)
		object = json_read_object((char *)text, box->sealed_len - AEAD_TAG_BYTES);
	OPENSSL_cleanse(bytes, 2 * most);
	free(bytes);
	return object;
}

/* Which order and payment it is about, as far as it says. */
static void
note_order(json_object *transaction, struct callback *callback)
{
	const char *text;

	if (json_get_text(transaction, "out_trade_no", &text))
		payment_set_any_number(&callback->payment, text);
	if (json_get_text(transaction, "transaction_id", &text))
		payment_set_transaction_id(&callback->payment, text);
}

static bool
is_ours(const struct wechatpay *w, json_object *transaction)
{
	const char *mchid, *appid;

	return json_get_text(transaction, "mchid", &mchid) && strcmp(mchid, w->mchid) == 0 &&
	       json_get_text(transaction, "appid", &appid) && words_have(w->appids, appid);
}

static const char *
read_amount(json_object *transaction, struct payment *payment)
{
	json_object *amount = json_object_object_get(transaction, "amount");
	const char *currency;
	int64_t total;

	if (!json_object_is_type(amount, json_type_object) ||
	    !json_get_int(amount, "total", &total) || !payment_set_cents(payment, total))
		return "amount.total is no number of fen";
	if (!json_get_text(amount, "currency", &currency) ||
	    !payment_set_currency(payment, currency))
		return "amount.currency is not three capital letters";
	return NULL;
}

static enum gateway_verdict
read_transaction(const struct wechatpay *w, json_object *transaction, struct callback *callback)
{
	const char *state;

	note_order(transaction, callback);
	callback->reason = "mchid or appid is not ours";
	if (!is_ours(w, transaction))
		return GATEWAY_FOREIGN;
	callback->reason = "trade_state is missing";
	if (!json_get_text(transaction, "trade_state", &state))
		return GATEWAY_MALFORMED;
	callback->reason = "trade_state is not SUCCESS";
	if (strcmp(state, "SUCCESS") != 0) {
		callback_set_state(callback, state);
		return GATEWAY_IGNORED;
	}
	callback->reason = "out_trade_no or transaction_id is missing, or too long";
	if (callback->payment.number[0] == '\0' || callback->payment.transaction_id[0] == '\0')
		return GATEWAY_MALFORMED;
	callback->reason = read_amount(transaction, &callback->payment);
	return callback->reason == NULL ? GATEWAY_PAYMENT : GATEWAY_MALFORMED;
}

/* An event of another type may be about an order too. */
static enum gateway_verdict
read_other(const struct wechatpay *w, json_object *resource, struct callback *callback)
{
	struct aead_box box;
	const char *sealed;
	json_object *object = NULL;

	if (read_box(resource, &box, &sealed))
		object = open_box(w, &box, sealed);
	if (object != NULL)
		note_order(object, callback);
	json_object_put(object);
	callback->reason = "not of type TRANSACTION.SUCCESS";
	return GATEWAY_IGNORED;
}

static enum gateway_verdict
read_event(const struct wechatpay *w, json_object *event, struct callback *callback)
{
	json_object *resource = json_object_object_get(event, "resource"), *transaction;
	const char *id, *type, *sealed;
	struct aead_box box;
	enum gateway_verdict verdict;

	callback->reason = "id or event_type is missing, or too long";
	if (!json_get_text(event, "id", &id) || !callback_set_id(callback, id) ||
	    !json_get_text(event, "event_type", &type) || !callback_set_state(callback, type))
		return GATEWAY_MALFORMED;
	if (strcmp(type, "TRANSACTION.SUCCESS") != 0)
		return read_other(w, resource, callback);
	callback->reason = "resource is not sealed with AEAD_AES_256_GCM";
	if (!read_box(resource, &box, &sealed))
		return GATEWAY_MALFORMED;
	callback->reason = "resource cannot be opened with wechatpay_api_v3_key_file";
	transaction = open_box(w, &box, sealed);
	if (transaction == NULL)
		return GATEWAY_SEALED;
	verdict = read_transaction(w, transaction, callback);
	json_object_put(transaction);
	return verdict;
}

enum gateway_verdict
wechatpay_read(const void *keys, const struct request *r, int64_t now, struct callback *callback)
{
	const struct wechatpay *w = keys;
	enum gateway_verdict verdict = check_signature(w, r, now, &callback->reason);
	json_object *event;

	if (verdict != GATEWAY_PAYMENT)
		return verdict;
	event = json_read_object(r->body, r->body_len);
	callback->reason = "the body is not a JSON object";
	verdict = event == NULL ? GATEWAY_MALFORMED : read_event(w, event, callback);
	json_object_put(event);
	return verdict;
}

void
wechatpay_answer(struct reply *reply, int status, const char *message)
{
	if (status == 200)
		reply_gateway(reply, 200, "SUCCESS", "SUCCESS");
	else
		reply_gateway(reply, status, "FAIL", message);
}
