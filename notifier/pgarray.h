/* pgarray.h - a PostgreSQL array of whole numbers or of texts, as text, {1,2,3} or {"a","b"}, in a
 * buffer of the caller's; and one that comes back as array_to_string() has it.  Pure. */
#ifndef NOTIFIER_PGARRAY_H
#define NOTIFIER_PGARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that n numbers take at most; and n texts of at most `len` bytes. */
#define PGARRAY_ROOM(n) ((size_t)(n)*21 + 3)
#define PGARRAY_TEXT_ROOM(n, len) ((size_t)(n) * (2 * (size_t)(len) + 3) + 3)

struct pgarray {
	char *text;
	size_t room, len;
};

void pgarray_start(struct pgarray *a, char *buffer, size_t size);
/* There must be room. */
void pgarray_add(struct pgarray *a, int64_t value);
void pgarray_add_text(struct pgarray *a, const char *text);
const char *pgarray_end(struct pgarray *a); /* the text, in the buffer */

/* Reads the next of "3 4 9", which are above zero, and moves on behind it.  False: there is none.
 */
bool pgarray_next(const char **text, int64_t *value);

#endif
