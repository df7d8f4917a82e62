/* loop.h - one thread of the carrier: it owns its terminals' sockets, their hub and their timers.
 * A terminal lives in one loop for all its life, so nothing on the way of a delivery is locked: the
 * loop's thread takes its turn once for all that a wake-up brings, and gives it up while it sleeps.
 * Meanwhile another thread that has a few items for it may take that turn (loop_help()), which
 * saves a change of threads.  All but the inbox belongs to whoever has the turn. */
#ifndef NOTIFIER_LOOP_H
#define NOTIFIER_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "notifier/books.h"
#include "notifier/carrier.h"
#include "notifier/idmap.h"
#include "notifier/inbox.h"
#include "notifier/poller.h"
#include "notifier/volley.h"
#include "notifier/wheel.h"
#include "shared/loglimit.h"

/* What all loops share; all borrowed. */
struct loop_shared {
	const struct carrier_options *options; /* at the start */
	struct access *access;                 /* at the start */
	const struct carrier_needs *needs;
	struct census *census;
	struct metrics *metrics;
};

enum { LOOP_READ_BYTES = 65536, LOOP_HELD_MAX = 64 };

struct loop {
	const struct loop_shared *shared;
	struct carrier_options options; /* that hold now */
	struct access *access;          /* the same; a reference */
	int index;                      /* among the carrier's loops */
	pthread_t thread;
	pthread_mutex_t turn;
	struct poller poller;
	struct inbox inbox; /* how other threads reach it */
	bool has_more;      /* some terminals wait for what is in their rooms, or for their time */
	struct hub *hub;
	struct wheel wheel;
	struct idmap tickets; /* of those that wait for an answer, to their connections */
	uint32_t last_ticket;
	uint64_t n_told; /* times it was told whose tokens of a merchant hold */
	size_t n_conns;  /* each has its timer in the wheel */
	struct conn *oldest_unproven, *youngest_unproven;
	int n_unproven;
	struct conn *buried; /* gone, but perhaps still named by events of this round */
	int64_t now_ms, now_s;
	struct volley *volleys; /* for each wire */
	int64_t n_delivered;    /* in this round */
	/* Merchants of which the listener was asked to read nothing more for now. */
	int64_t held[LOOP_HELD_MAX];
	size_t n_held;
	int64_t drain_until_ms; /* by then all are told to go; 0: no drain */
	bool is_stopping;
	struct pulse_place *pulse;
	int64_t count_at_ms;
	int64_t counted[SESSION_STATES]; /* by state, as last told */
	unsigned random;
	struct books books;
	struct loglimit refusals;
	uint8_t *buffer; /* LOOP_READ_BYTES */
};

/* False: out of memory or descriptors; loop_fini() all the same. */
bool loop_init(struct loop *l, int index, const struct loop_shared *shared);
void loop_fini(struct loop *l); /* cuts what is still connected */

/* The thread: arg is the loop.  Returns after a NOTE_STOP. */
void *loop_run(void *arg);

/* Any thread, with no lock held that the needs take: delivers what is in the inbox, where that are
 * a few items for a few terminals and the loop sleeps.  False: it is for the loop, see
 * inbox_wake(). */
bool loop_help(struct loop *l);

#endif
