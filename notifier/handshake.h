/* handshake.h - the opening handshake of RFC 6455 section 4.2, the server's side.  Pure: judges a
 * request and writes the answer. */
#ifndef NOTIFIER_HANDSHAKE_H
#define NOTIFIER_HANDSHAKE_H

#include <stddef.h>

#include "notifier/request.h"

enum { SID_MAX = 64 };

#define HANDSHAKE_SUBPROTOCOL "orderbell.v1"

struct handshake {
	char sid[SID_MAX + 1];
	bool is_v1; /* the client offered orderbell.v1 */
};

/* Copies the last part of a path like /ws/{sid}: 1-64 of [A-Za-z0-9._-].  False when the rest of
 * the path after `prefix` is anything else. */
bool handshake_sid(const char *path, const char *prefix, char sid[SID_MAX + 1]);

/* Judges a request for /ws/….  101: it may be upgraded and *h says how.  Else the status of the
 * refusal, with its reason for the client. */
int handshake_check(const struct request *r, struct handshake *h, const char **reason);

/* Writes the whole 101 answer to a request that was found good; gives its length, 0 when `out`
 * (HANDSHAKE_ANSWER_MAX bytes suffice) or OpenSSL fails. */
enum { HANDSHAKE_ANSWER_MAX = 256 };
size_t handshake_answer(const struct request *r, bool is_v1, char *out, size_t size);

#endif
