#include "fcgi-order/keyring.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi-order/base64.h"
#include "fcgi-order/rsa.h"

enum { BARE_MAX = 4096 }; /* bytes of a key that is only base64 */

struct entry {
	char id[KEYRING_ID_MAX + 1];
	EVP_PKEY *key;
	bool is_bare;
};

struct keyring {
	size_t n;
	struct entry entries[KEYRING_MAX];
};

/* Where an error is told. */
struct teller {
	char *error;
	size_t size;
};

static bool __attribute__((format(printf, 2, 3)))
fail(const struct teller *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(t->error, t->size, format, args);
	va_end(args);
	ERR_clear_error();
	return false;
}

struct keyring *
keyring_new(void)
{
	return calloc(1, sizeof(struct keyring));
}

void
keyring_free(struct keyring *ring)
{
	for (size_t i = 0; ring != NULL && i < ring->n; i++)
		EVP_PKEY_free(ring->entries[i].key);
	free(ring);
}

/* --- ids --- */

static bool
is_same_id(const char *a, const char *b)
{
	return strcasecmp(a + strspn(a, "0"), b + strspn(b, "0")) == 0;
}

/* Index of an id, or -1. */
static int
find(const struct keyring *ring, const char *id)
{
	for (size_t i = 0; i < ring->n; i++) {
		if (is_same_id(ring->entries[i].id, id))
			return (int)i;
	}
	return -1;
}

/* Takes the key. */
static bool
add(struct keyring *ring, const char *id, bool is_bare, EVP_PKEY *key, const struct teller *t)
{
	int same = find(ring, id);
	struct entry *entry = &ring->entries[ring->n];
	bool is_known = same >= 0 && EVP_PKEY_eq(ring->entries[same].key, key) == 1;
	bool ok = false;

	if (is_known)
		ok = true; /* the same certificate in two files harms nobody */
	else if (same >= 0)
		fail(t, "the id %s stands for two different keys", id);
	else if (!rsa_takes(key))
		fail(t, "the key %s is none of RSA with %d to %d bits", id, RSA_BITS_MIN,
		    RSA_BITS_MAX);
	else if (ring->n == KEYRING_MAX)
		fail(t, "more than %d keys", KEYRING_MAX);
	else if ((size_t)snprintf(entry->id, sizeof entry->id, "%s", id) >= sizeof entry->id)
		fail(t, "an id is longer than %d characters", KEYRING_ID_MAX);
	else
		ok = true;
	if (!ok || is_known) {
		EVP_PKEY_free(key);
		return ok;
	}
	entry->key = key;
	entry->is_bare = is_bare;
	ring->n++;
	return true;
}

/* --- one block --- */

static bool
add_certificate(struct keyring *ring, const unsigned char *der, long len, const struct teller *t)
{
	X509 *certificate = d2i_X509(NULL, &der, len);
	EVP_PKEY *key = certificate == NULL ? NULL : X509_get_pubkey(certificate);
	BIGNUM *serial = certificate == NULL
	                     ? NULL
	                     : ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	char *id = serial == NULL ? NULL : BN_bn2hex(serial);
	bool ok;

	if (key == NULL || id == NULL) {
		EVP_PKEY_free(key);
		ok = fail(t, "a CERTIFICATE in it cannot be read");
	} else {
		ok = add(ring, id, false, key, t);
	}
	OPENSSL_free(id);
	BN_free(serial);
	X509_free(certificate);
	return ok;
}

static bool
add_public_key(struct keyring *ring, const char *id, EVP_PKEY *key, const struct teller *t)
{
	if (key == NULL)
		return fail(t, "a PUBLIC KEY in it cannot be read");
	return add(ring, id, true, key, t);
}

