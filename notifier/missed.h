/* missed.h - what was acked, as told by items that are in a room's ring no more: for members that
 * the ring has left behind.  Pure; one owner; zeroed is empty.
 *
 * It is kept on slips, each of some items in a row; when all are full the oldest is forgotten.  A
 * member is told whole slips, so perhaps of acks that it knows. */
#ifndef NOTIFIER_MISSED_H
#define NOTIFIER_MISSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MISSED_SLIPS = 8,
	MISSED_SLIP_ACKS = 1024, /* one is full, with the item that brings it there */
};

struct missed_slip;

struct missed {
	struct missed_slip *slips; /* MISSED_SLIPS; NULL: there was nothing to note yet */
	unsigned newest;
	uint64_t forgotten; /* what items below that number told is not known any more */
};

void missed_fini(struct missed *m);

/* An item leaves the ring, and the numbers ascend: it told that these were acked. */
void missed_note(struct missed *m, uint64_t number, const int64_t *seqs, size_t n);

/* Whether all is known that items from that number on have told. */
bool missed_knows(const struct missed *m, uint64_t number);

/* What they have told: seqs from `from` on, ascending, at most `most`; gives how many. */
size_t missed_since(
    const struct missed *m, uint64_t number, int64_t from, int64_t *seqs, size_t most);

#endif
