#include "notifier/pgarray.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void
append(struct pgarray *a, const char *bytes, size_t n)
{
	assert(n < a->room - a->len);
	memcpy(a->text + a->len, bytes, n);
	a->len += n;
}

void
pgarray_add_text(struct pgarray *a, const char *text)
{
	append(a, a->len == 0 ? "{\"" : ",\"", 2);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			append(a, "\\", 1);
		append(a, text, 1);
	}
	append(a, "\"", 1);
}

const char *
pgarray_end(struct pgarray *a)
{
	advance(a, snprintf(a->text + a->len, a->room - a->len, "%s", a->len == 0 ? "{}" : "}"));
	return a->text;
}

bool
pgarray_next(const char **text, int64_t *value)
{
	char *end;
	int64_t next = strtoll(*text, &end, 10);

	if (next <= 0)
		return false;
	*value = next;
	*text = end;
	return true;
}
