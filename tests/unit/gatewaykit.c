#include "tests/unit/gatewaykit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

EVP_PKEY *
kit_rsa(unsigned bits)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);

	assert_non_null(key);
	return key;
}

char *
kit_base64(const void *bytes, size_t len)
{
	char *text = malloc(len / 3 * 4 + 5);

	EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
	return text;
}

char *
kit_sign(EVP_PKEY *key, const void *bytes, size_t len)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char signature[1024];
	size_t signature_len = sizeof signature;

	assert_int_equal(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(md, signature, &signature_len, bytes, len), 1);
	EVP_MD_CTX_free(md);
	return kit_base64(signature, signature_len);
}

/* What was written to a memory BIO, which it ends. */
static char *
text_of(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)len);

	BIO_free(bio);
	return text;
}

char *
kit_public_pem(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	return text_of(bio);
}

char *
kit_private_pem(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	return text_of(bio);
}

char *
kit_certificate_pem(EVP_PKEY *key, const char *serial_hex)
{
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *certificate = X509_new();
	BIGNUM *serial = NULL;

	assert_true(BN_hex2bn(&serial, serial_hex) > 0);
	BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
	BN_free(serial);
	X509_free(certificate);
	return text_of(bio);
}

char *
kit_seal(const char key[32], const char *nonce, const char *associated, const char *text)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	size_t len = strlen(text);
	unsigned char *sealed = malloc(len + 16);
	char *base64;
	int n;

	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL), 1);
	assert_int_equal(
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)strlen(nonce), NULL), 1);
	assert_int_equal(
	    EVP_EncryptInit_ex(ctx, NULL, NULL, (const void *)key, (const void *)nonce), 1);
	assert_int_equal(
	    EVP_EncryptUpdate(ctx, NULL, &n, (const void *)associated, (int)strlen(associated)), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, sealed, &n, (const void *)text, (int)len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, sealed + len, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, sealed + len), 1);
	EVP_CIPHER_CTX_free(ctx);
	base64 = kit_base64(sealed, len + 16);
	free(sealed);
	return base64;
}

void
kit_write(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

char *
kit_folder(void)
{
	char *folder = strdup("/tmp/gateway-test.XXXXXX");

	assert_non_null(mkdtemp(folder));
	return folder;
}

static int
remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	(void)kind;
	(void)where;
	return remove(path);
}

void
kit_remove(char *folder)
{
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(folder);
}
