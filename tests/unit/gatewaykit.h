/* gatewaykit.h - a payment gateway's side, for tests: keys, certificates, signatures, sealed boxes.
 * Made with OpenSSL alone, so that it agrees with the program by nothing but the specifications.
 * What it gives as text is the caller's to free. */
#ifndef TESTS_UNIT_GATEWAYKIT_H
#define TESTS_UNIT_GATEWAYKIT_H

#include <openssl/types.h>
#include <stddef.h>
#include <sys/types.h>

EVP_PKEY *kit_rsa(unsigned bits);

/* Base64 of the RSA (PKCS#1 v1.5, SHA-256) signature. */
char *kit_sign(EVP_PKEY *key, const void *bytes, size_t len);

char *kit_base64(const void *bytes, size_t len);

char *kit_public_pem(EVP_PKEY *key);
char *kit_private_pem(EVP_PKEY *key);
char *kit_certificate_pem(EVP_PKEY *key, const char *serial_hex);

/* Base64 of the AES-256-GCM ciphertext with its tag. */
char *kit_seal(const char key[32], const char *nonce, const char *associated, const char *text);

void kit_write(const char *path, const char *text, mode_t mode);

/* A new folder below /tmp, and its end with the files in it. */
char *kit_folder(void);
void kit_remove(char *folder);

#endif
