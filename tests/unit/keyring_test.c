/* Public keys from files, signatures and sealed boxes made with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "fcgi-order/aead.h"
#include "fcgi-order/base64.h"
#include "fcgi-order/keyfiles.h"
#include "fcgi-order/rsa.h"
#include "tests/unit/gatewaykit.h"

enum { N_KEYS = 3 };

/* Made once: they take a while. */
static EVP_PKEY *rsa[N_KEYS];
static char *public_pem[N_KEYS];

struct fixture {
	char *folder;
	char path[100];
	char error[300];
};

static int
make_keys(void **state)
{
	(void)state;
	for (int i = 0; i < N_KEYS; i++) {
		rsa[i] = kit_rsa(2048);
		public_pem[i] = kit_public_pem(rsa[i]);
	}
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	for (int i = 0; i < N_KEYS; i++) {
		EVP_PKEY_free(rsa[i]);
		free(public_pem[i]);
	}
	return 0;
}

static int
begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->folder = kit_folder();
	*state = f;
	return 0;
}

static int
end(void **state)
{
	struct fixture *f = *state;

	kit_remove(f->folder);
	free(f);
	return 0;
}

/* Writes a file into the fixture's folder. */
static void
put(struct fixture *f, const char *name, const char *text)
{
	snprintf(f->path, sizeof f->path, "%s/%s", f->folder, name);
	kit_write(f->path, text, 0644);
}

/* Loads a file of that text alone. */
static struct keyring *
load(struct fixture *f, const char *text)
{
	put(f, "keys.pem", text);
	*f->error = '\0';
	return keyfiles_load(f->path, f->error, sizeof f->error);
}

static void
is_refused(struct fixture *f, const char *text, const char *why)
{
	struct keyring *ring = load(f, text);

	if (ring != NULL)
		fail_msg("taken, though: %s", why);
	if (strstr(f->error, why) == NULL)
		fail_msg("said \"%s\", not \"%s\"", f->error, why);
	assert_non_null(strstr(f->error, f->path));
}

static bool
is_key(const struct keyring *ring, const char *id, EVP_PKEY *key)
{
	EVP_PKEY *found = keyring_find(ring, id);

	return found != NULL && EVP_PKEY_eq(found, key) == 1;
}

/* --- files --- */

static void
one_file_may_hold_keys_of_every_kind(void **state)
{
	struct fixture *f = *state;
	char *one = kit_certificate_pem(rsa[0], "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567");
	char *two = kit_certificate_pem(rsa[1], "7F");
	struct keyring *ring;
	char *text;

	assert_true(asprintf(&text,
			"of the winter\n%s\nPUB_KEY_ID_0123456789 since May\r\n%s\nand the "
			"last:\n\n%s",
			one, public_pem[2], two) > 0);
	ring = load(f, text);
	assert_string_equal(f->error, "");
	assert_int_equal(keyring_count(ring), 3);
	assert_true(is_key(ring, "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567", rsa[0]));
	assert_true(is_key(ring, "a1b2c3d4e5f60718293a4b5c6d7e8f901234567", rsa[0]));
	assert_true(is_key(ring, "7F", rsa[1]));
	assert_true(is_key(ring, "PUB_KEY_ID_0123456789", rsa[2]));
	assert_null(keyring_find(ring, ""));
	assert_null(keyring_find(ring, "8F"));
	assert_null(keyring_find(ring, "PUB_KEY_ID_012345678"));
	assert_false(keyring_is_bare(ring, 0));
	assert_true(keyring_is_bare(ring, 1));
	keyring_free(ring);
	free(text);
	free(one);
	free(two);
}

static void
a_folder_is_all_its_files_and_their_names_are_ids(void **state)
{
	struct fixture *f = *state;
	char *certificate = kit_certificate_pem(rsa[0], "01AB");
	struct keyring *ring;

	put(f, "wechatpay_01AB.pem", certificate);
	put(f, "the same again.crt", certificate);
	put(f, "PUB_KEY_ID_11.pem", public_pem[1]);
	put(f, "PUB_KEY_ID_22", public_pem[2]);
	put(f, ".hidden", "not looked at");
	ring = keyfiles_load(f->folder, f->error, sizeof f->error);
	assert_non_null(ring);
	assert_int_equal(keyring_count(ring), 3);
	assert_true(is_key(ring, "1ab", rsa[0]));
	assert_true(is_key(ring, "PUB_KEY_ID_11", rsa[1]));
	assert_true(is_key(ring, "PUB_KEY_ID_22", rsa[2]));
	keyring_free(ring);
	put(f, "other", "a note");
	assert_null(keyfiles_load(f->folder, f->error, sizeof f->error));
	assert_non_null(strstr(f->error, f->path));
	assert_non_null(strstr(f->error, "no key is in it; allowed are"));
	free(certificate);
}

