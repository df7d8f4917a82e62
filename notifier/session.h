/* session.h - what is said to a terminal and by it once its request is through the door: the plain
 * clients' silence, orderbell.v1, Server-Sent Events, a poll, an ack by HTTP (orderbell-protocol).
 * Pure: messages in, answers into an outbox; the carrier moves the bytes and brings the time. */
#ifndef NOTIFIER_SESSION_H
#define NOTIFIER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "notifier/access.h"
#include "notifier/cursor.h"
#include "notifier/frame.h"
#include "notifier/item.h"
#include "notifier/outbox.h"
#include "notifier/page.h"
#include "notifier/stand.h"

enum session_kind {
	SESSION_PLAIN, /* WebSocket; hears live events of types 1 and 2; what it says is ignored */
	SESSION_V1,    /* WebSocket; orderbell.v1 */
	SESSION_SSE,   /* GET /events/{sid}: hears what v1 hears, says nothing */
	SESSION_POLL,  /* GET /poll/{sid}: one answer */
	SESSION_ACK,   /* POST /ack/{sid}: one answer */
};

enum session_state {
	SESSION_HELLO, /* v1: its hello has not come yet */
	SESSION_CLAIM, /* its token is a terminal's: the database is asked what it is worth */
	SESSION_ENTER, /* may join its merchant's room; waits to hear where the stream stands */
	SESSION_LIVE,
	SESSION_STATES
};

enum session_audio { AUDIO_UNKNOWN, AUDIO_ARMED, AUDIO_BLOCKED };

/* "armed", "blocked"; any other word is AUDIO_UNKNOWN. */
enum session_audio session_audio_of(const char *word);
const char *session_audio_word(enum session_audio audio);

enum {
	SESSION_PLAIN_KEEP =
	    256, /* bytes of a plain client's message that are looked at (for the log) */
	SESSION_V1_KEEP = 8192, /* longest message of the v1 protocol */
};

struct session {
	uint8_t kind, state, audio; /* the enums above */
	bool wants_open;            /* poll: the un-acked seqs too */
	bool recovered;             /* its cursor held */
	struct grant grant;
	/* Where it was, until it is welcomed; then, until it was told which events behind that are
	 * acked, up to where its welcome told which are open.  Owned; NULL: nowhere. */
	struct cursor *after;
	struct claim *claim; /* of its token, until the database has spoken; owned; NULL: none */
	char *terminal;      /* the name that goes with a terminal's token; owned; NULL: the sid */
};

/* What the carrier is to do after a message. */
enum session_verdict {
	SESSION_GO_ON,
	SESSION_JOIN,  /* state is now SESSION_ENTER: join the room of grant.merchant */
	SESSION_PROVE, /* ask the database for the terminal that ->claim names */
	SESSION_ACKED, /* act->seqs were seen by a person */
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
	bool recovered;
};

/* `granted` is what the request proved by itself; merchant 0: nothing. */
void session_init(struct session *s, enum session_kind kind, const struct grant *granted);
void session_fini(struct session *s);

/* Copies what came with the request, before anything else is done.  False: out of memory. */
bool session_set_after(struct session *s, const struct cursor *after);
bool session_set_claim(struct session *s, const struct claim *claim);

enum wire session_wire(const struct session *s);
uint32_t session_keep(const struct session *s); /* for frame_reader_init() */
bool session_is_websocket(const struct session *s);
/* It hears all that is to be known as it happens: acks, too. */
bool session_is_streamed(const struct session *s);
/* One answer, and it ends. */
bool session_is_brief(const struct session *s);

/* A data message came.  `name` is the terminal's, for the log; `now` is Unix seconds. */
enum session_verdict session_receive(struct session *s, const struct access *access,
    const struct frame_message *message, const char *name, int64_t now, struct session_act *act);

/* Reads {"ack":[seq, …]}, the body of an ack by HTTP: SESSION_ACKED or SESSION_CLOSE. */
enum session_verdict session_read_ack(const char *text, size_t len, struct session_act *act);

/* The database has spoken of ->claim: SESSION_JOIN, SESSION_GO_ON or SESSION_CLOSE. */
enum session_verdict session_prove(
    struct session *s, const struct terminal_record *record, struct session_act *act);

void session_forget_after(struct session *s); /* ->after is of no use any more */

/* A cursor holds when its numbers are the stream's, and nothing behind it was pruned. */
void session_find_start(
    const struct session *s, const struct stand *stand, struct session_start *start);

/* A v1 or SSE session is told how its merchant's stream stands, and is live.  Where there was no
 * room for all open ones, ->after says what is to be told besides.  False: out of memory. */
bool session_welcome(struct session *s, const struct stand *stand, int heartbeat_s,
    struct outbox *out, struct session_start *start);

/* What was missed has been told up to `top`. */
bool session_caught_up(const struct session *s, const char *epoch, int64_t top, struct outbox *out);

/* One heartbeat: a ping, and for those whose browser cannot see pings something besides. */
bool session_heartbeat(const struct session *s, struct outbox *out);

/* The last words: why it ends.  Those that have not been answered yet are refused. */
bool session_goodbye(const struct session *s, enum close_code code, struct outbox *out);

/* True when the token it came with has ended. */
bool session_is_expired(const struct session *s, int64_t now);

/* True when the terminal whose token it came with is not among these. */
bool session_is_revoked(const struct session *s, const int64_t *terminals, size_t n);

#endif
