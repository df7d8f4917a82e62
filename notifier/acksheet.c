#include "notifier/acksheet.h"

#include <stdlib.h>
#include <string.h>

#include "notifier/pgarray.h"

static void
add_merchant(struct pgarray *to, const struct ack *a)
{
	pgarray_add(to, a->merchant);
}

static void
add_seqs(struct pgarray *to, const struct ack *a)
{
	pgarray_add_text(to, a->seqs);
}

static void
add_by(struct pgarray *to, const struct ack *a)
{
	pgarray_add_text(to, a->by);
}

/* An array of a field of all acks, in `room` bytes; NULL: out of memory. */
static char *
array_of(const struct ack *list, size_t room, void (*add)(struct pgarray *to, const struct ack *a))
{
	char *text = malloc(room);
	struct pgarray array;

	if (text == NULL)
		return NULL;
	pgarray_start(&array, text, room);
	for (const struct ack *a = list; a != NULL; a = a->next)
		add(&array, a);
	pgarray_end(&array);
	return text;
}

bool
acksheet_init(struct acksheet *s, const struct ack *list)
{
	size_t n = 0, seqs_room = PGARRAY_TEXT_ROOM(0, 0);

	for (const struct ack *a = list; a != NULL; a = a->next, n++)
		seqs_room += PGARRAY_TEXT_ROOM(1, strlen(a->seqs));
	*s = (struct acksheet){
	    .merchants = array_of(list, PGARRAY_ROOM(n), add_merchant),
	    .seqs = array_of(list, seqs_room, add_seqs),
	    .by = array_of(list, PGARRAY_TEXT_ROOM(n, SID_MAX), add_by),
	};
	return s->merchants != NULL && s->seqs != NULL && s->by != NULL;
}

void
acksheet_fini(struct acksheet *s)
{
	free(s->merchants);
	free(s->seqs);
	free(s->by);
	*s = (struct acksheet){0};
}
