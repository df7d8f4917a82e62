#include "fcgi-order/aead.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

static bool
start(EVP_CIPHER_CTX *ctx, const struct aead_box *box, const unsigned char *key)
{
	return EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)box->nonce_len, NULL) == 1 &&
	       EVP_DecryptInit_ex(ctx, NULL, NULL, key, (const unsigned char *)box->nonce) == 1;
}

static bool
take_associated(EVP_CIPHER_CTX *ctx, const struct aead_box *box)
{
	int n;

	return box->associated_len == 0 ||
	       EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)box->associated,
		   (int)box->associated_len) == 1;
}

/* Decrypts, and is true only when the tag is that of all that was taken. */
static bool
finish(EVP_CIPHER_CTX *ctx, const struct aead_box *box, unsigned char *out)
{
	size_t len = box->sealed_len - AEAD_TAG_BYTES;
	unsigned char tag[AEAD_TAG_BYTES], rest[AEAD_TAG_BYTES];
	int n;

	for (size_t i = 0; i < sizeof tag; i++)
		tag[i] = box->sealed[len + i];
	return (len == 0 || EVP_DecryptUpdate(ctx, out, &n, box->sealed, (int)len) == 1) &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) == 1 &&
	       EVP_DecryptFinal_ex(ctx, rest, &n) == 1;
}

bool
aead_open(const struct aead_box *box, const unsigned char key[AEAD_KEY_BYTES], unsigned char *out)
{
	EVP_CIPHER_CTX *ctx;
	bool ok;

	if (box->nonce_len < 1 || box->nonce_len > AEAD_NONCE_MAX ||
	    box->sealed_len < AEAD_TAG_BYTES || box->sealed_len > INT_MAX ||
	    box->associated_len > INT_MAX)
		return false;
	ctx = EVP_CIPHER_CTX_new();
	ok = ctx != NULL && start(ctx, box, key) && take_associated(ctx, box) &&
	     finish(ctx, box, out);
	EVP_CIPHER_CTX_free(ctx);
	if (!ok) /* not a byte of what was not proven */
		OPENSSL_cleanse(out, box->sealed_len - AEAD_TAG_BYTES);
	return ok;
}
