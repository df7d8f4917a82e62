/* token.h - JSON Web Tokens as both programs accept them: RFC 7519, HS256 only, signature checked
 * by libjwt. Pure; any thread. */
#ifndef SHARED_TOKEN_H
#define SHARED_TOKEN_H

#include <stddef.h>
#include <stdint.h>

enum token_status {
	TOKEN_OK,
	TOKEN_BAD,      /* malformed, another algorithm, wrong signature, unknown kid */
	TOKEN_EXPIRED,  /* `exp` has passed, or `nbf` has not come */
	TOKEN_NO_CLAIM, /* genuine, but the wanted claim is not there or is no positive integer */
};

/* A key is the bytes of the secret.  `kid` NULL: serves tokens that name no kid; else tokens that
 * name this one. */
struct token_key {
	const char *kid;
	const char *secret;
};

/* Longest token that is looked at at all, in bytes. */
enum { TOKEN_MAX = 4096 };

struct token_claims {
	int64_t id;  /* the wanted claim */
	int64_t exp; /* Unix seconds; required */
};

/* Verifies `token` (NUL-terminated) against the keys at `now` (Unix seconds) and reads the positive
 * integer claim `id_claim` ("userId", "merchant").  A token that names a kid is tried with that key
 * alone; one that names none with every key. */
enum token_status token_verify(const char *token, const struct token_key *keys, size_t n_keys,
    const char *id_claim, int64_t now, struct token_claims *claims);

#endif
