/* conn.h - one terminal's socket: what came in becomes messages, what waits goes out in one call.
 * Belongs to one carrier loop.  Never blocks; knows nothing of epoll and timers beyond carrying
 * their hooks. */
#ifndef NOTIFIER_CONN_H
#define NOTIFIER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/frame.h"
#include "notifier/hub.h"
#include "notifier/outbox.h"
#include "notifier/session.h"
#include "notifier/volley.h"
#include "notifier/wheel.h"

/* The body of an ack by HTTP, as far as it has come. */
struct body {
	uint32_t len, expected;
	char bytes[];
};

/* The place of one that has yet to prove who it is among all such, in its loop's list. */
struct unproven {
	struct room *no_room; /* where a member names its room: it is in none */
	struct conn *prev, *next;
};

/* Where a terminal's events come from. */
enum feed {
	FEED_NONE,    /* not welcomed yet */
	FEED_UNACKED, /* pages of un-acked events, up to the top of its welcome */
	FEED_ACKED,   /* pages of what was acked of those that its welcome had no room for */
	FEED_TABLE,   /* pages of the table: the ring does not reach back to what it has seen */
	FEED_RING,    /* live */
};

/* Of these there are very many: whatever is not needed while one is live and silent hangs on it. */
struct conn {
	union {
		struct wheel_timer timer; /* the carrier's; set as long as it lives */
		struct conn *next_buried; /* then: see link_bury() */
	};
	union {
		struct member member;
		struct unproven unproven; /* while is_unproven */
	};
	struct session session;
	union {
		struct frame_reader *reader; /* WebSocket; owned; NULL between two frames */
		struct body *body;           /* an ack; owned */
		char *open_header;           /* a poll: of answer_open_header(); owned */
	};
	struct outbox outbox;
	struct item *partial;  /* sent in part: must be finished before anything else; owned */
	uint32_t partial_sent; /* bytes of it */
	int fd;
	int64_t next_seq;    /* seq of the event it is sent next: lower ones are passed over */
	int64_t welcome_top; /* v1: up to here it is catching up */
	int64_t address_key; /* census */
	int64_t next_beat_ms;
	int64_t blocked_since_ms; /* the socket has taken nothing since; 0: it is not full */
	int64_t deadline_ms;      /* 0: none.  Of the hello, of a drain, of the end of a close */
	uint32_t ticket;          /* of what it waits for from the database; 0: nothing */
	uint32_t since_s;         /* Unix seconds */
	uint16_t heartbeat_s;     /* between two beats, as it was told */
	uint16_t deadline_code;   /* enum close_code: what it closes with */
	uint8_t n_unanswered;     /* heartbeats since anything was heard */
	uint8_t feed;             /* enum feed */
	bool awaits_page : 1, is_caught_up : 1;
	bool is_unproven : 1; /* who it is is not known yet */
	bool is_closing : 1;  /* the close frame is in the outbox or out: no more events */
	bool is_shut : 1;     /* our half is shut down */
	bool is_eof : 1;      /* a poll or an ack: its peer has said all that it will */
	bool wants_write : 1,
	    is_deaf : 1;    /* what the poller was told: awaits room; does not read */
	bool is_buried : 1; /* it has ended: link_free_buried() frees it */
	char name[];        /* the sid */
};
_Static_assert(offsetof(struct member, room) == offsetof(struct unproven, no_room) &&
		   sizeof(struct unproven) <= sizeof(struct member),
    "one that is unproven is seen to be in no room");

/* What went out. */
struct sent {
	int64_t n_delivered; /* items, whole */
	/* Called for each event that is being sent to anybody for the first time; may be NULL. */
	void (*first_sent)(void *arg, const struct conn *c, const struct item *it);
	void *arg;
};

enum conn_status {
	CONN_OK,
	CONN_GONE,   /* the peer went away, or the socket failed: nothing more can be said */
	CONN_BEHIND, /* it cannot be told any more what it has missed: it is to come back */
};

/* Takes the socket.  NULL: out of memory (the socket stays the caller's). */
struct conn *conn_new(int fd, const char *name, enum session_kind kind, const struct grant *grant);
void conn_free(struct conn *c); /* closes the socket */

/* Of a WebSocket: its reader, or `fresh` made ready in its place; and when the input is used up.
 * False: out of memory. */
struct frame_reader *conn_reader(struct conn *c, struct frame_reader *fresh);
bool conn_put_back(struct conn *c, struct frame_reader *reader);

/* Of an ack: how long its body is.  False: out of memory. */
bool conn_expect_body(struct conn *c, uint32_t len);

/* Reads once into `buffer` (shared by a loop's connections); *n is what came, 0 when nothing. */
enum conn_status conn_receive(struct conn *c, uint8_t *buffer, size_t size, size_t *n);

/* Sends all that waits and that the socket takes: a started item, the outbox, then the items of
 * `run` (NULL: none) that are for it.  Takes what it has sent or begun off the run's front.  Adds
 * to *sent. */
enum conn_status conn_send(struct conn *c, int64_t now_ms, struct item_run *run, struct sent *sent);

/* The same where nothing waits but a run, of which the volley holds the first items: true when that
 * is so, and it is to get each of them. */
bool conn_fits_volley(const struct conn *c, const struct volley *v);
enum conn_status conn_send_volley(
    struct conn *c, int64_t now_ms, struct volley *v, struct item_run *run, struct sent *sent);

/* From what is embedded in it. */
struct conn *conn_of_member(struct member *m);
struct conn *conn_of_timer(struct wheel_timer *t);

/* The name it goes by: of its token, else its sid. */
const char *conn_name(const struct conn *c);

/* The answer of a poll or an ack is in the outbox: it ends when that is sent. */
void conn_answered(struct conn *c);

/* True when it has bytes that the socket did not take. */
bool conn_is_blocked(const struct conn *c);

/* Says goodbye: the last words go out behind what was begun.  Makes the socket's buffer larger so
 * that they fit even where the peer reads nothing now. */
void conn_close(struct conn *c, enum close_code code);

/* Once all is sent: shuts our half down. */
void conn_shut(struct conn *c);

/* The socket is to vanish without lingering: what the kernel still holds for it is dropped. */
void conn_abort(struct conn *c);

#endif
