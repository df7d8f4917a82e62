/* clerk_sheet.h - what the clerk writes, as the arrays of a statement: a sheet of presence, a slip
 * of deliveries.  Pure. */
#ifndef NOTIFIER_CLERK_SHEET_H
#define NOTIFIER_CLERK_SHEET_H

#include <stddef.h>

#include "notifier/clerk_queue.h"
#include "notifier/pgarray.h"

enum {
	CLERK_ROWS_MAX = 1000, /* of one statement */
	CLERK_WORD_MAX = 8,    /* bytes of a kind, or of what audio is */
};

/* An element per connection that is there, in order; `gones` has those that are gone. */
struct clerk_sheet {
	const char *connections, *merchants, *terminals, *kinds, *audios, *sinces, *gones;
	char connections_text[PGARRAY_ROOM(CLERK_ROWS_MAX)];
	char merchants_text[PGARRAY_ROOM(CLERK_ROWS_MAX)];
	char terminals_text[PGARRAY_TEXT_ROOM(CLERK_ROWS_MAX, SID_MAX)];
	char kinds_text[PGARRAY_TEXT_ROOM(CLERK_ROWS_MAX, CLERK_WORD_MAX)];
	char audios_text[PGARRAY_TEXT_ROOM(CLERK_ROWS_MAX, CLERK_WORD_MAX)];
	char sinces_text[PGARRAY_ROOM(CLERK_ROWS_MAX)];
	char gones_text[PGARRAY_ROOM(CLERK_ROWS_MAX)];
};

/* At most CLERK_ROWS_MAX changes.  The arrays are in the sheet: it must not be moved. */
void clerk_sheet_fill(struct clerk_sheet *s, const struct clerk_change *changes, size_t n);

/* An element per fact, in order. */
struct clerk_slip {
	const char *events, *times, *names;
	char events_text[PGARRAY_ROOM(CLERK_ROWS_MAX)];
	char times_text[PGARRAY_ROOM(CLERK_ROWS_MAX)];
	char names_text[PGARRAY_TEXT_ROOM(CLERK_ROWS_MAX, SID_MAX)];
};

/* The same. */
void clerk_slip_fill(struct clerk_slip *s, const struct clerk_delivery *told, size_t n);

#endif
