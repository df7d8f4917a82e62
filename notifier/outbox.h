/* outbox.h - the bytes a connection must still send that belong to it alone: answers, pings, the
 * close frame.  Events are not in here: they are read from the merchant's ring.  Takes memory only
 * while it holds something.  Pure. */
#ifndef NOTIFIER_OUTBOX_H
#define NOTIFIER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/frame.h"

struct outbox_chunk;

/* Zeroed (NULL) when empty. */
struct outbox {
	struct outbox_chunk *chunk;
};

/* Bytes waiting. */
size_t outbox_len(const struct outbox *o);
const uint8_t *outbox_bytes(const struct outbox *o);

/* Appends.  False when out of memory: then nothing was appended. */
bool outbox_put(struct outbox *o, const void *bytes, size_t n);
bool outbox_put_frame(struct outbox *o, enum frame_opcode opcode, const void *payload, size_t n);
bool outbox_put_close(struct outbox *o, enum close_code code);

/* The first n bytes are sent. */
void outbox_drop(struct outbox *o, size_t n);
void outbox_clear(struct outbox *o);

#endif
