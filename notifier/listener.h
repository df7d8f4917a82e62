/* listener.h - one database session that hears of committed events and reads them.
 * A thread of its own.  Knows nothing of sockets and frames.
 *
 * It watches the merchants that have terminals here.  A notification only wakes it: what it passes
 * on are rows, `seq > last` of a merchant, in order, each once.  Streams are compared once a second
 * besides, so that a bell that was lost, or never rung, costs a second and nothing else; and after
 * each reconnect and every 30 s it reads what nobody has acked yet and whose tokens hold, so that
 * an ack or a revocation that was not heard costs that much. */
#ifndef NOTIFIER_LISTENER_H
#define NOTIFIER_LISTENER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/item.h"
#include "notifier/metrics.h"
#include "notifier/pulse.h"
#include "notifier/stand.h"

/* Called in the listener's thread; must not block on a terminal.  Strings and items are borrowed.
 * `watchers` has a bit for each watcher that is to hear of it. */
struct listener_sink {
	void *arg;
	/* How the stream of a merchant stands: after listener_watch(), and whenever its numbers
	 * start anew (another epoch).  Items of the merchant with seq > top follow. */
	void (*stream)(void *arg, uint64_t watchers, int64_t merchant, const struct stand *stand);
	/* What is un-acked there was read anew, and is not what has been told so far.  NULL: nobody
	 * asks. */
	void (*open)(void *arg, uint64_t watchers, int64_t merchant, const struct stand *stand);
	/* Something may not have been heard: of no merchant it is sure any more what is un-acked,
	 * until an open() or a stream() says so.  NULL: nobody asks. */
	void (*doubt)(void *arg);
	void (*item)(void *arg, uint64_t watchers, struct item *it);
	void (*item_to_all)(void *arg, struct item *it);
	/* The ids of the merchant's terminals whose tokens hold: after a revocation, and whenever
	 * that is read anew, of merchants that have any.  NULL: nobody asks. */
	void (*terminals)(
	    void *arg, uint64_t watchers, int64_t merchant, const int64_t *ids, size_t n);
	/* Notifications do not arrive, so that all waits for the poll; or they do again.  NULL:
	 * nobody asks. */
	void (*mode)(void *arg, bool is_poll_only);
	/* Nothing more for now: what was passed on should go out. */
	void (*flush)(void *arg);
};

struct listener_options {
	const char *conninfo;
	/* These may be changed while it runs. */
	atomic_bool broadcast; /* a NOTIFY by hand without merchant goes to all terminals */
	atomic_bool plain_escape_html;
	struct pulse *pulse; /* it beats; NULL: nobody looks */
};

struct listener;

/* All three are borrowed for the listener's life.  NULL: out of memory. */
struct listener *listener_new(const struct listener_options *options,
    const struct listener_sink *sink, struct metrics *metrics);
void listener_free(struct listener *l); /* accepts NULL; only when it does not run */

bool listener_start(struct listener *l); /* makes the thread; false: could not */
void listener_stop(struct listener *l);  /* ends and joins it, if it runs */

/* Any thread.  Each watcher (0 to WATCHERS_MAX - 1) watches for itself, and hears of what it
 * watches alone; each watch needs its unwatch.  Every watch is answered by a stream(), as soon as
 * the database can be asked. */
void listener_watch(struct listener *l, int watcher, int64_t merchant);
void listener_unwatch(struct listener *l, int watcher, int64_t merchant);

/* Any thread.  While a merchant is held his events stay in the table; some may be on their way.
 * Counted: each hold needs its release, unless the watch ends. */
void listener_hold(struct listener *l, int64_t merchant);
void listener_release(struct listener *l, int64_t merchant);

/* Any thread: true while listening, caught up with all that is watched, and heard from within the
 * last few seconds. */
bool listener_is_ready(const struct listener *l);

#endif
