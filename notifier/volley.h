/* volley.h - what is ahead of many terminals at once, as one piece of bytes: put together for the
 * first of them, and sent to each of the others as it is.  One owner; pure. */
#ifndef NOTIFIER_VOLLEY_H
#define NOTIFIER_VOLLEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/hub.h"
#include "notifier/item.h"

enum { VOLLEY_BYTES = 65536 };

struct volley {
	/* What is in it: the first items of a run, as long as the hub's version is that. */
	const struct room *room;
	uint64_t version, at, n_run;
	uint64_t n_items;        /* of the run, for that kind of client or not */
	int64_t lowest, highest; /* seqs of those that have one; 0: none has */
	int64_t n_delivered;     /* items that have bytes here */
	bool was_sent;           /* whole, to somebody */
	size_t len;
	uint8_t bytes[VOLLEY_BYTES];
};

/* Makes it hold the first items of a run of that room, unless it does already.  False: the first
 * one alone is too long. */
bool volley_load(struct volley *v, const struct room *room, uint64_t version,
    const struct item_run *run, enum wire wire);

#endif