static bool
add_block(struct keyring *ring, const char *kind, const unsigned char *der, long len,
    const char *id, const struct teller *t)
{
	if (strcmp(kind, PEM_STRING_X509) == 0)
		return add_certificate(ring, der, len, t);
	if (strcmp(kind, PEM_STRING_PUBLIC) == 0)
		return add_public_key(ring, id, d2i_PUBKEY(NULL, &der, len), t);
	if (strcmp(kind, PEM_STRING_RSA_PUBLIC) == 0)
		return add_public_key(ring, id, d2i_PublicKey(EVP_PKEY_RSA, NULL, &der, len), t);
	if (strstr(kind, "PRIVATE KEY") != NULL)
		return fail(t, "a private key is in it, which has no business here: the gateway "
			       "signs with its own, and only its public key is needed");
	return fail(
	    t, "\"%.40s\" is in it; allowed are CERTIFICATE, PUBLIC KEY and RSA PUBLIC KEY", kind);
}

/* --- a text --- */

/* The last line between `from` and `to` that is the id of a public key; else `name`. */
static void
find_id(const char *from, const char *to, const char *name, char id[KEYRING_ID_MAX + 2])
{
	snprintf(id, KEYRING_ID_MAX + 2, "%s", name);
	while (from < to) {
		size_t len = strcspn(from, "\r\n");
		size_t word = strcspn(from, " \t\r\n");

		if (strncmp(from, KEYRING_PUBLIC_ID, sizeof KEYRING_PUBLIC_ID - 1) == 0)
			snprintf(id, KEYRING_ID_MAX + 2, "%.*s", (int)word, from);
		from += len;
		from += strspn(from, "\r\n");
	}
}

/* Base64 alone, in one line or several. */
static bool
add_bare(struct keyring *ring, const char *name, const char *text, const struct teller *t)
{
	char packed[BARE_MAX];
	unsigned char der[BARE_MAX];
	const unsigned char *at = der;
	size_t n = 0, len;

	for (; *text != '\0'; text++) {
		if (strchr(" \t\r\n", *text) != NULL)
			continue;
		if (n == sizeof packed)
			break;
		packed[n++] = *text;
	}
	if (n == 0 || *text != '\0' || !base64_decode(packed, n, der, sizeof der, &len))
		return fail(t, "no key is in it; allowed are the PEM blocks CERTIFICATE, PUBLIC "
			       "KEY and RSA PUBLIC KEY, or the base64 of a public key");
	return add_public_key(ring, name, d2i_PUBKEY(NULL, &at, (long)len), t);
}

/* Adds the block that begins at `begin`; *end is where it ends. */
static bool
add_pem(struct keyring *ring, const char *begin, const char *id, const char **end,
    const struct teller *t)
{
	BIO *bio = BIO_new_mem_buf(begin, -1);
	char *kind = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	bool ok;

	if (bio == NULL || PEM_read_bio(bio, &kind, &header, &der, &len) != 1) {
		ok = fail(t, "a PEM block in it is broken");
	} else {
		*end = begin + (strlen(begin) - BIO_ctrl_pending(bio));
		ok = add_block(ring, kind, der, len, id, t);
		OPENSSL_cleanse(der, (size_t)len);
	}
	OPENSSL_free(kind);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
	return ok;
}

bool
keyring_add(
    struct keyring *ring, const char *name, const char *text, char *error, size_t error_size)
{
	const struct teller t = {error, error_size};
	const char *at = text, *begin;
	char id[KEYRING_ID_MAX + 2];
	bool ok = true;

	if (strstr(text, "-----BEGIN ") == NULL)
		return add_bare(ring, name, text, &t);
	while (ok && (begin = strstr(at, "-----BEGIN ")) != NULL) {
		find_id(at, begin, name, id);
		ok = add_pem(ring, begin, id, &at, &t);
	}
	return ok;
}

/* --- what is asked --- */

EVP_PKEY *
keyring_find(const struct keyring *ring, const char *id)
{
	int i = find(ring, id);

	return i < 0 ? NULL : ring->entries[i].key;
}

size_t
keyring_count(const struct keyring *ring)
{
	return ring->n;
}

EVP_PKEY *
keyring_key(const struct keyring *ring, size_t i)
{
	return ring->entries[i].key;
}

const char *
keyring_id(const struct keyring *ring, size_t i)
{
	return ring->entries[i].id;
}

bool
keyring_is_bare(const struct keyring *ring, size_t i)
{
	return ring->entries[i].is_bare;
}
