#include "fcgi-order/webhook_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi-order/base64.h"

enum {
	MAC_BYTES = 32,      /* HMAC-SHA256 */
	ED25519_BYTES = 64,  /* of a signature */
	PUBLIC_BYTES = 32,   /* of an ed25519 key */
	SIGNATURES_MAX = 16, /* of one header that are looked at */
	ASYMMETRIC_MAX = 4,  /* of them, because each costs a hundred times as much */
	SECRET_MIN = 16,     /* bytes */
	SECRET_MAX = 512,
	KEYS_MAX = 16,
};

struct key {
	EVP_PKEY *public_key; /* NULL: it is a shared secret */
	unsigned char secret[SECRET_MAX];
	size_t secret_len;
};

struct webhook_keys {
	size_t n;
	struct key keys[KEYS_MAX];
};

/* --- keys --- */

/* What a line may begin with. */
static bool
has_prefix(const char *line, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && memcmp(line, prefix, strlen(prefix)) == 0;
}

static const char *
read_public_key(struct key *key, const char *text, size_t text_len)
{
	unsigned char bytes[PUBLIC_BYTES];
	size_t len;

	if (base64_decode(text, text_len, bytes, sizeof bytes, &len) && len == sizeof bytes)
		key->public_key =
		    EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, sizeof bytes);
	return key->public_key != NULL ? NULL : "whpk_ must be followed by the base64 of 32 bytes";
}

static const char *
read_secret(struct key *key, const char *text, size_t text_len)
{
	if (!base64_decode(text, text_len, key->secret, SECRET_MAX, &key->secret_len) ||
	    key->secret_len < SECRET_MIN)
		return "whsec_ must be followed by the base64 of 16 to 512 bytes";
	return NULL;
}

static const char *
read_plain(struct key *key, const char *text, size_t len)
{
	if (len < SECRET_MIN || len > SECRET_MAX)
		return "plain text must have 16 to 512 bytes";
	memcpy(key->secret, text, len);
	key->secret_len = len;
	return NULL;
}

/* What is wrong with a line; NULL: nothing. */
static const char *
read_key(struct key *key, const char *line, size_t len)
{
	if (has_prefix(line, len, "whsec_"))
		return read_secret(key, line + 6, len - 6);
	if (has_prefix(line, len, "whpk_"))
		return read_public_key(key, line + 5, len - 5);
	if (has_prefix(line, len, "whsk_"))
		return "whsk_ is the sender's private key, which has no business here: its public "
		       "key, whpk_, is enough";
	return read_plain(key, line, len);
}

/* Takes a line into the next key. */
static const char *
take_line(struct webhook_keys *k, const char *line, size_t len)
{
	const char *fault = "more than 16 keys";

	if (k->n < KEYS_MAX) {
		fault = read_key(&k->keys[k->n], line, len);
		k->n += fault == NULL;
	}
	return fault;
}

struct webhook_keys *
webhook_keys_new(const char *lines, char *error, size_t error_size)
{
	struct webhook_keys *k = calloc(1, sizeof *k);
	const char *fault = k == NULL ? "out of memory" : NULL;
	int line = 1;

	for (; fault == NULL && *lines != '\0'; line++) {
		size_t len = strcspn(lines, "\r\n");

		if (len > 0)
			fault = take_line(k, lines, len);
		lines += len;
		lines += *lines == '\r';
		lines += *lines == '\n';
	}
	if (fault == NULL && k->n > 0)
		return k;
	if (fault == NULL)
		snprintf(error, error_size, "there is no key in it");
	else
		snprintf(error, error_size, "line %d: %s", line - 1, fault);
	webhook_keys_free(k);
	return NULL;
}

void
webhook_keys_free(struct webhook_keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < KEYS_MAX; i++)
		EVP_PKEY_free(k->keys[i].public_key);
	OPENSSL_cleanse(k, sizeof *k);
	free(k);
}

/* --- signatures --- */

/* What was signed, and the secrets' MACs of it, each made once it is asked for. */
struct content {
	const unsigned char *bytes;
	size_t len;
	bool has_mac[KEYS_MAX];
	unsigned char macs[KEYS_MAX][MAC_BYTES];
};

static bool
make_mac(const struct key *key, struct content *content, size_t i)
{
	unsigned len = 0;

	if (!content->has_mac[i])
		content->has_mac[i] =
		    HMAC(EVP_sha256(), key->secret, (int)key->secret_len, content->bytes,
			content->len, content->macs[i], &len) != NULL &&
		    len == MAC_BYTES;
	return content->has_mac[i];
}

static bool
is_mac(const struct webhook_keys *k, struct content *content, const char *text, size_t text_len)
{
	unsigned char bytes[MAC_BYTES];
	bool ok = false;
	size_t len;

	if (!base64_decode(text, text_len, bytes, sizeof bytes, &len) || len != sizeof bytes)
		return false;
	for (size_t i = 0; i < k->n; i++) {
		if (k->keys[i].public_key == NULL && make_mac(&k->keys[i], content, i))
			ok |= CRYPTO_memcmp(content->macs[i], bytes, sizeof bytes) == 0;
	}
	return ok;
}

static bool
verify(EVP_PKEY *key, const struct content *content, const unsigned char *signature)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md != NULL && EVP_DigestVerifyInit(md, NULL, NULL, NULL, key) == 1 &&
	          EVP_DigestVerify(md, signature, ED25519_BYTES, content->bytes, content->len) == 1;

	EVP_MD_CTX_free(md);
	return ok;
}

static bool
is_by_key(
    const struct webhook_keys *k, const struct content *content, const char *text, size_t text_len)
{
	unsigned char bytes[ED25519_BYTES];
	size_t len;

	if (!base64_decode(text, text_len, bytes, sizeof bytes, &len) || len != sizeof bytes)
		return false;
	for (size_t i = 0; i < k->n; i++) {
		if (k->keys[i].public_key != NULL && verify(k->keys[i].public_key, content, bytes))
			return true;
	}
	return false;
}

bool
webhook_keys_signed(const struct webhook_keys *k, const char *signatures,
    const unsigned char *bytes, size_t bytes_len)
{
	struct content content = {.bytes = bytes, .len = bytes_len};
	bool ok = false;

	for (int i = 0, n_asymmetric = 0; !ok && *signatures != '\0' && i < SIGNATURES_MAX; i++) {
		size_t n = strcspn(signatures, " ");

		if (has_prefix(signatures, n, "v1,"))
			ok = is_mac(k, &content, signatures + 3, n - 3);
		else if (has_prefix(signatures, n, "v1a,") && n_asymmetric++ < ASYMMETRIC_MAX)
			ok = is_by_key(k, &content, signatures + 4, n - 4);
		signatures += n;
		signatures += strspn(signatures, " ");
	}
	OPENSSL_cleanse(content.macs, sizeof content.macs);
	return ok;
}
