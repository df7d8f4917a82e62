/* carrier.h - the loops that own the terminals' sockets after the handshake.
 *
 * Each loop is a thread with its own poller, hub and timers; a terminal lives in one loop for all
 * its life, so that nothing on the way of a delivery is locked.  Other threads reach a loop only
 * through its inbox; see loop_help() for one that lends a hand. */
#ifndef NOTIFIER_CARRIER_H
#define NOTIFIER_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/access.h"
#include "notifier/census.h"
#include "notifier/clerk_queue.h"
#include "notifier/item.h"
#include "notifier/metrics.h"
#include "notifier/page.h"
#include "notifier/pulse.h"
#include "notifier/session.h"
#include "notifier/stand.h"

struct carrier_options {
	int n_loops;
	int heartbeat_s, slow_s, hello_s;
	int max_unproven;    /* in all loops together */
	struct pulse *pulse; /* each loop beats; NULL: nobody looks */
};

/* How the carrier asks for what is in the database; called by whoever has a loop's turn, must not
 * block. */
struct carrier_needs {
	void *arg;
	/* The events of a merchant from now on: answered by carrier_post_stream(), then items. */
	void (*watch)(void *arg, int loop, int64_t merchant);
	void (*unwatch)(void *arg, int loop, int64_t merchant);
	/* Of a merchant that is watched no items for now, because his terminals here have more
	 * than they take; and again.  Counted. */
	void (*hold)(void *arg, int64_t merchant);
	void (*release)(void *arg, int64_t merchant);
	/* What was missed: answered by carrier_post_page() to that loop. */
	void (*ask)(void *arg, int loop, enum page_kind kind, int64_t merchant, int64_t after);
	/* Events were seen at the terminal `by`; false: not now.  A ticket that is not 0 is
	 * answered by carrier_post_kept() to that loop once the acks are durable. */
	bool (*ack)(void *arg, struct ticket ticket, int64_t merchant, const int64_t *seqs,
	    size_t n, const char *by);
	/* What the database has of a terminal: answered by carrier_post_record(); false: not now.
	 */
	bool (*prove)(void *arg, struct ticket ticket, int64_t terminal);
	/* For the books: a terminal is there, or what is known of it has changed; it is gone;
	 * events were sent for the first time. */
	void (*present)(void *arg, const struct clerk_presence *presence);
	void (*gone)(void *arg, int64_t connection);
	void (*delivered)(void *arg, const struct clerk_delivery *facts, size_t n);
};

/* A socket whose handshake is done. */
struct newcomer {
	int fd;
	const char *name; /* its sid */
	enum session_kind kind;
	struct grant grant;         /* what the request proved */
	struct claim claim;         /* or claimed: its terminal is 0 where it did not */
	const struct cursor *after; /* of SSE and poll; NULL: none */
	bool wants_open;            /* poll: the un-acked seqs too */
	enum session_audio audio;   /* stream and poll */
	uint32_t body_len;          /* ack */
	int64_t address_key;        /* census_enter() was called with it: the carrier will leave */
	const void *answer; /* what it is to be sent first: the 101, or the head of a stream */
	size_t answer_len;
};

struct carrier;

/* All is borrowed for the carrier's life, but for `access`, of which it takes a reference of its
 * own.  NULL: out of memory or descriptors. */
struct carrier *carrier_new(const struct carrier_options *options, struct access *access,
    const struct carrier_needs *needs, struct census *census, struct metrics *metrics);
void carrier_free(struct carrier *c); /* accepts NULL; only when it does not run */

bool carrier_start(struct carrier *c);
/* Ends the loops; what is still connected is cut. */
void carrier_stop(struct carrier *c);

/* Any thread.  Takes the socket (and copies the rest); false: it could not, the socket stays the
 * caller's. */
bool carrier_adopt(struct carrier *c, const struct newcomer *newcomer);

/* Any thread, though the order of what one thread posts is kept: see struct listener_sink.  Waits
 * where a loop is far behind.  `loops` has a bit for each loop that it is for. */
void carrier_post_stream(
    struct carrier *c, uint64_t loops, int64_t merchant, const struct stand *stand);
void carrier_post_open(
    struct carrier *c, uint64_t loops, int64_t merchant, const struct stand *stand);
void carrier_post_doubt(struct carrier *c);
void carrier_post_item(struct carrier *c, uint64_t loops, struct item *it);
void carrier_post_item_to_all(struct carrier *c, struct item *it);
/* Any thread.  Takes the page. */
void carrier_post_page(struct carrier *c, int loop, struct page *p);
/* Any thread.  The acks of a ticket are durable. */
void carrier_post_kept(struct carrier *c, struct ticket ticket);
/* Any thread.  What the database has of a terminal; copied. */
void carrier_post_record(
    struct carrier *c, struct ticket ticket, const struct terminal_record *record);
/* Any thread.  The terminals of a merchant whose tokens hold: sessions of others end.  Copied. */
void carrier_post_terminals(
    struct carrier *c, uint64_t loops, int64_t merchant, const int64_t *ids, size_t n);
/* Any thread.  Every terminal is to be told of again by needs->present(). */
void carrier_retell(struct carrier *c);
/* Any thread, with no lock held that a need takes: what was posted is to be looked at now.  A few
 * items for a few terminals of a loop that sleeps are sent before it returns, others by the loops.
 */
void carrier_flush(struct carrier *c);

/* From now on these hold, but for n_loops; copied, `access` is held. */
void carrier_reconfigure(
    struct carrier *c, const struct carrier_options *options, struct access *access);

/* Says goodbye (4003) to every terminal, spread evenly over drain_ms. */
void carrier_drain(struct carrier *c, int drain_ms);

#endif
