/* access.h - who may connect, and to which merchant's events.  Pure but for the clock it is given.
 * Immutable once made: any thread.  When the settings change another one takes its place; whoever
 * still works by this one holds a reference. */
#ifndef NOTIFIER_ACCESS_H
#define NOTIFIER_ACCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/request.h"
#include "shared/token.h"

enum access_auth {
	ACCESS_NONE,     /* everybody, on this machine alone */
	ACCESS_JWT,      /* who holds a JSON Web Token signed with one of the keys */
	ACCESS_TERMINAL, /* who holds the token of a terminal (orderbell.terminal_add) */
	ACCESS_ANY,      /* either */
};

struct access {
	enum access_auth auth;
	struct token_key keys[2];
	size_t n_keys;
	bool token_in_query;       /* ?token= is looked at too */
	const char *allow_origin;  /* space-separated; "*": any; "": only the request's own host */
	const char *trusted_proxy; /* space-separated addresses */
	atomic_uint refs;          /* of one that access_new() made */
};

/* Gives a reference to a copy of all that *from says, its texts too; NULL: out of memory. */
struct access *access_new(const struct access *from);
struct access *access_hold(struct access *a);
void access_release(struct access *a); /* accepts NULL; the last one wipes the keys */

/* Whose events, and until when. */
struct grant {
	int64_t merchant; /* 0: nothing was granted yet */
	int64_t exp;      /* Unix seconds; 0: without end */
	int64_t terminal; /* whose token it was; 0: nobody's, or a JWT */
};

enum { CLAIM_HASH_BYTES = 32 }; /* SHA-256 */

/* What a terminal's token says: to be compared with what the database has of that terminal. */
struct claim {
	int64_t terminal; /* 0: no claim */
	uint8_t hash[CLAIM_HASH_BYTES];
	uint64_t asked_at; /* the carrier's: struct loop.n_told when the database was asked */
};

enum access_verdict {
	ACCESS_GRANTED, /* *grant */
	ACCESS_CLAIMED, /* *claim: the database has to say */
	ACCESS_EXPIRED,
	ACCESS_REFUSED, /* a bad token, or none */
};

/* The fences every request meets: with auth = none nothing that comes from beyond this machine,
 * from a browser only pages of an allowed origin.  NULL, or why the request is refused (403). */
const char *access_refusal(const struct access *a, const struct request *r);

/* What the request proves: Authorization: Bearer, header token, cookie token, ?token= (in that
 * order, the first that is there decides); with auth = none ?merchant= (1 when not there).
 * *grant and *claim are zeroed but for what the verdict says. */
enum access_verdict access_by_request(const struct access *a, const struct request *r, int64_t now,
    struct grant *grant, struct claim *claim);

/* The same for a token that came in a hello; not with auth = none. */
enum access_verdict access_by_token(const struct access *a, const char *token, int64_t now,
    struct grant *grant, struct claim *claim);

/* True when the claim's token is the one that this hash (hexadecimal) was made of.  Takes as long
 * for a good one as for a bad one. */
bool claim_holds(const struct claim *claim, const char *hash_hex);

#endif
