#include "notifier/seqruns.h"

#include <stdlib.h>
#include <string.h>

void
seqruns_fini(struct seqruns *s)
{
	free(s->runs);
	*s = (struct seqruns){0};
}

/* The first run that ends at `seq` or above; n where there is none. */
static uint32_t
place_of(const struct seqruns *s, int64_t seq)
{
	uint32_t low = 0, high = s->n;

	if (s->n > 0 && seq > s->runs[s->n - 1].last)
		return s->n;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->runs[middle].last < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
grow(struct seqruns *s)
{
	uint32_t room = s->room == 0 ? 4 : s->room * 2;
	struct seqrun *runs = realloc(s->runs, room * sizeof *runs);

	if (runs == NULL)
		return false;
	s->runs = runs;
	s->room = room;
	return true;
}

/* Puts a run before the one at `at`, or forgets the highest: itself, if it is that. */
static void
insert(struct seqruns *s, uint32_t at, struct seqrun run)
{
	if (s->n == SEQRUNS_MAX || (s->n == s->room && !grow(s))) {
		s->is_cut = true;
		if (at == s->n)
			return;
		s->n--;
	}
	memmove(s->runs + at + 1, s->runs + at, (s->n - at) * sizeof *s->runs);
	s->runs[at] = run;
	s->n++;
}

/* Takes out `n` runs from `at` on. */
static void
erase(struct seqruns *s, uint32_t at, uint32_t n)
{
	s->n -= n;
	memmove(s->runs + at, s->runs + at + n, (s->n - at) * sizeof *s->runs);
	if (s->n == 0) {
		free(s->runs);
		s->runs = NULL;
		s->room = 0;
	}
}

void
seqruns_add(struct seqruns *s, int64_t first, int64_t last)
{
	uint32_t at = place_of(s, first - 1), end = at;

	if (first > last)
		return;
	/* It becomes one with all that it meets or touches. */
	while (end < s->n && s->runs[end].first <= last + 1)
		end++;
	if (end == at) {
		insert(s, at, (struct seqrun){first, last});
		return;
	}
	if (s->runs[at].first > first)
		s->runs[at].first = first;
	if (last < s->runs[end - 1].last)
		last = s->runs[end - 1].last;
	s->runs[at].last = last;
	erase(s, at + 1, end - at - 1);
}

void
seqruns_remove(struct seqruns *s, int64_t first, int64_t last)
{
	uint32_t at = place_of(s, first), end;

	if (at == s->n || first > last || s->runs[at].first > last)
		return;
	if (s->runs[at].first < first) {
		int64_t rest = s->runs[at].last;

		s->runs[at++].last = first - 1;
		if (rest > last) {
			insert(s, at, (struct seqrun){last + 1, rest});
			return;
		}
	}
	for (end = at; end < s->n && s->runs[end].last <= last; end++)
		;
	if (end < s->n && s->runs[end].first <= last)
		s->runs[end].first = last + 1;
	erase(s, at, end - at);
}

bool
seqruns_has(const struct seqruns *s, int64_t seq)
{
	uint32_t at = place_of(s, seq);

	return at < s->n && s->runs[at].first <= seq;
}

int64_t
seqruns_last(const struct seqruns *s)
{
	return s->n == 0 ? 0 : s->runs[s->n - 1].last;
}

int64_t
seqruns_next(const struct seqruns *s, int64_t from)
{
	uint32_t at = place_of(s, from);

	if (at == s->n)
		return 0;
	return s->runs[at].first > from ? s->runs[at].first : from;
}
