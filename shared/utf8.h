/* utf8.h - is a stream of bytes UTF-8 (RFC 3629)?  Fed in pieces cut anywhere.  Pure. */
#ifndef SHARED_UTF8_H
#define SHARED_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the stream stands inside a character; zeroed at its start. */
struct utf8 {
	uint8_t missing;  /* continuation bytes still to come */
	uint8_t min, max; /* what the next of them may be */
};

/* False as soon as no continuation could make it valid. */
bool utf8_feed(struct utf8 *u, const uint8_t *bytes, size_t n);

/* True between two characters: the stream may end here. */
bool utf8_is_complete(const struct utf8 *u);

/* The same for a text that is there as a whole. */
bool utf8_is_valid(const char *text, size_t n);

#endif
