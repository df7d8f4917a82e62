#include "notifier/beyond.h"

void
beyond_fini(struct beyond *b)
{
	seqruns_fini(&b->held);
	*b = (struct beyond){0};
}

void
beyond_begin(struct beyond *b, int64_t first, int64_t last)
{
	beyond_fini(b);
	seqruns_add(&b->held, first, last);
	b->at = first - 1;
	b->is_looking = b->is_first = first <= last;
}

void
beyond_add(struct beyond *b, int64_t seq)
{
	seqruns_add(&b->held, seq, seq);
}

void
beyond_remove(struct beyond *b, int64_t seq)
{
	seqruns_remove(&b->held, seq, seq);
}

bool
beyond_may_hold(const struct beyond *b, int64_t seq)
{
	return seqruns_has(&b->held, seq) || (b->held.is_cut && seq > seqruns_last(&b->held));
}

/* Behind what a pass begins. */
static int64_t
start_of(const struct beyond *b, int64_t above)
{
	int64_t lowest = seqruns_next(&b->held, 0);

	return lowest != 0 && lowest <= above ? lowest - 1 : above;
}

void
beyond_look(struct beyond *b, int64_t above, bool has_more)
{
	if (!b->is_looking && !has_more && b->held.n == 0) {
		beyond_fini(b);
		return;
	}
	if (has_more && !b->must_look && ++b->n_passed_over < BEYOND_EVERY)
		return;
	b->must_look = false;
	b->n_passed_over = 0;
	if (b->is_looking) {
		b->must_again = true;
	} else {
		b->is_looking = true;
		b->at = start_of(b, above);
	}
}

void
beyond_look_away(struct beyond *b)
{
	b->is_looking = b->must_again = false;
}

void
beyond_ask(struct beyond *b)
{
	b->must_look = true;
}

void
beyond_doubt(struct beyond *b)
{
	b->must_look = true;
	b->is_first = false;
}

/* A pass has come to its end. */
static void
end_pass(struct beyond *b, int64_t above)
{
	bool are_there_any = b->held.n > 0 || above != INT64_MAX;

	b->is_looking = b->must_again && are_there_any;
	b->is_first = b->must_again = false;
	b->at = are_there_any ? start_of(b, above) : 0;
}

/* What is un-acked and was not known to be: a hand has taken the ack back, or it had been forgotten
 * for want of room. */
static void
learn(struct beyond *b, const struct opening *page, int64_t above, int64_t upto)
{
	for (size_t i = 0; i < page->n && page->seqs[i] <= upto; i++) {
		if (page->seqs[i] > above)
			beyond_add(b, page->seqs[i]);
	}
}

size_t
beyond_take(
    struct beyond *b, const struct opening *page, int64_t above, int64_t upto, int64_t *gone)
{
	int64_t end = page->is_all ? upto : page->seqs[page->n - 1];
	int64_t seq = seqruns_next(&b->held, b->at + 1);
	size_t n = 0, at = 0;

	for (; seq != 0 && seq <= end && n < OPENSET_MAX; seq = seqruns_next(&b->held, seq + 1)) {
		while (at < page->n && page->seqs[at] < seq)
			at++;
		if (at == page->n || page->seqs[at] != seq)
			gone[n++] = seq;
	}
	if (n == OPENSET_MAX)
		end = gone[n - 1]; /* the others have their turn */
	learn(b, page, above, end);
	b->at = end;
	if (end >= upto)
		end_pass(b, above);
	return n;
}
