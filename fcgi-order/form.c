#include "fcgi-order/form.h"

#include <stdlib.h>
#include <string.h>

/* The value of a hexadecimal digit, or -1. */
static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place; false when it cannot be. */
static bool
decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		int high, low;

		if (*from != '%') {
			*to++ = *from == '+' ? ' ' : *from;
			continue;
		}
		high = hex(from[1]);
		low = high < 0 ? -1 : hex(from[2]);
		if (low < 0 || high * 16 + low == 0)
			return false;
		*to++ = (char)(high * 16 + low);
		from += 2;
	}
	*to = '\0';
	return true;
}

static bool
take_field(struct form *f, char *pair)
{
	char *equals = strchr(pair, '=');
	char *value = equals == NULL ? pair + strlen(pair) : equals + 1;

	if (equals != NULL)
		*equals = '\0';
	if (f->n == FORM_FIELDS_MAX || !decode(pair) || !decode(value) || *pair == '\0')
		return false;
	f->fields[f->n++] = (struct form_field){pair, value};
	return true;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct form_field *)a)->name, ((const struct form_field *)b)->name);
}

/* What a browser or a gateway would have written as %XX. */
static bool
has_odd_bytes(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return true;
	}
	return false;
}

bool
form_read(struct form *f, const char *text, size_t len)
{
	char *at;

	f->n = 0;
	f->text = NULL;
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (has_odd_bytes(text, len) || (f->text = strndup(text, len)) == NULL)
		return false;
	at = f->text;
	while (at != NULL && *at != '\0') {
		char *pair = strsep(&at, "&");

		if (!take_field(f, pair))
			return false;
	}
	qsort(f->fields, f->n, sizeof *f->fields, by_name);
	for (size_t i = 1; i < f->n; i++) {
		if (strcmp(f->fields[i - 1].name, f->fields[i].name) == 0)
			return false;
	}
	return true;
}

void
form_fini(struct form *f)
{
	free(f->text);
	f->text = NULL;
	f->n = 0;
}

const char *
form_get(const struct form *f, const char *name)
{
	const struct form_field key = {name, NULL};
	const struct form_field *found =
	    f->n == 0 ? NULL : bsearch(&key, f->fields, f->n, sizeof *f->fields, by_name);

	return found == NULL ? NULL : found->value;
}
