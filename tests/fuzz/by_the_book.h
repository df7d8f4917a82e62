/* by_the_book.h - JSON, UTF-8, and what a WebSocket client and a browser's EventSource read, as
 * their RFCs and HTML's living standard describe them, written plainly and for no speed: what the
 * fuzz targets hold the programs' own readers and writers against.  Shares no code with them. */
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

/* Bytes that are borrowed. */
struct by_the_book_text {
	const char *at;
	size_t len;
};

/* Takes a whole text message, in one frame of a server, off the front: gives the bytes it took, 0
 * where there is none. */
size_t by_the_book_frame(const uint8_t *bytes, size_t n, struct by_the_book_text *text);

/* An event of a stream of Server-Sent Events; what was not said is empty. */
struct by_the_book_event {
	struct by_the_book_text name, id, data;
};

/* Takes a whole event with one line of data off the front: gives the bytes it took, 0 where there
 * is none. */
size_t by_the_book_event(const uint8_t *bytes, size_t n, struct by_the_book_event *event);

#endif
