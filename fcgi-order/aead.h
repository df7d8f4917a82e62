/* aead.h - AEAD_AES_256_GCM (RFC 5116, section 5.2): opens what was sealed with a shared key.  Any
 * thread. */
#ifndef FCGI_ORDER_AEAD_H
#define FCGI_ORDER_AEAD_H

#include <stdbool.h>
#include <stddef.h>

enum { AEAD_KEY_BYTES = 32, AEAD_TAG_BYTES = 16, AEAD_NONCE_MAX = 16 };

struct aead_box {
	const char *nonce; /* 1 to AEAD_NONCE_MAX bytes */
	size_t nonce_len;
	const char *associated; /* what was sealed with it, and is not secret */
	size_t associated_len;
	const unsigned char *sealed; /* with the tag at its end */
	size_t sealed_len;
};

/* Writes sealed_len - AEAD_TAG_BYTES bytes to `out`.  False when the key is another, or anything
 * was changed: what `out` holds then is nothing. */
bool aead_open(
    const struct aead_box *box, const unsigned char key[AEAD_KEY_BYTES], unsigned char *out);

#endif
