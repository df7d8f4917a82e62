#include "notifier/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct outbox_chunk {
	uint32_t start, end, room;
	uint8_t bytes[];
};

size_t
outbox_len(const struct outbox *o)
{
	return o->chunk == NULL ? 0 : o->chunk->end - o->chunk->start;
}

const uint8_t *
outbox_bytes(const struct outbox *o)
{
	return o->chunk == NULL ? NULL : o->chunk->bytes + o->chunk->start;
}

/* Makes sure that n more bytes fit at the end. */
static bool
make_room(struct outbox *o, size_t n)
{
	struct outbox_chunk *c = o->chunk;
	size_t have = outbox_len(o), room = have + n;
	struct outbox_chunk *grown;

	if (c != NULL && c->room - c->end >= n)
		return true;
	if (have + n > UINT32_MAX / 2)
		return false;
	if (room < 2 * have)
		room = 2 * have; /* many small ones are not copied each time */
	grown = malloc(sizeof *grown + room);
	if (grown == NULL)
		return false;
	grown->start = 0;
	grown->end = (uint32_t)have;
	grown->room = (uint32_t)room;
	if (have > 0)
		memcpy(grown->bytes, outbox_bytes(o), have);
	free(c);
	o->chunk = grown;
	return true;
}

bool
outbox_put(struct outbox *o, const void *bytes, size_t n)
{
	if (n == 0)
		return true;
	if (!make_room(o, n))
		return false;
	memcpy(o->chunk->bytes + o->chunk->end, bytes, n);
	o->chunk->end += (uint32_t)n;
	return true;
}

bool
outbox_put_frame(struct outbox *o, enum frame_opcode opcode, const void *payload, size_t n)
{
	uint8_t header[10];
	size_t header_len = frame_header(header, opcode, n);

	/* Room first, so that no header can stand there without its payload. */
	return make_room(o, header_len + n) && outbox_put(o, header, header_len) &&
	       outbox_put(o, payload, n);
}

bool
outbox_put_close(struct outbox *o, enum close_code code)
{
	const uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};

	return outbox_put_frame(o, FRAME_CLOSE, payload, code == CLOSE_NO_STATUS ? 0 : 2);
}

void
outbox_drop(struct outbox *o, size_t n)
{
	if (n == 0)
		return;
	assert(n <= outbox_len(o));
	o->chunk->start += (uint32_t)n;
	if (o->chunk->start == o->chunk->end)
		outbox_clear(o);
}

void
outbox_clear(struct outbox *o)
{
	free(o->chunk);
	o->chunk = NULL;
}
