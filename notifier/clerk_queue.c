#include "notifier/clerk_queue.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 64, KEPT_ROOM = 4096 };

void
clerk_queue_init(struct clerk_queue *q, size_t changes_max, size_t deliveries_max)
{
	*q = (struct clerk_queue){
	    .changes_max = changes_max, .deliveries_max = deliveries_max, .is_deaf = true};
}

void
clerk_queue_fini(struct clerk_queue *q)
{
	clerk_batch_fini(&q->batch);
}

/* Makes room for `wanted` elements, or for as many as `most` allows and memory holds; gives the
 * array, moved or not. */
static void *
grow(void *array, size_t *room, size_t wanted, size_t most, size_t size)
{
	size_t more = *room == 0 ? FIRST_ROOM : *room;
	void *bigger;

	if (wanted <= *room || *room >= most)
		return array;
	while (more < wanted && more < most)
		more *= 2;
	if (more > most)
		more = most;
	bigger = realloc(array, more * size);
	if (bigger == NULL)
		return array;
	*room = more;
	return bigger;
}

/* --- changes --- */

void
clerk_queue_turn_deaf(struct clerk_queue *q)
{
	clerk_batch_clear_changes(&q->batch);
	q->is_deaf = true;
}

void
clerk_queue_listen(struct clerk_queue *q)
{
	q->is_deaf = false;
}

/* The place for a connection's change: that of the one before, or a new one.  NULL: no room. */
static struct clerk_change *
place_of(struct clerk_queue *q, int64_t connection)
{
	struct clerk_batch *b = &q->batch;
	uintptr_t place = (uintptr_t)idmap_get(&b->places, connection);

	if (place != 0)
		return &b->changes[place - 1];
	b->changes = grow(
	    b->changes, &b->changes_room, b->n_changes + 1, q->changes_max, sizeof *b->changes);
	if (b->n_changes == b->changes_room || b->n_changes == q->changes_max ||
	    !idmap_put(&b->places, connection, (void *)(b->n_changes + 1)))
		return NULL;
	return &b->changes[b->n_changes++];
}

/* Keeps a change; gives how many were lost. */
static size_t
keep(struct clerk_queue *q, const struct clerk_change *change, const char *terminal)
{
	struct clerk_change *place;
	size_t n_lost;

	assert(change->connection > 0);
	if (q->is_deaf)
		return 0; /* all will be told anew, this too */
	place = place_of(q, change->connection);
	if (place == NULL) {
		n_lost = q->batch.n_changes + 1;
		clerk_queue_turn_deaf(q);
		return n_lost;
	}
	*place = *change;
	snprintf(place->terminal, sizeof place->terminal, "%s", terminal);
	return 0;
}

size_t
clerk_queue_present(struct clerk_queue *q, const struct clerk_presence *p)
{
	const struct clerk_change change = {
	    .connection = p->connection,
	    .merchant = p->merchant,
	    .since_ms = p->since_ms,
	    .kind = p->kind,
	    .audio = p->audio,
	};

	return keep(q, &change, p->terminal);
}

size_t
clerk_queue_gone(struct clerk_queue *q, int64_t connection)
{
	return keep(q, &(struct clerk_change){.connection = connection}, "");
}

/* --- deliveries --- */

size_t
clerk_queue_delivered(struct clerk_queue *q, const struct clerk_delivery *told, size_t n)
{
	struct clerk_batch *b = &q->batch;
	size_t n_kept;

	b->deliveries = grow(b->deliveries, &b->deliveries_room, b->n_deliveries + n,
	    q->deliveries_max, sizeof *b->deliveries);
	n_kept = b->deliveries_room - b->n_deliveries;
	if (n_kept > n)
		n_kept = n;
	if (n_kept > 0)
		memcpy(b->deliveries + b->n_deliveries, told, n_kept * sizeof *told);
	b->n_deliveries += n_kept;
	return n - n_kept;
}

/* --- batches --- */

void
clerk_queue_take(struct clerk_queue *q, struct clerk_batch *empty)
{
	struct clerk_batch taken = q->batch;

	assert(empty->n_changes == 0 && empty->n_deliveries == 0);
	q->batch = *empty;
	*empty = taken;
}

void
clerk_batch_clear_changes(struct clerk_batch *b)
{
	b->n_changes = 0;
	if (b->changes_room > KEPT_ROOM) {
		free(b->changes);
		b->changes = NULL;
		b->changes_room = 0;
		idmap_fini(&b->places);
	}
	idmap_clear(&b->places);
}

void
clerk_batch_clear(struct clerk_batch *b)
{
	clerk_batch_clear_changes(b);
	b->n_deliveries = 0;
	if (b->deliveries_room > KEPT_ROOM) {
		free(b->deliveries);
		b->deliveries = NULL;
		b->deliveries_room = 0;
	}
}

void
clerk_batch_fini(struct clerk_batch *b)
{
	free(b->changes);
	free(b->deliveries);
	idmap_fini(&b->places);
	*b = (struct clerk_batch){0};
}
