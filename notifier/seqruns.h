/* seqruns.h - a set of seqs, kept as runs of consecutive ones: cheap for very many where nearly all
 * of a stretch are in it.  Pure; one owner; zeroed is empty.
 *
 * It has a bound: where another run would be one too many, the highest is forgotten. */
#ifndef NOTIFIER_SEQRUNS_H
#define NOTIFIER_SEQRUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEQRUNS_MAX = 4096 };

struct seqrun {
	int64_t first, last;
};

struct seqruns {
	struct seqrun *runs; /* ascending, none touches the next */
	uint32_t n, room;
	bool is_cut; /* something was forgotten: above the last run there may have been more */
};

void seqruns_fini(struct seqruns *s);

/* All from `first` to `last`, which may be in it already. */
void seqruns_add(struct seqruns *s, int64_t first, int64_t last);
void seqruns_remove(struct seqruns *s, int64_t first, int64_t last);

bool seqruns_has(const struct seqruns *s, int64_t seq);
int64_t seqruns_last(const struct seqruns *s);               /* the highest; 0: it is empty */
int64_t seqruns_next(const struct seqruns *s, int64_t from); /* the lowest >= from; 0: none */

#endif
