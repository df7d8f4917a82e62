/* form.h - reads application/x-www-form-urlencoded.  Pure.  Values are bytes: in which character
 * set they are text is the sender's affair. */
#ifndef FCGI_ORDER_FORM_H
#define FCGI_ORDER_FORM_H

#include <stdbool.h>
#include <stddef.h>

enum { FORM_FIELDS_MAX = 128 };

struct form_field {
	const char *name, *value; /* NUL-terminated; neither holds another NUL */
};

/* Names are sorted by their bytes, and none stands twice. */
struct form {
	char *text; /* owned: what the fields point into */
	size_t n;
	struct form_field fields[FORM_FIELDS_MAX];
};

/* False when the text is no form: a wrong %XX, a byte that does not belong there, a nameless field,
 * one that stands twice, or too many.  form_fini() it in either case. */
bool form_read(struct form *f, const char *text, size_t len);
void form_fini(struct form *f);

/* The value of a field, NULL when it is not there. */
const char *form_get(const struct form *f, const char *name);

#endif
