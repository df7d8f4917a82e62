/* clerk_queue.h - what the clerk was told and has not written yet: changes of presence, of which
 * the last one of a connection counts, and facts of delivery, in order.  Pure; the owner locks.
 *
 * It is bounded.  A change that has no room makes the queue forget all changes and be deaf to
 * further ones, until it is asked to listen again: then all presence must be told anew.  A fact
 * that has no room is dropped. */
#ifndef NOTIFIER_CLERK_QUEUE_H
#define NOTIFIER_CLERK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/handshake.h"
#include "notifier/idmap.h"

/* A connection that is there.  Strings are borrowed for the call; kind and audio are constants. */
struct clerk_presence {
	int64_t connection; /* > 0; may come again, as another one, after it is gone */
	int64_t merchant;
	const char *terminal; /* its sid */
	const char *kind;     /* "v1", "plain", "sse", "poll" */
	const char *audio;    /* "armed", "blocked", "unknown" */
	int64_t since_ms;     /* Unix ms */
};

/* An event was sent to a terminal. */
struct clerk_delivery {
	int64_t event_id;
	int64_t at_ms; /* Unix ms */
	char to[SID_MAX + 1];
};

/* The last that was told of a connection. */
struct clerk_change {
	int64_t connection, merchant, since_ms;
	const char *kind, *audio; /* kind NULL: it is gone */
	char terminal[SID_MAX + 1];
};

/* What is written together.  Zeroed when empty. */
struct clerk_batch {
	struct clerk_change *changes;
	struct clerk_delivery *deliveries;
	size_t n_changes, changes_room;
	size_t n_deliveries, deliveries_room;
	struct idmap places; /* of a connection: the index of its change, plus 1 */
};

struct clerk_queue {
	struct clerk_batch batch;
	size_t changes_max, deliveries_max;
	bool is_deaf; /* no change is kept: all is to be told anew */
};

/* Deaf at first. */
void clerk_queue_init(struct clerk_queue *q, size_t changes_max, size_t deliveries_max);
void clerk_queue_fini(struct clerk_queue *q);

/* Give how many changes, or facts, were lost by it: 0 when all is well. */
size_t clerk_queue_present(struct clerk_queue *q, const struct clerk_presence *p);
size_t clerk_queue_gone(struct clerk_queue *q, int64_t connection);
size_t clerk_queue_delivered(struct clerk_queue *q, const struct clerk_delivery *told, size_t n);

/* Forgets all changes, and is deaf from now on; or hears again. */
void clerk_queue_turn_deaf(struct clerk_queue *q);
void clerk_queue_listen(struct clerk_queue *q);

/* Exchanges what waits for `empty`, which brings its memory. */
void clerk_queue_take(struct clerk_queue *q, struct clerk_batch *empty);

/* Empties what was taken and written; keeps the memory for the next time unless it is much. */
void clerk_batch_clear(struct clerk_batch *b);
void clerk_batch_clear_changes(struct clerk_batch *b);
void clerk_batch_fini(struct clerk_batch *b);

#endif
