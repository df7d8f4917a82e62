/* reader.h - what the listener reads from the database for its watches: it is passed on to the
 * sink.  Owned by the listener's thread. */
#ifndef NOTIFIER_READER_H
#define NOTIFIER_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "notifier/item.h"
#include "notifier/listener.h"
#include "notifier/pgarray.h"
#include "notifier/watches.h"
#include "shared/pgconn.h"

enum { READER_ACKS_MAX = ITEM_ACKS_MAX }; /* looked up at once, and told */

/* Events that may have been acked, to be looked up. */
struct reader_acks {
	struct pgarray merchants, seqs;
	size_t n;
	char merchants_text[PGARRAY_ROOM(READER_ACKS_MAX)],
	    seqs_text[PGARRAY_ROOM(READER_ACKS_MAX)];
};

struct reader {
	const struct listener_options *options;
	const struct listener_sink *sink;
	struct watches *watches;
	struct metrics *metrics;
	struct pgconn *db;
	int64_t reread_ms; /* how often what is open is read */
	bool is_deaf;      /* nothing is heard of acks meanwhile */
	struct reader_acks acks;
	struct opening now; /* of one merchant, while it is looked at */
	size_t beyond_at;   /* of a walk over the watches: who has his turn next */
	int64_t *ids;       /* the same: terminals */
	size_t ids_room;
};

/* All is borrowed, `options` too.  False: out of memory. */
bool reader_init(struct reader *r, const struct listener_options *options,
    const struct listener_sink *sink, struct watches *watches, struct metrics *metrics);
void reader_fini(struct reader *r); /* also after a reader_init() that failed */

/* All that ask the database give false when the connection was lost: what they were about is to be
 * read anew after the reconnect. */

/* Where the streams stand. */
bool reader_compare(struct reader *r);

/* Those of the watches that are not known yet, with what is open there. */
bool reader_unknown(struct reader *r);

/* What is open, and whose tokens hold, of some watches whose time has come.  What was acked unheard
 * is told. */
bool reader_reread(struct reader *r);

/* The same of those above the lowest, a page of some watches. */
bool reader_beyond(struct reader *r);

/* The next events of the first merchants of the dirty list. */
bool reader_events(struct reader *r);

/* Somebody says that an event was acked: it is looked up soon, at the latest by
 * reader_look_up_acks(). */
bool reader_note_ack(struct reader *r, int64_t merchant, int64_t seq);
bool reader_look_up_acks(struct reader *r);

/* Tries the connection where nothing else was asked of it for long. */
bool reader_alive(struct reader *r);

/* Passes an item on and lets go of it; NULL (no memory) is no reason to skip an order: abort(). */
void reader_pass_on(struct reader *r, struct item *it);

#endif
