/* token - token_verify() accepts what a key of its own has signed, as the token says it, and
 * nothing else.
 * Input: a byte that chooses the key, then header, newline and payload, which are signed with it;
 * with other values of the byte the rest is the token as it is. */
#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/json.h"
#include "shared/token.h"
#include "tests/fuzz/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* A token that nobody of ours has signed. */
static void
check_foreign(const uint8_t *input, size_t size)
{
	struct token_claims claims;
	char *token = malloc(size + 1); /* of that size: what is read behind its end is found */

	memcpy(token, input, size);
	token[size] = '\0';
	assert(token_verify(token, tokens_keys(), TOKENS_N_KEYS, "merchant", TOKENS_NOW, &claims) ==
	       TOKEN_BAD);
	assert(claims.id == 0 && claims.exp == 0);
	free(token);
}

/* True when a key may verify tokens with this header.  (libjwt ends a part at a NUL byte: who holds
 * the key may say it so.) */
static bool
is_header_for(unsigned key, const char *text, size_t len)
{
	json_object *header = json_read_object(text, strnlen(text, len));
	const char *alg, *kid;
	bool names_kid = header != NULL && json_object_object_get(header, "kid") != NULL;
	bool ok =
	    header != NULL && json_get_text(header, "alg", &alg) && strcasecmp(alg, "HS256") == 0;

	if (ok && names_kid && json_get_text(header, "kid", &kid))
		ok = key == 1 && strcmp(kid, TOKENS_KID) == 0;
	json_object_put(header);
	return ok;
}

/* What an accepted token says must stand in its payload. */
static void
check_claims(const char *text, size_t len, const struct token_claims *claims)
{
	json_object *payload = json_read_object(text, strnlen(text, len));
	int64_t value;

	assert(payload != NULL);
	assert(json_get_int(payload, "exp", &value) && value == claims->exp && value > TOKENS_NOW);
	assert(json_get_int(payload, "merchant", &value) && value == claims->id && value > 0);
	assert(!json_has(payload, "nbf") ||
	       (json_get_int(payload, "nbf", &value) && value <= TOKENS_NOW));
	json_object_put(payload);
}

static void
check_signed(unsigned key, const char *text, size_t size)
{
	const char *newline = memchr(text, '\n', size);
	size_t header_len = newline == NULL ? size : (size_t)(newline - text);
	const char *payload = newline == NULL ? text : newline + 1;
	size_t payload_len = newline == NULL ? 0 : size - header_len - 1;
	char token[2 * TOKEN_MAX];
	size_t len = tokens_sign(key, text, header_len, payload, payload_len, token, sizeof token);
	struct token_claims claims;
	enum token_status status;

	if (len == 0)
		return;
	status = token_verify(token, tokens_keys(), TOKENS_N_KEYS, "merchant", TOKENS_NOW, &claims);
	assert(status == TOKEN_OK || (claims.id == 0 && claims.exp == 0));
	if (status == TOKEN_OK || status == TOKEN_EXPIRED || status == TOKEN_NO_CLAIM)
		assert(key < TOKENS_N_KEYS && len <= TOKEN_MAX &&
		       is_header_for(key, text, header_len));
	if (status == TOKEN_OK)
		check_claims(payload, payload_len, &claims);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	if (size == 0)
		return 0;
	if (input[0] <= TOKENS_FOREIGN)
		check_signed(input[0], (const char *)input + 1, size - 1);
	else
		check_foreign(input + 1, size - 1);
	return 0;
}