static void
a_key_may_be_the_bare_base64_of_a_web_page(void **state)
{
	struct fixture *f = *state;
	char text[2000] = "", *to = text;
	struct keyring *ring;

	/* The PEM without its first and last line. */
	for (const char *at = strchr(public_pem[0], '\n') + 1; *at != '-'; at++)
		*to++ = *at;
	*to = '\0';
	ring = load(f, text);
	assert_string_equal(f->error, "");
	assert_true(is_key(ring, "keys", rsa[0]));
	keyring_free(ring);
	text[strcspn(text, "\n")] = ' ';
	ring = load(f, text);
	assert_non_null(ring);
	keyring_free(ring);
	text[50] = text[50] == 'A' ? 'B' : 'A';
	text[3] = '!';
	is_refused(f, text, "no key is in it; allowed are the PEM blocks");
}

static void
what_is_no_key_is_refused_with_file_and_reason(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *small = kit_rsa(1024), *curve = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	char *private = kit_private_pem(rsa[0]), *small_pem = kit_public_pem(small);
	char *curve_pem = kit_public_pem(curve), *one = kit_certificate_pem(rsa[0], "11");
	char *other = kit_certificate_pem(rsa[1], "11"), *text;

	is_refused(f, "", "no key is in it; allowed are the PEM blocks CERTIFICATE");
	is_refused(f, "AAAA", "a PUBLIC KEY in it cannot be read");
	is_refused(f, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    "a CERTIFICATE in it cannot be read");
	is_refused(f, "-----BEGIN CERTIFICATE-----\nAAAA\n", "a PEM block in it is broken");
	is_refused(f, private, "a private key is in it, which has no business here");
	assert_null(strstr(f->error, "MII"));
	is_refused(f, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
	    "\"X509 CRL\" is in it; allowed are CERTIFICATE, PUBLIC KEY and RSA PUBLIC KEY");
	is_refused(f, small_pem, "is none of RSA with 2048 to 8192 bits");
	is_refused(f, curve_pem, "is none of RSA with 2048 to 8192 bits");
	assert_true(asprintf(&text, "%s%s", one, other) > 0);
	is_refused(f, text, "the id 11 stands for two different keys");
	free(text);
	EVP_PKEY_free(small);
	EVP_PKEY_free(curve);
	free(private);
	free(small_pem);
	free(curve_pem);
	free(one);
	free(other);
}

