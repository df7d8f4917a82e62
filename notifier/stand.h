/* stand.h - how a merchant's stream stands: what a terminal is told that is about to hear of it. */
#ifndef NOTIFIER_STAND_H
#define NOTIFIER_STAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STAND_OPEN_MAX = 1000 }; /* un-acked seqs that are told */

/* All is borrowed. */
struct stand {
	const char *epoch;
	int64_t top;         /* seq of the last event */
	int64_t kept_from;   /* below, events may have been pruned */
	bool knows_open;     /* false: which seqs are un-acked is to be asked for */
	size_t n_open;       /* one more than STAND_OPEN_MAX says "and more" */
	const int64_t *open; /* un-acked seqs, ascending; some may be above the top */
};

#endif
