/* access.h - who may connect, and to which merchant's events.  Pure but for the clock it is given.
 * Immutable once made: any thread. */
#ifndef NOTIFIER_ACCESS_H
#define NOTIFIER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/request.h"
#include "shared/token.h"

enum access_auth { ACCESS_NONE, ACCESS_JWT };

struct access {
	enum access_auth auth;
	struct token_key keys[2];
	size_t n_keys;
	bool token_in_query;       /* ?token= is looked at too */
	const char *allow_origin;  /* space-separated; "*": any; "": only the request's own host */
	const char *trusted_proxy; /* space-separated addresses */
};

/* Whose events, and until when. */
struct grant {
	int64_t merchant; /* 0: nothing was granted yet */
	int64_t exp;      /* Unix seconds; 0: without end */
};

/* The fences every request meets: with auth = none nothing that comes from beyond this machine,
 * from a browser only pages of an allowed origin.  NULL, or why the request is refused (403). */
const char *access_refusal(const struct access *a, const struct request *r);

/* What the request proves by itself: Authorization: Bearer, header token, cookie token, ?token=
 * (in that order, the first that is there decides); with auth = none ?merchant= (1 when not there).
 * TOKEN_BAD also when there is no proof at all. */
enum token_status access_by_request(
    const struct access *a, const struct request *r, int64_t now, struct grant *grant);

/* The same for a token that came in a hello. */
enum token_status access_by_token(
    const struct access *a, const char *token, int64_t now, struct grant *grant);

#endif
