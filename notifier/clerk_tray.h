/* clerk_tray.h - where the clerk's work comes in: what other threads tell it, and how it waits for
 * that.  A clerk_queue with a lock, whose bounds it has; what is lost is counted. */
#ifndef NOTIFIER_CLERK_TRAY_H
#define NOTIFIER_CLERK_TRAY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "notifier/clerk_queue.h"
#include "notifier/metrics.h"

enum {
	CLERK_CHANGES_MUCH = 1000,    /* waiting: the clerk writes before its time */
	CLERK_CHANGES_MIN = 65536,    /* of presence: there is room for as many at least */
	CLERK_DELIVERIES_MAX = 65536, /* facts */
	CLERK_DELIVERIES_MUCH = 32768,
};

struct clerk_tray {
	struct metrics *metrics;
	pthread_mutex_t lock;
	pthread_cond_t has_work;
	bool is_stopping, is_pressed; /* pressed: much has come */
	struct clerk_queue queue;
};

/* Deaf at first, see clerk_queue.h.  Borrows `metrics`. */
void clerk_tray_init(struct clerk_tray *t, size_t changes_max, struct metrics *metrics);
void clerk_tray_fini(struct clerk_tray *t);

/* Any thread. */
void clerk_tray_present(struct clerk_tray *t, const struct clerk_presence *p);
void clerk_tray_gone(struct clerk_tray *t, int64_t connection);
void clerk_tray_delivered(struct clerk_tray *t, const struct clerk_delivery *told, size_t n);
void clerk_tray_stop(struct clerk_tray *t); /* the clerk is to end */

/* The clerk's thread: as those of the queue. */
void clerk_tray_turn_deaf(struct clerk_tray *t);
void clerk_tray_listen(struct clerk_tray *t);
bool clerk_tray_is_deaf(struct clerk_tray *t);
void clerk_tray_take(struct clerk_tray *t, struct clerk_batch *empty);

bool clerk_tray_is_stopping(struct clerk_tray *t);

/* Waits so long; no longer, where haste is of use, once much has come, so that what waits stays
 * little however many terminals come at once.  False: the clerk is to end. */
bool clerk_tray_wait(struct clerk_tray *t, int wait_ms, bool makes_haste);

#endif
