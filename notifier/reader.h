/* reader.h - what the listener reads from the database for its watches: it is passed on to the
 * sink.  Owned by the listener's thread. */
#ifndef NOTIFIER_READER_H
#define NOTIFIER_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "notifier/listener.h"
#include "notifier/watches.h"
#include "shared/pgconn.h"

struct reader {
	const struct listener_sink *sink;
	struct watches *watches;
	struct metrics *metrics;
	struct pgconn *db;
	bool plain_escape_html;
	int64_t next_alive_ms;
};

/* All is borrowed, `options` too.  False: out of memory. */
bool reader_init(struct reader *r, const struct listener_options *options,
    const struct listener_sink *sink, struct watches *watches, struct metrics *metrics);
void reader_fini(struct reader *r); /* also after a reader_init() that failed */

/* All that ask the database give false when the connection was lost: what they were about is to be
 * read anew after the reconnect. */

/* Where the streams stand, of all watches or of those that are not known yet. */
bool reader_streams(struct reader *r, bool only_unknown);

/* The next events of the first merchants of the dirty list. */
bool reader_events(struct reader *r);

/* Of the seqs that somebody says were acked, those that are.  Without seqs: the latest.  `seqs` is
 * a PostgreSQL array. */
bool reader_acked(struct reader *r, int64_t merchant, const char *seqs);

/* Tries the connection where nothing else was asked of it for long. */
bool reader_alive(struct reader *r);

/* Passes an item on and lets go of it; NULL (no memory) is no reason to skip an order: abort(). */
void reader_pass_on(struct reader *r, struct item *it);

#endif
