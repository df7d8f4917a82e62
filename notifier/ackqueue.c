#include "notifier/ackqueue.h"

#include <stdio.h>
#include <stdlib.h>

#include "notifier/pgarray.h"

struct ack *
ack_new(struct ticket ticket, int64_t merchant, const int64_t *seqs, size_t n, const char *by)
{
	struct ack *a = malloc(sizeof *a + PGARRAY_ROOM(n));
	struct pgarray array;

	if (a == NULL)
		return NULL;
	*a = (struct ack){.ticket = ticket, .merchant = merchant, .n_seqs = n};
	snprintf(a->by, sizeof a->by, "%s", by);
	pgarray_start(&array, a->seqs, PGARRAY_ROOM(n));
	for (size_t i = 0; i < n; i++)
		pgarray_add(&array, seqs[i]);
	pgarray_end(&array);
	return a;
}

void
ackqueue_init(struct ackqueue *q)
{
	*q = (struct ackqueue){.batch = ACKQUEUE_BATCH};
	q->last = &q->first;
	q->last_aside = &q->aside;
}

static size_t
free_list(struct ack *list)
{
	size_t n = 0;

	for (struct ack *next; list != NULL; list = next, n++) {
		next = list->next;
		free(list);
	}
	return n;
}

void
ackqueue_fini(struct ackqueue *q)
{
	free_list(q->first);
	free_list(q->aside);
	ackqueue_init(q);
}

bool
ackqueue_add(struct ackqueue *q, struct ack *a)
{
	if (q->n >= ACKQUEUE_MAX)
		return false;
	a->next = NULL;
	*q->last = a;
	q->last = &a->next;
	q->n++;
	return true;
}

bool
ackqueue_is_empty(const struct ackqueue *q)
{
	return q->n == 0;
}

bool
ackqueue_is_due(const struct ackqueue *q)
{
	return q->first != NULL;
}

/* Cuts the first of a list off. */
static struct ack *
take_first(struct ack **first, struct ack ***last)
{
	struct ack *a = *first;

	*first = a->next;
	if (*first == NULL)
		*last = first;
	a->next = NULL;
	return a;
}

struct ack *
ackqueue_take(struct ackqueue *q, int64_t now_ms)
{
	struct ack *list = NULL, **end = &list;
	size_t n_seqs = 0;

	q->took_aside = q->aside != NULL && now_ms >= q->aside_at_ms;
	if (q->took_aside) {
		q->aside_at_ms = now_ms + ACKQUEUE_ASIDE_MS;
		return take_first(&q->aside, &q->last_aside);
	}
	for (size_t n = 0; q->first != NULL && n < q->batch; n++) {
		n_seqs += q->first->n_seqs;
		if (n > 0 && n_seqs > ACKQUEUE_SEQS)
			break;
		*end = take_first(&q->first, &q->last);
		end = &(*end)->next;
	}
	return list;
}

/* Puts a list before all that wait. */
static void
put_back(struct ackqueue *q, struct ack *list)
{
	struct ack **end = &list;

	while (*end != NULL)
		end = &(*end)->next;
	*end = q->first;
	if (q->first == NULL)
		q->last = end;
	q->first = list;
}

void
ackqueue_kept(struct ackqueue *q, struct ack *list)
{
	q->n -= free_list(list);
	q->batch = q->batch * 2 < ACKQUEUE_BATCH ? q->batch * 2 : ACKQUEUE_BATCH;
	/* What keeps one from being written mostly keeps others: perhaps it is gone. */
	if (q->took_aside)
		q->aside_at_ms = 0;
}

void
ackqueue_refused(struct ackqueue *q, struct ack *list, int64_t now_ms)
{
	size_t n = 0;

	for (const struct ack *a = list; a != NULL; a = a->next)
		n++;
	if (n > 1) {
		q->batch = n / 2;
		put_back(q, list);
		return;
	}
	if (q->aside == NULL)
		q->aside_at_ms = now_ms + ACKQUEUE_ASIDE_MS;
	*q->last_aside = list;
	q->last_aside = &list->next;
}

void
ackqueue_return(struct ackqueue *q, struct ack *list)
{
	put_back(q, list);
}
