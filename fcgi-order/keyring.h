/* keyring.h - the public keys that a gateway signs with, each under its id.  Filled once, then only
 * read: any thread. */
#ifndef FCGI_ORDER_KEYRING_H
#define FCGI_ORDER_KEYRING_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

enum { KEYRING_MAX = 256, KEYRING_ID_MAX = 128 };

/* What comes before the id of a public key that has no certificate, as WeChat Pay names them. */
#define KEYRING_PUBLIC_ID "PUB_KEY_ID_"

struct keyring;

struct keyring *keyring_new(void);       /* NULL: out of memory */
void keyring_free(struct keyring *ring); /* accepts NULL */

/* Adds every key of a text: the PEM blocks CERTIFICATE, PUBLIC KEY and RSA PUBLIC KEY, with any
 * words between; or the bare base64 of a PUBLIC KEY, as gateways show it on their pages.
 * A certificate's id is its serial number.  That of a public key is the line before it that begins
 * with KEYRING_PUBLIC_ID, else `name`.
 * False: `error` says what is wrong, and what is allowed. */
bool keyring_add(
    struct keyring *ring, const char *name, const char *text, char *error, size_t error_size);

/* The key with that id; serial numbers are compared as the numbers they are.  NULL: none. */
EVP_PKEY *keyring_find(const struct keyring *ring, const char *id);

size_t keyring_count(const struct keyring *ring);
EVP_PKEY *keyring_key(const struct keyring *ring, size_t i);
const char *keyring_id(const struct keyring *ring, size_t i);

/* True when that key came without a certificate. */
bool keyring_is_bare(const struct keyring *ring, size_t i);

#endif
