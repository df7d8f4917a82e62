#include "tests/bench/floor_stream.h"

#include <stdlib.h>
#include <string.h>

enum {
	FIRST_ROOM = 64 << 10,
	TEXT_MAX = 65535, /* a NOTIFY carries less */
	SHORT_HEADER = 2,
	LONG_HEADER = 4,
	SHORT_MAX = 125,
	LONG_MARK = 126,
	FIN_TEXT = 0x81,
};

void
floor_stream_fini(struct floor_stream *s)
{
	free(s->bytes);
	*s = (struct floor_stream){0};
}

static bool
make_room(struct floor_stream *s, size_t more)
{
	size_t wanted = s->len + more, room = s->room == 0 ? FIRST_ROOM : s->room;
	uint8_t *bytes;

	if (wanted > FLOOR_STREAM_MAX)
		return false;
	while (room < wanted)
		room *= 2;
	if (room == s->room)
		return true;
	bytes = realloc(s->bytes, room);
	if (bytes == NULL)
		return false;
	s->bytes = bytes;
	s->room = (uint32_t)room;
	return true;
}

bool
floor_stream_add(struct floor_stream *s, const char *text, size_t text_len)
{
	uint8_t *at;

	if (text_len > TEXT_MAX || !make_room(s, LONG_HEADER + text_len))
		return false;
	at = s->bytes + s->len;
	*at++ = FIN_TEXT;
	if (text_len <= SHORT_MAX) {
		*at++ = (uint8_t)text_len;
	} else {
		*at++ = LONG_MARK;
		*at++ = (uint8_t)(text_len >> 8);
		*at++ = (uint8_t)text_len;
	}
	memcpy(at, text, text_len);
	s->len = (uint32_t)(at + text_len - s->bytes);
	return true;
}

uint32_t
floor_stream_end(const struct floor_stream *s)
{
	return s->base + s->len;
}

const uint8_t *
floor_stream_at(const struct floor_stream *s, uint32_t at)
{
	return s->bytes + (at - s->base);
}

uint32_t
floor_stream_next(const struct floor_stream *s, uint32_t at)
{
	const uint8_t *frame = floor_stream_at(s, at);

	if (frame[1] <= SHORT_MAX)
		return at + SHORT_HEADER + frame[1];
	return at + LONG_HEADER + ((uint32_t)frame[2] << 8 | frame[3]);
}

void
floor_stream_drop(struct floor_stream *s)
{
	s->base += s->len;
	s->len = 0;
}
