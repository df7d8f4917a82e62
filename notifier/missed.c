#include "notifier/missed.h"

#include <assert.h>
#include <stdlib.h>

#include "notifier/item.h"
#include "notifier/seqruns.h"

struct missed_slip {
	struct seqruns seqs;
	size_t n_acks;
	uint64_t end; /* behind the number of its last item */
};

static_assert(MISSED_SLIP_ACKS + ITEM_ACKS_MAX <= SEQRUNS_MAX,
    "a slip holds what is noted on it, however far apart");

void
missed_fini(struct missed *m)
{
	for (int i = 0; m->slips != NULL && i < MISSED_SLIPS; i++)
		seqruns_fini(&m->slips[i].seqs);
	free(m->slips);
	*m = (struct missed){0};
}

static void
forget_below(struct missed *m, uint64_t number)
{
	if (m->forgotten < number)
		m->forgotten = number;
}

/* Takes the oldest slip for what comes now. */
static struct missed_slip *
turn_over(struct missed *m)
{
	struct missed_slip *slip;

	m->newest = (m->newest + 1) % MISSED_SLIPS;
	slip = &m->slips[m->newest];
	forget_below(m, slip->end);
	seqruns_fini(&slip->seqs);
	*slip = (struct missed_slip){0};
	return slip;
}

void
missed_note(struct missed *m, uint64_t number, const int64_t *seqs, size_t n)
{
	struct missed_slip *slip;

	if (n == 0)
		return;
	if (m->slips == NULL)
		m->slips = calloc(MISSED_SLIPS, sizeof *m->slips);
	if (m->slips == NULL) {
		forget_below(m, number + 1);
		return;
	}
	slip = &m->slips[m->newest];
	if (slip->n_acks >= MISSED_SLIP_ACKS)
		slip = turn_over(m);
	for (size_t i = 0; i < n; i++)
		seqruns_add(&slip->seqs, seqs[i], seqs[i]);
	slip->n_acks += n;
	slip->end = number + 1;
	if (slip->seqs.is_cut) /* out of memory */
		forget_below(m, slip->end);
}

bool
missed_knows(const struct missed *m, uint64_t number)
{
	return number >= m->forgotten;
}

/* The lowest of all that items from that number on have told; 0: none. */
static int64_t
next_since(const struct missed *m, uint64_t number, int64_t from)
{
	int64_t lowest = 0;

	for (int i = 0; m->slips != NULL && i < MISSED_SLIPS; i++) {
		const struct missed_slip *slip = &m->slips[i];
		int64_t seq = slip->end > number ? seqruns_next(&slip->seqs, from) : 0;

		if (seq != 0 && (lowest == 0 || seq < lowest))
			lowest = seq;
	}
	return lowest;
}

size_t
missed_since(const struct missed *m, uint64_t number, int64_t from, int64_t *seqs, size_t most)
{
	size_t n = 0;

	for (int64_t seq; n < most && (seq = next_since(m, number, from)) != 0; from = seq + 1)
		seqs[n++] = seq;
	return n;
}
