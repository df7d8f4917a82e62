#include "shared/token.h"

#include <json-c/json.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json.h"

/* Decodes with that key alone; NULL unless the signature is its HS256. */
static jwt_t *
decode(const char *token, const char *secret)
{
	jwt_t *jwt = NULL;

	if (jwt_decode(&jwt, token, (const unsigned char *)secret, (int)strlen(secret)) != 0)
		return NULL;
	if (jwt_get_alg(jwt) == JWT_ALG_HS256)
		return jwt;
	jwt_free(jwt);
	return NULL;
}

/* A key fits a token when both name the same kid or neither does; a token without one may also be
 * of any key (the issuer may not know of kids). */
static int
is_for(const struct token_key *key, const char *kid)
{
	return kid == NULL || (key->kid != NULL && strcmp(key->kid, kid) == 0);
}

static enum token_status
check_claims(json_object *grants, const char *id_claim, int64_t now, struct token_claims *claims)
{
	int64_t not_before;

	if (!json_get_int(grants, "exp", &claims->exp))
		return TOKEN_BAD;
	if (now >= claims->exp)
		return TOKEN_EXPIRED;
	if (json_has(grants, "nbf") &&
	    (!json_get_int(grants, "nbf", &not_before) || now < not_before))
		return TOKEN_EXPIRED;
	if (!json_get_int(grants, id_claim, &claims->id) || claims->id <= 0)
		return TOKEN_NO_CLAIM;
	return TOKEN_OK;
}

static enum token_status
check(jwt_t *jwt, const char *id_claim, int64_t now, struct token_claims *claims)
{
	char *text = jwt_get_grants_json(jwt, NULL);
	json_object *grants = text == NULL ? NULL : json_read_object(text, strlen(text));
	enum token_status status =
	    grants == NULL ? TOKEN_BAD : check_claims(grants, id_claim, now, claims);

	json_object_put(grants);
	free(text);
	return status;
}

enum token_status
token_verify(const char *token, const struct token_key *keys, size_t n_keys, const char *id_claim,
    int64_t now, struct token_claims *claims)
{
	*claims = (struct token_claims){0};
	if (strnlen(token, TOKEN_MAX + 1) > TOKEN_MAX)
		return TOKEN_BAD;
	for (size_t i = 0; i < n_keys; i++) {
		jwt_t *jwt = decode(token, keys[i].secret);
		enum token_status status = TOKEN_BAD;

		if (jwt == NULL)
			continue;
		if (is_for(&keys[i], jwt_get_header(jwt, "kid")))
			status = check(jwt, id_claim, now, claims);
		jwt_free(jwt);
		if (status != TOKEN_OK)
			*claims = (struct token_claims){0};
		if (status != TOKEN_BAD)
			return status;
	}
	return TOKEN_BAD;
}
