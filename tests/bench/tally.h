/* tally.h - what a load client has seen, and the report of it.  One owner. */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/latency.h"

enum { TALLY_STATUS_MAX = 1000, TALLY_CLOSE_MAX = 5000, TALLY_NO_CLOSE = 1006 };

struct tally {
	int64_t n_handshakes; /* answered with 101 */
	int64_t first_start_ns, last_handshake_ns;
	struct latency handshake;
	int64_t n_no_connection;           /* connect() failed, or the end came before an answer */
	int64_t refused[TALLY_STATUS_MAX]; /* by HTTP status; 0: no HTTP */
	int64_t closes[TALLY_CLOSE_MAX];   /* by close code; TALLY_NO_CLOSE: ended without */
	int64_t stuck_closes[TALLY_CLOSE_MAX]; /* the same of those that do not read */
	int64_t n_replayed;                    /* events that came before caught_up */
	int64_t n_events;                      /* received live, by terminals that read */
	int64_t n_stuck_events;     /* found in sockets of those that did not, at the end */
	struct latency delivery;    /* of events that say when they were made */
	int64_t n_holes, n_repeats; /* v1: seqs that were skipped, or came again */
	int64_t n_disorders;        /* v1: what was skipped came later */
	int64_t n_early;            /* v1: caught_up told of a seq below one that had come */
	int64_t n_broken;           /* frames that no server may send */
	int64_t n_pings;
	int64_t n_reconnects;    /* openings by those who come back */
	int64_t n_unrecovered;   /* they were told that their cursor holds no longer */
	struct latency recovery; /* from the loss of a connection to caught_up */
	int64_t n_cycles;        /* of coming and going, ended */
	int64_t n_reopened;      /* silent sockets that the server ended */
	int64_t n_unsent;        /* what the socket did not take at once: lost */
};

/* How things stand, for the report. */
struct tally_now {
	const char *kind; /* "progress", "ready", "final" */
	double seconds;
	int64_t n_open;                 /* live */
	int64_t events_min, events_max; /* of one reading terminal; -1: not looked at */
};

/* Prints one line of JSON on standard output. */
void tally_print(const struct tally *t, const struct tally_now *now);

#endif
