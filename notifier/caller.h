/* caller.h - calls ourselves on order_control, from a connection of its own: see probe.h.
 * A thread for as long as it takes, so that nothing waits for a connection that is slow to be made.
 * The connection is another one and short, because behind a pooler the listener's own might answer
 * itself. */
#ifndef NOTIFIER_CALLER_H
#define NOTIFIER_CALLER_H

#include <stdbool.h>

struct caller;

/* Borrows `conninfo`.  NULL: out of memory. */
struct caller *caller_new(const char *conninfo);
void caller_stop(struct caller *c); /* gives up and joins; it cannot start again */
void caller_free(struct caller *c); /* accepts NULL; waits for calls that are being made: 2 s */

/* Begins to call, PROBE_CALLS times, {"probe":nonce,"call":1} and so on.  False: could not. */
bool caller_start(struct caller *c, const char *nonce);

enum caller_state {
	CALLER_IDLE,   /* nothing to tell */
	CALLER_BUSY,   /* is at it */
	CALLER_DONE,   /* all calls were made; told once */
	CALLER_FAILED, /* they could not be made; told once */
};

enum caller_state caller_look(struct caller *c);

#endif
