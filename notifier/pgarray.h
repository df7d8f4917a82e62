/* pgarray.h - a PostgreSQL array of whole numbers as text, "{1,2,3}", in a buffer of the caller's.
 * Pure. */
#ifndef NOTIFIER_PGARRAY_H
#define NOTIFIER_PGARRAY_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that n elements take at most. */
#define PGARRAY_ROOM(n) ((size_t)(n)*21 + 3)

struct pgarray {
	char *text;
	size_t room, len;
};

void pgarray_start(struct pgarray *a, char *buffer, size_t size);
void pgarray_add(struct pgarray *a, int64_t value); /* there must be room */
const char *pgarray_end(struct pgarray *a);         /* the text, in the buffer */

#endif
