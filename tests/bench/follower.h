/* follower.h - where one terminal stands in its merchant's stream, and whether what it is told next
 * may come next.  Pure.  One owner. */
#ifndef BENCH_FOLLOWER_H
#define BENCH_FOLLOWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FOLLOWER_EPOCH_MAX = 31 };

/* Zeroed when nothing is known yet. */
struct follower {
	char epoch[FOLLOWER_EPOCH_MAX + 1]; /* of the last welcome; "": none */
	int64_t last;                       /* seq of the last event; 0: none */
	int64_t hole_first, hole_last;      /* what was skipped last */
	bool has_cursor;                    /* epoch and last are a cursor to come back with */
	bool is_strict;                     /* the next seq must be last + 1 */
};

enum follower_verdict {
	FOLLOWER_GOOD,
	FOLLOWER_HOLE,     /* something was skipped */
	FOLLOWER_REPEAT,   /* it had come */
	FOLLOWER_DISORDER, /* it was skipped, and comes now */
	FOLLOWER_EARLY,    /* caught_up names a seq below one that had come */
};

/* Writes the hello of a terminal that comes back: `hello`, an object's text, with the cursor in it.
 * Gives its length, or 0 when it does not fit. */
size_t follower_hello(const struct follower *f, const char *hello, char *out, size_t size);

/* `epoch` need not end in a NUL.  Without `recovered` the un-acked events come first, and may skip.
 */
void follower_welcome(struct follower *f, const char *epoch, size_t epoch_len, bool recovered);

enum follower_verdict follower_event(struct follower *f, int64_t seq);
enum follower_verdict follower_caught_up(struct follower *f, int64_t top);

#endif
