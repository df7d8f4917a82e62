/* printable.h - short texts from outside that go to the log and the database.  Pure. */
#ifndef FCGI_ORDER_PRINTABLE_H
#define FCGI_ORDER_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>

/* Copies 1 to `max` printable ASCII characters and a NUL; false, and nothing is copied, when the
 * text is anything else. */
bool printable_copy(char *to, size_t max, const char *text);

#endif
