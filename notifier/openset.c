#include "notifier/openset.h"

#include <stdlib.h>
#include <string.h>

#include "notifier/pgarray.h"

void
openset_fini(struct openset *s)
{
	free(s->seqs);
	*s = (struct openset){0};
}

/* Where seq is, or would go. */
static uint32_t
place_of(const struct openset *s, int64_t seq)
{
	uint32_t low = 0, high = s->n;

	if (s->n > 0 && seq > s->seqs[s->n - 1])
		return s->n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->seqs[middle] < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Makes room for at least one more (rounded up to a power of two); false: no memory. */
static bool
grow(struct openset *s, size_t least)
{
	uint32_t room = 4;
	int64_t *seqs;

	while (room < least)
		room *= 2;
	seqs = realloc(s->seqs, room * sizeof *seqs);
	if (seqs == NULL)
		return false;
	s->seqs = seqs;
	s->room = room;
	return true;
}

int64_t
openset_add(struct openset *s, int64_t seq)
{
	uint32_t at = place_of(s, seq);
	int64_t left_out = 0;

	if (at < s->n && s->seqs[at] == seq)
		return 0;
	/* Also where there is room again: between the last one and this there may be others. */
	if (at == s->n && s->is_cut)
		return seq;
	if (s->n == OPENSET_MAX || (s->n == s->room && !grow(s, s->n + 1u))) {
		/* The highest is left out: of those one knows that there may be more. */
		s->is_cut = true;
		if (at == s->n)
			return seq;
		left_out = s->seqs[--s->n];
	}
	memmove(s->seqs + at + 1, s->seqs + at, (s->n - at) * sizeof *s->seqs);
	s->seqs[at] = seq;
	s->n++;
	return left_out;
}

void
openset_remove(struct openset *s, int64_t seq)
{
	uint32_t at = place_of(s, seq);

	if (at == s->n || s->seqs[at] != seq)
		return;
	s->n--;
	memmove(s->seqs + at, s->seqs + at + 1, (s->n - at) * sizeof *s->seqs);
}

bool
openset_has(const struct openset *s, int64_t seq)
{
	uint32_t at = place_of(s, seq);

	return at < s->n && s->seqs[at] == seq;
}

void
opening_read(struct opening *o, const char *text)
{
	o->n = 0;
	o->is_all = true;
	for (int64_t seq; pgarray_next(&text, &seq);) {
		if (o->n == OPENSET_MAX) {
			o->is_all = false;
			return;
		}
		o->seqs[o->n++] = seq;
	}
}

size_t
openset_gone(const struct openset *s, const struct opening *now, int64_t *gone)
{
	size_t n = 0, at = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		while (at < now->n && now->seqs[at] < s->seqs[i])
			at++;
		if (at == now->n && !now->is_all)
			break; /* nobody looked that far */
		if (at == now->n || now->seqs[at] != s->seqs[i])
			gone[n++] = s->seqs[i];
	}
	return n;
}

bool
openset_is(const struct openset *s, const struct opening *now)
{
	return s->n == now->n && s->is_cut == !now->is_all &&
	       (s->n == 0 || memcmp(s->seqs, now->seqs, s->n * sizeof *s->seqs) == 0);
}

void
openset_set(struct openset *s, const int64_t *seqs, size_t n, bool is_all)
{
	if (n == 0) {
		openset_fini(s);
	} else if (n > s->room || n * 4 < s->room) {
		/* Also made smaller, after a rush.  What was there is of no use if that fails. */
		openset_fini(s);
		if (!grow(s, n)) {
			s->is_cut = true;
			return;
		}
	}
	s->n = (uint32_t)n;
	if (n > 0)
		memcpy(s->seqs, seqs, n * sizeof *s->seqs);
	s->is_cut = !is_all;
}