static void
files_that_cannot_be_trusted_or_read_are_refused(void **state)
{
	struct fixture *f = *state;
	char big[70000], inner[100];
	FILE *file;

	put(f, "keys.pem", public_pem[0]);
	assert_int_equal(chmod(f->path, 0646), 0);
	assert_null(keyfiles_load(f->path, f->error, sizeof f->error));
	assert_non_null(strstr(f->error, "can be written by everybody: chmod o-w it"));
	assert_int_equal(chmod(f->path, 0644), 0);
	assert_int_equal(chmod(f->folder, 0777), 0);
	assert_null(keyfiles_load(f->folder, f->error, sizeof f->error));
	assert_non_null(strstr(f->error, "can be written by everybody"));
	assert_int_equal(chmod(f->folder, 0755), 0);
	memset(big, 'x', sizeof big);
	big[sizeof big - 1] = '\0';
	put(f, "keys.pem", big);
	assert_null(keyfiles_load(f->path, f->error, sizeof f->error));
	assert_non_null(strstr(f->error, "File too large"));
	file = fopen(f->path, "w");
	assert_int_equal(fwrite("\x30\x82\0\0", 1, 4, file), 4);
	fclose(file);
	assert_null(keyfiles_load(f->path, f->error, sizeof f->error));
	assert_non_null(strstr(f->error, "PEM, not DER"));
	assert_null(keyfiles_load("/nonexistent/keys", f->error, sizeof f->error));
	assert_non_null(strstr(f->error, "\"/nonexistent/keys\": No such file"));
	remove(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_null(keyfiles_load(f->path, f->error, sizeof f->error));
	assert_non_null(strstr(f->error, "is neither a file nor a folder"));
	remove(f->path);
	assert_null(keyfiles_load(f->folder, f->error, sizeof f->error));
	assert_non_null(strstr(f->error, "no key is in it"));
	snprintf(inner, sizeof inner, "%s/inner", f->folder);
	assert_int_equal(mkdir(inner, 0755), 0);
	assert_null(keyfiles_load(f->folder, f->error, sizeof f->error));
	assert_non_null(strstr(f->error, "is no file; a folder of keys has files only"));
}

/* --- signatures --- */

static void
a_signature_is_of_these_bytes_by_this_key(void **state)
{
	static const char text[] = "one part and another";
	const struct rsa_part parts[] = {{"one part", 8}, {"", 0}, {" and another", 12}};
	char *signature = kit_sign(rsa[0], text, strlen(text));
	size_t len = strlen(signature);

	(void)state;
	assert_true(rsa_verify(rsa[0], signature, parts, 3));
	assert_false(rsa_verify(rsa[1], signature, parts, 3));
	assert_false(rsa_verify(rsa[0], signature, parts, 2));
	assert_false(rsa_verify(rsa[0], signature, parts + 1, 2));
	assert_false(rsa_verify(rsa[0], "", parts, 3));
	assert_false(rsa_verify(rsa[0], "AAAA", parts, 3));
	for (size_t i = 0; i < len; i++) {
		char was = signature[i];

		signature[i] = was == 'A' ? 'B' : 'A';
		assert_false(rsa_verify(rsa[0], signature, parts, 3));
		signature[i] = was;
	}
	signature[len - 4] = '\0';
	assert_false(rsa_verify(rsa[0], signature, parts, 3));
	free(signature);
}

/* As a signer that pads in another way would make it. */
static void
a_pss_signature_is_none(void **state)
{
	static const char text[] = "text";
	const struct rsa_part part = {text, 4};
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	unsigned char bytes[256];
	size_t len = sizeof bytes;
	char *signature;

	(void)state;
	assert_int_equal(EVP_DigestSignInit(md, &ctx, EVP_sha256(), NULL, rsa[0]), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
	assert_int_equal(EVP_DigestSign(md, bytes, &len, (const unsigned char *)text, 4), 1);
	signature = kit_base64(bytes, len);
	assert_false(rsa_verify(rsa[0], signature, &part, 1));
	EVP_MD_CTX_free(md);
	free(signature);
}

/* --- sealed boxes --- */

static const char api_key[] = "0123456789abcdef0123456789ABCDEF";

static bool
opens(const char *sealed_base64, const char *nonce, const char *associated, const char *key,
    char out[100])
{
	unsigned char sealed[100];
	struct aead_box box = {nonce, strlen(nonce), associated, strlen(associated), sealed, 0};
	bool ok;

	assert_true(base64_decode(
	    sealed_base64, strlen(sealed_base64), sealed, sizeof sealed, &box.sealed_len));
	memset(out, 'x', 100);
	ok = aead_open(&box, (const unsigned char *)key, (unsigned char *)out);
	if (box.sealed_len >= AEAD_TAG_BYTES)
		out[box.sealed_len - AEAD_TAG_BYTES] = '\0';
	return ok;
}

static void
a_box_is_opened_by_its_key_alone(void **state)
{
	char *sealed = kit_seal(api_key, "twelve bytes", "transaction", "what was paid");
	char out[100], bad[100];

	(void)state;
	assert_true(opens(sealed, "twelve bytes", "transaction", api_key, out));
	assert_string_equal(out, "what was paid");
	assert_false(
	    opens(sealed, "twelve bytes", "transaction", "0123456789abcdef0123456789ABCDEf", out));
	assert_string_equal(out, "");
	assert_false(opens(sealed, "twelve byteS", "transaction", api_key, out));
	assert_false(opens(sealed, "twelve bytes", "transactioN", api_key, out));
	assert_false(opens(sealed, "twelve bytes", "", api_key, out));
	/* Every bit of text and tag counts. */
	for (size_t i = 0; sealed[i] != '\0' && sealed[i] != '='; i++) {
		strcpy(bad, sealed);
		bad[i] = bad[i] == 'A' ? 'Q' : 'A';
		if (strcmp(bad, sealed) != 0)
			assert_false(opens(bad, "twelve bytes", "transaction", api_key, out));
	}
	free(sealed);
}

static void
a_box_without_text_or_with_a_short_or_long_nonce_is_judged_too(void **state)
{
	char *empty = kit_seal(api_key, "n", "", ""), out[100];
	char *sixteen = kit_seal(api_key, "sixteen bytes ok", "a", "b");
	char *seventeen = kit_seal(api_key, "seventeen bytes no", "a", "b");

	(void)state;
	assert_true(opens(empty, "n", "", api_key, out));
	assert_string_equal(out, "");
	assert_true(opens(sixteen, "sixteen bytes ok", "a", api_key, out));
	assert_false(opens(seventeen, "seventeen bytes no", "a", api_key, out));
	assert_false(opens(sixteen, "", "a", api_key, out));
	assert_false(opens("AAAAAAAAAAAAAAAAAAAA", "n", "", api_key, out)); /* 15 bytes: no tag */
	free(empty);
	free(sixteen);
	free(seventeen);
}

/* NIST's GCM test vector for a 256-bit key with associated data (McGrew and Viega, case 16). */
static void
the_standards_test_vector_is_opened(void **state)
{
	static const unsigned char key[] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d,
	    0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08, 0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73,
	    0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};
	static const char nonce[] = "\xca\xfe\xba\xbe\xfa\xce\xdb\xad\xde\xca\xf8\x88";
	static const char associated[] = "\xfe\xed\xfa\xce\xde\xad\xbe\xef\xfe\xed\xfa\xce\xde\xad"
					 "\xbe\xef\xab\xad\xda\xd2";
	static const unsigned char sealed[] = {0x52, 0x2d, 0xc1, 0xf0, 0x99, 0x56, 0x7d, 0x07, 0xf4,
	    0x7f, 0x37, 0xa3, 0x2a, 0x84, 0x42, 0x7d, 0x64, 0x3a, 0x8c, 0xdc, 0xbf, 0xe5, 0xc0,
	    0xc9, 0x75, 0x98, 0xa2, 0xbd, 0x25, 0x55, 0xd1, 0xaa, 0x8c, 0xb0, 0x8e, 0x48, 0x59,
	    0x0d, 0xbb, 0x3d, 0xa7, 0xb0, 0x8b, 0x10, 0x56, 0x82, 0x88, 0x38, 0xc5, 0xf6, 0x1e,
	    0x63, 0x93, 0xba, 0x7a, 0x0a, 0xbc, 0xc9, 0xf6, 0x62, 0x76, 0xfc, 0x6e, 0xce, 0x0f,
	    0x4e, 0x17, 0x68, 0xcd, 0xdf, 0x88, 0x53, 0xbb, 0x2d, 0x55, 0x1b};
	static const unsigned char text[] = {0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5,
	    0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26, 0x9a};
	const struct aead_box box = {nonce, 12, associated, 20, sealed, sizeof sealed};
	unsigned char out[sizeof sealed];

	(void)state;
	assert_true(aead_open(&box, key, out));
	assert_memory_equal(out, text, sizeof text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_file_may_hold_keys_of_every_kind),
	    TEST(a_folder_is_all_its_files_and_their_names_are_ids),
	    TEST(a_key_may_be_the_bare_base64_of_a_web_page),
	    TEST(what_is_no_key_is_refused_with_file_and_reason),
	    TEST(files_that_cannot_be_trusted_or_read_are_refused),
	    cmocka_unit_test(a_signature_is_of_these_bytes_by_this_key),
	    cmocka_unit_test(a_pss_signature_is_none),
	    cmocka_unit_test(a_box_is_opened_by_its_key_alone),
	    cmocka_unit_test(a_box_without_text_or_with_a_short_or_long_nonce_is_judged_too),
	    cmocka_unit_test(the_standards_test_vector_is_opened),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
