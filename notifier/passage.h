/* passage.h - requests that become connections of the carrier's: a WebSocket, a stream, a poll, an
 * ack.  Pure: judges the request, and writes what the client is sent first. */
#ifndef NOTIFIER_PASSAGE_H
#define NOTIFIER_PASSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/answer.h"
#include "notifier/cursor.h"
#include "notifier/handshake.h"
#include "notifier/request.h"
#include "notifier/session.h"

enum {
	PASSAGE_BODY_MAX = 32768, /* of an ack */
	PASSAGE_FIRST_MAX = ANSWER_HEAD_MAX,
};

/* What a request asks for. */
struct passage {
	enum session_kind kind;
	char sid[SID_MAX + 1];
	struct cursor after;
	bool has_after;
	bool wants_open;          /* poll: ?open=yes */
	enum session_audio audio; /* stream and poll: ?audio=armed, what v1 says in its hello */
	uint32_t body_len;        /* ack */
};

/* Judges a request for /ws/, /events/, /poll/ or /ack/.  101 or 200: it may pass and *p says what
 * it is.  Else the status of the refusal, with its reason for the client. */
int passage_check(const struct request *r, struct passage *p, const char **reason);

/* The methods of its path, for an Allow header. */
const char *passage_methods(const char *path);

/* Writes what a good request is sent first: the 101, the head of a stream, or nothing; gives its
 * length.  False when it cannot. */
bool passage_first(const struct request *r, const struct passage *p, int retry_ms,
    char out[PASSAGE_FIRST_MAX], size_t *len);

#endif
