/* clerk.h - the database session that keeps books for the people who look after it all: that this
 * notifier lives (a lease), who is connected to it, what was first sent when and to whom; and that
 * raises an alert for what nobody acks.
 *
 * A thread of its own.  What it writes are hints: nothing waits for it, and what does not fit its
 * bounds is dropped, counted, and as far as presence goes told anew later. */
#ifndef NOTIFIER_CLERK_H
#define NOTIFIER_CLERK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/clerk_queue.h"
#include "notifier/metrics.h"

struct clerk_options {
	const char *conninfo;
	const char *name;     /* of this notifier, for people: its listen address */
	int64_t escalate_s;   /* 0: only for merchants that set their own */
	size_t max_presences; /* connections that there can be: so many changes may wait */
};

/* Called in the clerk's thread; must not block. */
struct clerk_sink {
	void *arg;
	/* All presence is to be told anew: clerk_present() for each that is connected.  NULL:
	 * nobody to ask. */
	void (*retell)(void *arg);
};

struct clerk;

/* All is borrowed for the clerk's life.  NULL: out of memory or random numbers. */
struct clerk *clerk_new(
    const struct clerk_options *options, const struct clerk_sink *sink, struct metrics *metrics);
void clerk_free(struct clerk *k); /* accepts NULL; only when it does not run */

bool clerk_start(struct clerk *k);
/* Writes what it has as far as that is possible soon, takes this notifier off the books, ends and
 * joins the thread. */
void clerk_stop(struct clerk *k);

/* Any thread: a connection is new or has changed; is gone; events were sent. */
void clerk_present(struct clerk *k, const struct clerk_presence *p);
void clerk_gone(struct clerk *k, int64_t connection);
void clerk_delivered(struct clerk *k, const struct clerk_delivery *told, size_t n);

/* Any thread. */
void clerk_set_mode(struct clerk *k, bool is_poll_only);
void clerk_set_escalate(struct clerk *k, int64_t escalate_s);

#endif
