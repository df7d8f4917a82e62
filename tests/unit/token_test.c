/* Tokens: one algorithm, one claim, no way around. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "shared/token.h"

enum { NOW = 1700000000, ROOM = 3 * TOKEN_MAX };

static const char secret[] = "a secret of the shop";
static const char other_secret[] = "a secret of somebody";
static const char hs256[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
static const char good_claims[] = "{\"userId\":4,\"exp\":1700000060}";
static const struct token_key only_key[] = {{NULL, secret}};

static size_t
base64url(char *to, const void *bytes, size_t len)
{
	size_t n = (size_t)EVP_EncodeBlock((unsigned char *)to, bytes, (int)len);

	while (n > 0 && to[n - 1] == '=')
		n--;
	to[n] = '\0';
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i]);
	return n;
}

/* A token of that header and those claims, as they stand; valid until the next call. */
static char *
sign(const char *header, const char *claims, const char *with, const EVP_MD *md)
{
	static char token[ROOM];
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len;
	size_t n = base64url(token, header, strlen(header));

	token[n++] = '.';
	n += base64url(token + n, claims, strlen(claims));
	HMAC(md, with, (int)strlen(with), (unsigned char *)token, n, mac, &mac_len);
	token[n++] = '.';
	base64url(token + n, mac, mac_len);
	return token;
}

static enum token_status
verify(const char *token)
{
	struct token_claims claims;

	return token_verify(token, only_key, 1, "userId", NOW, &claims);
}

static enum token_status
verify_claims(const char *claims)
{
	return verify(sign(hs256, claims, secret, EVP_sha256()));
}

static void
a_good_token_gives_its_claims(void **state)
{
	struct token_claims claims;
	const char *token = sign(hs256, good_claims, secret, EVP_sha256());

	(void)state;
	assert_int_equal(token_verify(token, only_key, 1, "userId", NOW, &claims), TOKEN_OK);
	assert_int_equal(claims.id, 4);
	assert_int_equal(claims.exp, NOW + 60);
}

static void
another_key_or_none_does_not_open(void **state)
{
	struct token_claims claims;
	const char *token = sign(hs256, good_claims, other_secret, EVP_sha256());

	(void)state;
	assert_int_equal(verify(token), TOKEN_BAD);
	assert_int_equal(token_verify(token, NULL, 0, "userId", NOW, &claims), TOKEN_BAD);
	assert_int_equal(verify(sign(hs256, good_claims, "", EVP_sha256())), TOKEN_BAD);
}

static void
every_changed_character_spoils_it(void **state)
{
	char *token = sign(hs256, good_claims, secret, EVP_sha256());

	(void)state;
	for (char *at = token; *at != '\0'; at++) {
		char was = *at;

		*at = was == 'B' ? 'C' : 'B';
		assert_int_not_equal(verify(token), TOKEN_OK);
		*at = '\0';
		assert_int_equal(verify(token), TOKEN_BAD);
		*at = was;
	}
	assert_int_equal(verify(token), TOKEN_OK);
	strcat(token, "A");
	assert_int_equal(verify(token), TOKEN_BAD);
}

static void
no_other_algorithm_is_believed(void **state)
{
	static const char *const headers[] = {"{\"alg\":\"none\"}", "{\"alg\":\"None\"}",
	    "{\"alg\":\"HS512\"}", "{\"alg\":\"HS384\"}", "{\"alg\":\"RS256\"}",
	    "{\"alg\":\"ES256\"}", "{\"alg\":\"\"}", "{\"alg\":5}", "{\"typ\":\"JWT\"}", "{}", "[]",
	    ""};
	char *unsigned_token;

	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		assert_int_equal(
		    verify(sign(headers[i], good_claims, secret, EVP_sha256())), TOKEN_BAD);
	/* Those are good tokens of their kind. */
	assert_int_equal(
	    verify(sign("{\"alg\":\"HS512\"}", good_claims, secret, EVP_sha512())), TOKEN_BAD);
	assert_int_equal(
	    verify(sign("{\"alg\":\"HS384\"}", good_claims, secret, EVP_sha384())), TOKEN_BAD);
	unsigned_token = sign("{\"alg\":\"none\"}", good_claims, secret, EVP_sha256());
	strrchr(unsigned_token, '.')[1] = '\0';
	assert_int_equal(verify(unsigned_token), TOKEN_BAD);
	unsigned_token = sign(hs256, good_claims, secret, EVP_sha256());
	strrchr(unsigned_token, '.')[1] = '\0';
	assert_int_equal(verify(unsigned_token), TOKEN_BAD);
}

static void
it_ends_at_exp_and_begins_at_nbf(void **state)
{
	(void)state;
	assert_int_equal(verify_claims("{\"userId\":4,\"exp\":1700000001}"), TOKEN_OK);
	assert_int_equal(verify_claims("{\"userId\":4,\"exp\":1700000000}"), TOKEN_EXPIRED);
	assert_int_equal(verify_claims("{\"userId\":4,\"exp\":-1}"), TOKEN_EXPIRED);
	assert_int_equal(
	    verify_claims("{\"userId\":4,\"exp\":1700000060,\"nbf\":1700000000}"), TOKEN_OK);
	assert_int_equal(
	    verify_claims("{\"userId\":4,\"exp\":1700000060,\"nbf\":1700000001}"), TOKEN_EXPIRED);
	assert_int_equal(
	    verify_claims("{\"userId\":4,\"exp\":1700000060,\"nbf\":\"x\"}"), TOKEN_EXPIRED);
}

