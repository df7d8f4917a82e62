/* wheel.h - very many coarse timers: a hashed timing wheel.  Setting, moving and cancelling one
 * costs the same however many there are.  Pure: the owner brings the time.  One owner. */
#ifndef NOTIFIER_WHEEL_H
#define NOTIFIER_WHEEL_H

#include <stdint.h>

enum { WHEEL_TICK_MS = 128, WHEEL_SLOTS = 1024 };

/* Embedded in what is timed; zeroed while not set. */
struct wheel_timer {
	struct wheel_timer *prev, *next;
	uint32_t due_tick;
};

struct wheel {
	struct wheel_timer slots[WHEEL_SLOTS]; /* heads of rings */
	uint32_t tick;                         /* the last one that was run */
	int64_t start_ms;
};

void wheel_init(struct wheel *w, int64_t now_ms);

/* Fires at the first wheel_run() at or after due_ms, up to a tick late.  Moves a timer that is set.
 */
void wheel_set(struct wheel *w, struct wheel_timer *t, int64_t due_ms);
void wheel_cancel(struct wheel_timer *t); /* accepts one that is not set */

/* Takes the next timer that is due at now_ms off the wheel and gives it; NULL when none is left.
 * The timers may be set and cancelled between calls. */
struct wheel_timer *wheel_run(struct wheel *w, int64_t now_ms);

/* Calls visit() for each timer that is set; it may set or cancel none. */
void wheel_each(const struct wheel *w, void (*visit)(void *arg, struct wheel_timer *t), void *arg);

/* Takes all timers off the wheel, due or not, into the ring that begins at *all; then one after the
 * other out of it (NULL: none is left).  Any of them may be set and cancelled between calls. */
void wheel_empty(struct wheel *w, struct wheel_timer *all);
struct wheel_timer *wheel_take(struct wheel_timer *all);

#endif
