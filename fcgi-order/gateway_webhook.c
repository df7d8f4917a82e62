#include "fcgi-order/gateway_webhook.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json.h"

enum {
	TOLERANCE_S = 300,    /* how old or early a callback may be */
	SIGNATURE_BYTES = 32, /* HMAC-SHA256 */
	SIGNATURE_TEXT = 44,  /* its base64 */
	SIGNATURES_MAX = 16,  /* of one header that are looked at */
	KEY_MIN = 16,         /* bytes */
	KEY_MAX = 512,
	ID_MAX = 256,
};

bool
webhook_is_configured(const struct options *o)
{
	return o->webhook_secret != NULL;
}

/* Strict base64, with its padding.  Gives the number of bytes, 0 when it is none or too long. */
static size_t
decode_base64(const char *text, size_t len, unsigned char *out, size_t out_size)
{
	unsigned char block[KEY_MAX + 3];
	size_t padding = 0;
	int n;

	if (len == 0 || len % 4 != 0 || len / 4 * 3 > sizeof block)
		return 0;
	while (padding < 2 && text[len - 1 - padding] == '=')
		padding++;
	n = EVP_DecodeBlock(block, (const unsigned char *)text, (int)len);
	if (n < 0 || (size_t)n < padding || (size_t)n - padding > out_size)
		return 0;
	memcpy(out, block, (size_t)n - padding);
	OPENSSL_cleanse(block, sizeof block);
	return (size_t)n - padding;
}

/* The key that one line of the secret file stands for; its length, 0 when it stands for none. */
static size_t
read_key(const char *line, size_t len, unsigned char key[KEY_MAX])
{
	static const char prefix[] = "whsec_";
	const size_t prefix_len = sizeof prefix - 1;

	if (len >= prefix_len && strncmp(line, prefix, prefix_len) == 0)
		return decode_base64(line + prefix_len, len - prefix_len, key, KEY_MAX);
	if (len > KEY_MAX)
		return 0;
	memcpy(key, line, len);
	return len;
}

/* Walks over the lines that are not empty: gives the next one from *at on, its length in *len; NULL
 * at the end. */
static const char *
next_line(const char **at, size_t *len)
{
	const char *line = *at + strspn(*at, "\r\n");

	*len = strcspn(line, "\r\n");
	*at = line + *len;
	return *len > 0 ? line : NULL;
}

const char *
webhook_problem(const struct options *o)
{
	const char *at = o->webhook_secret, *line;
	unsigned char key[KEY_MAX];
	size_t len, n_short = 0, n = 0;

	while ((line = next_line(&at, &len)) != NULL) {
		n_short += read_key(line, len, key) < KEY_MIN;
		n++;
	}
	OPENSSL_cleanse(key, sizeof key);
	if (n == 0 || n_short > 0)
		return "webhook_secret_file: each line must be whsec_ and base64, or plain text, "
		       "of 16 to 512 bytes";
	return NULL;
}

/* True when this line's key made the signature. */
static bool
signed_by(const char *line, size_t line_len, const unsigned char *content, size_t content_len,
    const char *signature)
{
	unsigned char key[KEY_MAX], digest[EVP_MAX_MD_SIZE];
	char expected[SIGNATURE_TEXT + 1];
	unsigned digest_len = 0;
	size_t key_len = read_key(line, line_len, key);
	bool ok = false;

	if (key_len > 0 &&
	    HMAC(EVP_sha256(), key, (int)key_len, content, content_len, digest, &digest_len) !=
		NULL &&
	    digest_len == SIGNATURE_BYTES) {
		EVP_EncodeBlock((unsigned char *)expected, digest, SIGNATURE_BYTES);
		ok = CRYPTO_memcmp(expected, signature, SIGNATURE_TEXT) == 0;
	}
	OPENSSL_cleanse(key, sizeof key);
	return ok;
}

/* True when any secret made it. */
static bool
signed_by_any(const char *secrets, const unsigned char *content, size_t len, const char *signature)
{
	const char *line;
	size_t line_len;

	while ((line = next_line(&secrets, &line_len)) != NULL) {
		if (signed_by(line, line_len, content, len, signature))
			return true;
	}
	return false;
}

/* Any of the header's "v1,…" signatures will do: the sender too may be changing its secret. */
static bool
is_signed(const char *secrets, const char *signatures, const unsigned char *content, size_t len)
{
	for (int i = 0; *signatures != '\0' && i < SIGNATURES_MAX; i++) {
		size_t n = strcspn(signatures, " ");

		if (n == 3 + SIGNATURE_TEXT && strncmp(signatures, "v1,", 3) == 0 &&
		    signed_by_any(secrets, content, len, signatures + 3))
			return true;
		signatures += n;
		signatures += strspn(signatures, " ");
	}
	return false;
}

/* Unix seconds written with digits alone; -1 otherwise. */
static int64_t
parse_timestamp(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 12 || strspn(text, "0123456789") != len)
		return -1;
	return strtoll(text, NULL, 10);
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

/* NULL when the callback is genuine and of now, else what is wrong with it. */
static const char *
check_signature(const struct options *o, const struct request *r, int64_t now)
{
	const char *id = request_header(r, "webhook-id");
	const char *timestamp = request_header(r, "webhook-timestamp");
	const char *signatures = request_header(r, "webhook-signature");
	int64_t signed_at = timestamp == NULL ? -1 : parse_timestamp(timestamp);
	unsigned char *content;
	size_t len;
	bool ok;

	if (id == NULL || *id == '\0' || strlen(id) > ID_MAX || timestamp == NULL ||
	    signatures == NULL)
		return "the headers webhook-id, webhook-timestamp and webhook-signature are needed";
	if (signed_at < 0)
		return "webhook-timestamp is not a number of seconds";
	if (signed_at < now - TOLERANCE_S || signed_at > now + TOLERANCE_S)
		return "webhook-timestamp is more than 300 seconds off";
	content = signed_content(id, timestamp, r, &len);
	ok = content != NULL && is_signed(o->webhook_secret, signatures, content, len);
	free(content);
	return ok ? NULL : "webhook-signature does not match";
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
read_payment(
    const struct options *o, const struct request *r, json_object *data, struct payment *payment)
{
	const char *number, *amount, *currency = o->currency;
	const char *transaction_id = request_header(r, "webhook-id");

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

enum gateway_verdict
webhook_read(const struct options *o, const struct request *r, int64_t now, struct payment *payment,
    const char **reason)
{
	json_object *body, *data;
	const char *type;
	enum gateway_verdict verdict = GATEWAY_MALFORMED;

	*reason = check_signature(o, r, now);
	if (*reason != NULL)
		return GATEWAY_NOT_SIGNED;
	body = json_read_object(r->body, r->body_len);
	data = body == NULL ? NULL : json_object_object_get(body, "data");
	if (body == NULL) {
		*reason = "the body is not a JSON object";
	} else if (!json_get_text(body, "type", &type)) {
		*reason = "type is missing";
	} else if (strcmp(type, "order.paid") != 0) {
		*reason = "not of type order.paid";
		verdict = GATEWAY_IGNORED;
	} else if (!json_object_is_type(data, json_type_object)) {
		*reason = "data is missing";
	} else {
		*reason = read_payment(o, r, data, payment);
		if (*reason == NULL)
			verdict = GATEWAY_PAYMENT;
	}
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
