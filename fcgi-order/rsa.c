#include "fcgi-order/rsa.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "fcgi-order/base64.h"

bool
rsa_takes(const EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
	       EVP_PKEY_get_bits(key) >= RSA_BITS_MIN && EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
}

static bool
start(EVP_MD_CTX *md, EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx; /* md's */

	return EVP_DigestVerifyInit(md, &ctx, EVP_sha256(), NULL, key) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
}

bool
rsa_verify(EVP_PKEY *key, const char *signature, const struct rsa_part *parts, size_t n_parts)
{
	unsigned char bytes[RSA_BITS_MAX / 8];
	EVP_MD_CTX *md;
	size_t len;
	bool ok;

	if (!base64_decode(signature, strlen(signature), bytes, sizeof bytes, &len))
		return false;
	md = EVP_MD_CTX_new();
	ok = md != NULL && start(md, key);
	for (size_t i = 0; i < n_parts && ok; i++)
		ok = EVP_DigestVerifyUpdate(md, parts[i].bytes, parts[i].len) == 1;
	ok = ok && EVP_DigestVerifyFinal(md, bytes, len) == 1;
	EVP_MD_CTX_free(md);
	return ok;
}
