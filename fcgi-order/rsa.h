/* rsa.h - RSA signatures, PKCS#1 v1.5 with SHA-256 (RFC 8017, section 8.2).  Any thread: a key is
 * only read. */
#ifndef FCGI_ORDER_RSA_H
#define FCGI_ORDER_RSA_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

struct rsa_part {
	const void *bytes;
	size_t len;
};

/* True when a key is one that we verify with: RSA, of RSA_BITS_MIN to RSA_BITS_MAX bits. */
bool rsa_takes(const EVP_PKEY *key);

/* True when the base64 text is this key's signature of the parts, one behind the other. */
bool rsa_verify(EVP_PKEY *key, const char *signature, const struct rsa_part *parts, size_t n_parts);

#endif
