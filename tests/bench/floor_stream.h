/* floor_stream.h - events as WebSocket frames, one behind the other, encoded once for all who get
 * them.  Pure.  One owner. */
#ifndef BENCH_FLOOR_STREAM_H
#define BENCH_FLOOR_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FLOOR_STREAM_MAX = 64 << 20 }; /* bytes that it holds at most */

/* Zeroed when empty.  Positions count all bytes that ever were in it, and wrap. */
struct floor_stream {
	uint8_t *bytes;
	uint32_t base; /* the position of the first byte that it holds */
	uint32_t len, room;
};

void floor_stream_fini(struct floor_stream *s);

/* Copies `text` into a frame at the end.  False: it does not fit, or there is no memory. */
bool floor_stream_add(struct floor_stream *s, const char *text, size_t text_len);

uint32_t floor_stream_end(const struct floor_stream *s); /* a position */

/* The bytes from the position `at` on. */
const uint8_t *floor_stream_at(const struct floor_stream *s, uint32_t at);

/* Where the frame ends that begins at `at`, a position before the end. */
uint32_t floor_stream_next(const struct floor_stream *s, uint32_t at);

/* Nobody wants what it holds any more. */
void floor_stream_drop(struct floor_stream *s);

#endif
