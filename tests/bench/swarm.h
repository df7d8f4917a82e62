/* swarm.h - very many terminals in one thread: opens them, keeps them, counts what they see. */
#ifndef BENCH_SWARM_H
#define BENCH_SWARM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/tally.h"
#include "tests/bench/terminal.h"

struct swarm_plan {
	struct terminal_target target;
	int64_t n[TERMINAL_KINDS]; /* how many of each; of TERMINAL_CYCLE: how many cycles */
	int goodbye;               /* enum terminal_goodbye; GOODBYE_COUNT: each in turn */
	int64_t parallel;          /* handshakes under way at once */
	int64_t rate;              /* openings per second; 0: as fast as it goes */
	int64_t seconds;           /* at most, for all of it */
	int64_t n_events;          /* ends once each reader got so many live; 0: does not matter */
	int64_t report_s;          /* a line of progress that often; 0: none */
	int stop_fd;               /* ends once it is readable */
};

struct swarm;

/* Borrows both.  NULL: out of memory or descriptors. */
struct swarm *swarm_new(const struct swarm_plan *plan, struct tally *tally);
void swarm_free(struct swarm *s); /* accepts NULL */

/* Until all is done, the time is over or it is told to stop.  Prints a line of JSON when all that
 * is to stay is there ("ready"), and at the end ("final"). */
void swarm_run(struct swarm *s);

#endif