static void
exp_must_be_there_as_an_integer(void **state)
{
	static const char *const bad[] = {"{\"userId\":4}", "{\"userId\":4,\"exp\":null}",
	    "{\"userId\":4,\"exp\":\"1700000060\"}", "{\"userId\":4,\"exp\":true}",
	    "{\"userId\":4,\"exp\":99999999999999999999}", "{\"userId\":4,\"exp\":1e300}"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(verify_claims(bad[i]), TOKEN_BAD);
}

static void
the_claim_must_be_a_positive_integer(void **state)
{
	static const char *const bad[] = {"0", "-1", "\"4\"", "4.0", "4.5", "true", "null", "[4]",
	    "{}", "\"4; drop\"", "9223372036854775807"};
	char claims[100];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(claims, sizeof claims, "{\"userId\":%s,\"exp\":1700000060}", bad[i]);
		assert_int_equal(verify_claims(claims), TOKEN_NO_CLAIM);
	}
	assert_int_equal(verify_claims("{\"empId\":4,\"exp\":1700000060}"), TOKEN_NO_CLAIM);
	assert_int_equal(
	    verify_claims("{\"userId\":99999999999999999999,\"exp\":1700000060}"), TOKEN_BAD);
}

static void
what_is_no_token_is_refused(void **state)
{
	static const char *const bad[] = {"", ".", "..", "...", "x", "a.b", "a.b.c", "a.b.c.d",
	    "e30.e30.e30", "\xff\xff.\xff.\xff", " ", "Bearer x"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(verify(bad[i]), TOKEN_BAD);
	assert_int_equal(verify_claims("[]"), TOKEN_BAD);
	assert_int_equal(verify_claims("5"), TOKEN_BAD);
	assert_int_equal(verify_claims("{\"userId\":4,\"exp\":1700000060}x"), TOKEN_BAD);
}

static void
an_overlong_token_is_not_looked_at(void **state)
{
	char claims[TOKEN_MAX];

	(void)state;
	snprintf(claims, sizeof claims, "{\"userId\":4,\"exp\":1700000060,\"x\":\"%*s\"}",
	    TOKEN_MAX - 200, "");
	assert_int_equal(verify_claims(claims), TOKEN_BAD);
	snprintf(claims, sizeof claims, "{\"userId\":4,\"exp\":1700000060,\"x\":\"%2000s\"}", "");
	assert_int_equal(verify_claims(claims), TOKEN_OK);
	memset(claims, '[', sizeof claims);
	claims[2900] = '\0';
	assert_int_equal(verify_claims(claims), TOKEN_BAD);
}

static void
a_kid_chooses_the_key(void **state)
{
	static const char kid_new[] = "{\"alg\":\"HS256\",\"kid\":\"new\"}";
	static const struct token_key keys[] = {{"old", secret}, {"new", other_secret}};
	struct token_claims claims;

	(void)state;
	assert_int_equal(token_verify(sign(kid_new, good_claims, other_secret, EVP_sha256()), keys,
			     2, "userId", NOW, &claims),
	    TOKEN_OK);
	/* Signed with a key of ours, but not with the one it names. */
	assert_int_equal(token_verify(sign(kid_new, good_claims, secret, EVP_sha256()), keys, 2,
			     "userId", NOW, &claims),
	    TOKEN_BAD);
	assert_int_equal(token_verify(sign("{\"alg\":\"HS256\",\"kid\":\"third\"}", good_claims,
					  secret, EVP_sha256()),
			     keys, 2, "userId", NOW, &claims),
	    TOKEN_BAD);
	/* An issuer that knows of no kids: either key. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(
		    token_verify(sign(hs256, good_claims, keys[i].secret, EVP_sha256()), keys, 2,
			"userId", NOW, &claims),
		    TOKEN_OK);
}

static void
a_refusal_leaves_no_claims(void **state)
{
	struct token_claims claims = {.id = 9, .exp = 9};

	(void)state;
	token_verify(sign(hs256, "{\"userId\":4,\"exp\":1}", secret, EVP_sha256()), only_key, 1,
	    "userId", NOW, &claims);
	assert_int_equal(claims.id, 0);
	assert_int_equal(claims.exp, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_good_token_gives_its_claims),
	    cmocka_unit_test(another_key_or_none_does_not_open),
	    cmocka_unit_test(every_changed_character_spoils_it),
	    cmocka_unit_test(no_other_algorithm_is_believed),
	    cmocka_unit_test(it_ends_at_exp_and_begins_at_nbf),
	    cmocka_unit_test(exp_must_be_there_as_an_integer),
	    cmocka_unit_test(the_claim_must_be_a_positive_integer),
	    cmocka_unit_test(what_is_no_token_is_refused),
	    cmocka_unit_test(an_overlong_token_is_not_looked_at),
	    cmocka_unit_test(a_kid_chooses_the_key),
	    cmocka_unit_test(a_refusal_leaves_no_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
