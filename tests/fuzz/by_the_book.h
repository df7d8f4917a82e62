/* by_the_book.h - JSON and UTF-8 as their RFCs describe them, written plainly and for no speed:
 * what the fuzz targets hold the programs' own readers against.  Shares no code with them. */
#ifndef TESTS_FUZZ_BY_THE_BOOK_H
#define TESTS_FUZZ_BY_THE_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when the bytes are UTF-8 (RFC 3629); with `may_go_on` also when they only begin a character
 * at the end that could still become one. */
bool by_the_book_utf8(const uint8_t *bytes, size_t n, bool may_go_on);

/* True when the text is one JSON object (RFC 8259) with white space around it at most, in UTF-8, in
 * which no value lies deeper than `levels` (that of the object itself is 1). */
bool by_the_book_object(const char *text, size_t len, int levels);

#endif
