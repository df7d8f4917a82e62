/* openset.h - the events of a merchant that nobody has acked yet, as far as his terminals here
 * have been told of them.  Pure; one owner; zeroed is empty.
 *
 * That a terminal is told of an ack is the work of notifications, which may be lost; what makes up
 * for it is to read now and then what is still open and to look at the difference.  Only the lowest
 * OPENSET_MAX are known; for those above see beyond.h. */
#ifndef NOTIFIER_OPENSET_H
#define NOTIFIER_OPENSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/stand.h"

enum { OPENSET_MAX = STAND_OPEN_MAX };

struct openset {
	int64_t *seqs; /* ascending */
	uint32_t n, room;
	bool is_cut; /* above the last of them there may be more */
};

void openset_fini(struct openset *s);

/* Terminals were told of an event.  Gives the one that is not known for want of room: itself, or
 * the highest, whose place it has taken; 0: none. */
int64_t openset_add(struct openset *s, int64_t seq);

/* Terminals were told that it is acked. */
void openset_remove(struct openset *s, int64_t seq);

bool openset_has(const struct openset *s, int64_t seq);

/* What was read just now: the lowest `n` un-acked seqs, ascending, at most OPENSET_MAX;
 * `is_all`: there are no more. */
struct opening {
	int64_t seqs[OPENSET_MAX];
	size_t n;
	bool is_all;
};

/* Reads "3 4 9", the lowest seqs up to one more than fit. */
void opening_read(struct opening *o, const char *text);

/* Of what is known, that which is open no more: `gone` takes OPENSET_MAX.  Gives how many. */
size_t openset_gone(const struct openset *s, const struct opening *now, int64_t *gone);

/* True when that is just what is known. */
bool openset_is(const struct openset *s, const struct opening *now);

/* From now on these are known: ascending, at most OPENSET_MAX. */
void openset_set(struct openset *s, const int64_t *seqs, size_t n, bool is_all);

#endif
