#include "notifier/questions.h"

#include <stdlib.h>

void
questions_init(struct questions *qs)
{
	*qs = (struct questions){0};
	qs->last = &qs->first;
}

void
questions_fini(struct questions *qs)
{
	struct question *next;

	for (struct question *q = qs->first; q != NULL; q = next) {
		next = q->next;
		free(q);
	}
	questions_init(qs);
}

static void
append(struct questions *qs, struct question *q)
{
	q->next = NULL;
	*qs->last = q;
	qs->last = &q->next;
	qs->n++;
}

bool
questions_add(struct questions *qs, const struct question *question, size_t most)
{
	struct question *q;

	if (qs->n >= most)
		return false;
	q = malloc(sizeof *q);
	if (q == NULL)
		abort(); /* a question that is forgotten leaves terminals waiting for ever */
	*q = *question;
	append(qs, q);
	return true;
}

bool
questions_is_empty(const struct questions *qs)
{
	return qs->first == NULL;
}

static bool
can_share_query(const struct question *a, const struct question *b)
{
	if (a->sort != b->sort)
		return false;
	switch (a->sort) {
	case QUESTION_RECORD: return true;
	case QUESTION_PAGE: return a->kind == PAGE_OPENING && b->kind == PAGE_OPENING;
	}
	return false;
}

size_t
questions_take(struct questions *qs, struct question *taken[QUESTIONS_BATCH])
{
	size_t n = 0;

	while (qs->first != NULL && n < QUESTIONS_BATCH &&
	       (n == 0 || can_share_query(taken[0], qs->first))) {
		taken[n++] = qs->first;
		qs->first = qs->first->next;
		qs->n--;
	}
	if (qs->first == NULL)
		qs->last = &qs->first;
	return n;
}

void
questions_return(struct questions *qs, struct question *const *taken, size_t n)
{
	for (size_t i = 0; i < n; i++)
		append(qs, taken[i]);
}
