#include "notifier/pgarray.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

void
pgarray_start(struct pgarray *a, char *buffer, size_t size)
{
	*a = (struct pgarray){.text = buffer, .room = size};
}

/* What does not fit is a bug of the caller's: the bound is PGARRAY_ROOM(). */
static void
advance(struct pgarray *a, int n)
{
	assert(n > 0 && (size_t)n < a->room - a->len);
	a->len += (size_t)n;
}

void
pgarray_add(struct pgarray *a, int64_t value)
{
	advance(a, snprintf(a->text + a->len, a->room - a->len, "%c%" PRId64,
		       a->len == 0 ? '{' : ',', value));
}

const char *
pgarray_end(struct pgarray *a)
{
	advance(a, snprintf(a->text + a->len, a->room - a->len, "%s", a->len == 0 ? "{}" : "}"));
	return a->text;
}
