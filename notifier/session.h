/* session.h - what is said on a WebSocket after the handshake: the plain clients' silence and
 * orderbell.v1 (orderbell-protocol).  Pure: messages in, answers into an outbox; the carrier moves
 * the bytes and brings the time. */
#ifndef NOTIFIER_SESSION_H
#define NOTIFIER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "notifier/access.h"
#include "notifier/frame.h"
#include "notifier/item.h"
#include "notifier/outbox.h"
#include "notifier/page.h"

enum session_kind {
	SESSION_PLAIN, /* hears live events of types 1 and 2; what it says is ignored */
	SESSION_V1,
};

enum session_state {
	SESSION_HELLO, /* v1: its hello has not come yet */
	SESSION_ENTER, /* may join its merchant's room; waits to hear where the stream stands */
	SESSION_LIVE,
};

enum session_audio { AUDIO_UNKNOWN, AUDIO_ARMED, AUDIO_BLOCKED };

enum {
	SESSION_PLAIN_KEEP =
	    256, /* bytes of a plain client's message that are looked at (for the log) */
	SESSION_V1_KEEP = 8192, /* longest message of the v1 protocol */
};

/* Where a terminal says that it was: the last event it has seen. */
struct cursor {
	char epoch[HUB_EPOCH_MAX + 1];
	int64_t seq;
};

struct session {
	uint8_t kind, state, audio; /* the enums above */
	struct grant grant;
	struct cursor *after; /* of its hello, until it is welcomed; owned; NULL: none */
};

/* What the carrier is to do after a message. */
enum session_verdict {
	SESSION_GO_ON,
	SESSION_JOIN,  /* state is now SESSION_ENTER: join the room of grant.merchant */
	SESSION_ACK,   /* act->seqs were seen by a person */
	SESSION_CLOSE, /* with act->code */
};

enum { SESSION_ACKS_MAX = 1000 }; /* seqs of one ack */

struct session_act {
	enum close_code code;
	size_t n_seqs;
	int64_t seqs[SESSION_ACKS_MAX];
};

/* Where a welcomed session goes on. */
struct session_start {
	int64_t next;      /* seq */
	bool from_unacked; /* first the un-acked events up to top, then next = top + 1 */
};

/* `granted` is what the request proved by itself; merchant 0: nothing. */
void session_init(struct session *s, enum session_kind kind, const struct grant *granted);
void session_fini(struct session *s);

enum wire session_wire(const struct session *s);
uint32_t session_keep(const struct session *s); /* for frame_reader_init() */

/* A data message came.  `name` is the terminal's, for the log; `now` is Unix seconds. */
enum session_verdict session_receive(struct session *s, const struct access *access,
    const struct frame_message *message, const char *name, int64_t now, struct session_act *act);

/* A v1 session is told where its merchant's stream stands (a PAGE_OPENING), and is live.  False:
 * out of memory. */
bool session_welcome(struct session *s, const struct page *opening, int heartbeat_s,
    struct outbox *out, struct session_start *start);

/* What was missed has been told up to `top`. */
bool session_caught_up(const struct session *s, int64_t top, struct outbox *out);

/* One heartbeat: a ping, and for v1, whose browser cannot see pings, a frame besides. */
bool session_heartbeat(const struct session *s, struct outbox *out);

/* True when the token it came with has ended. */
bool session_is_expired(const struct session *s, int64_t now);

#endif
