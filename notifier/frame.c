#include "notifier/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIN = 0x80, RSV = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f, CONTROL = 0x08 };

void
frame_reader_init(struct frame_reader *r, uint32_t keep)
{
	*r = (struct frame_reader){.keep = keep};
}

static void
forget_message(struct frame_reader *r)
{
	free(r->message);
	r->message = NULL;
	r->message_len = 0;
	r->message_room = 0;
	r->message_opcode = 0;
	r->utf8 = (struct utf8){0};
}

void
frame_reader_fini(struct frame_reader *r)
{
	forget_message(r);
	free(r->control);
	r->control = NULL;
}

bool
frame_reader_is_idle(const struct frame_reader *r)
{
	return r->header_len == 0 && !r->in_payload && r->message_opcode == 0 &&
	       r->message == NULL && r->control == NULL;
}

static enum frame_event
fail(struct frame_message *out, enum close_code code)
{
	out->code = code;
	return FRAME_FAILED;
}

bool
frame_close_code_is_valid(unsigned code)
{
	if (code >= 3000)
		return code <= 4999;
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

static bool
is_control(unsigned opcode)
{
	return (opcode & CONTROL) != 0;
}

/* Judges the first two bytes, which say all but the length of a long frame.  0, or a close code. */
static unsigned
check_start(const struct frame_reader *r, uint8_t b0, uint8_t b1)
{
	unsigned opcode = b0 & OPCODE;

	if ((b0 & RSV) != 0 || (b1 & MASKED) == 0)
		return CLOSE_PROTOCOL_ERROR;
	switch (opcode) {
	case FRAME_CONTINUATION: return r->message_opcode == 0 ? CLOSE_PROTOCOL_ERROR : 0;
	case FRAME_TEXT:
	case FRAME_BINARY: return r->message_opcode != 0 ? CLOSE_PROTOCOL_ERROR : 0;
	case FRAME_CLOSE:
	case FRAME_PING:
	case FRAME_PONG:
		if ((b0 & FIN) == 0 || (b1 & LENGTH) > FRAME_CONTROL_MAX)
			return CLOSE_PROTOCOL_ERROR;
		return 0;
	default: return CLOSE_PROTOCOL_ERROR; /* reserved */
	}
}

/* Length of the whole header that starts with these two bytes. */
static size_t
header_size(uint8_t b1)
{
	unsigned length = b1 & LENGTH;

	return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
}

static uint64_t
payload_length(const uint8_t *header)
{
	unsigned length = header[1] & LENGTH;
	size_t n = length == 126 ? 2 : 8;
	uint64_t value = 0;

	if (length < 126)
		return length;
	for (size_t i = 0; i < n; i++)
		value = value << 8 | header[2 + i];
	return value;
}

/* The lowest value for which that form of the length may be used: "the minimal number of bytes MUST
 * be used" (section 5.2). */
static uint64_t
smallest_for_form(uint8_t b1)
{
	unsigned length = b1 & LENGTH;

	return length == 127 ? 65536 : length == 126 ? 126 : 0;
}

/* The length bytes are complete, the mask need not be: a frame that announces too much is refused
 * before its sender may go on.  0, or a close code. */
static unsigned
check_length(const struct frame_reader *r)
{
	uint64_t len = payload_length(r->header);

	if (len < smallest_for_form(r->header[1]) || (len >> 63) != 0)
		return CLOSE_PROTOCOL_ERROR;
	if (!is_control(r->header[0] & OPCODE) && len > FRAME_MESSAGE_MAX - r->message_len)
		return CLOSE_TOO_BIG;
	return 0;
}

/* The header is whole: what follows is payload.  0, or a close code. */
static unsigned
start_payload(struct frame_reader *r)
{
	r->frame_left = (uint32_t)payload_length(r->header);
	r->opcode = r->header[0] & OPCODE;
	r->is_final = (r->header[0] & FIN) != 0;
	r->mask_at = 0;
	r->in_payload = true;
	if (is_control(r->opcode)) {
		r->control_len = 0;
		return 0;
	}
	if (r->opcode != FRAME_CONTINUATION)
		r->message_opcode = r->opcode;
	return 0;
}

/* Takes header bytes one by one: there are few, and each may be the last one to come for now. */
static unsigned
read_header(struct frame_reader *r, const uint8_t *in, size_t in_len, size_t *used)
{
	while (*used < in_len) {
		size_t size;
		unsigned code = 0;

		r->header[r->header_len++] = in[(*used)++];
		if (r->header_len < 2)
			continue;
		if (r->header_len == 2)
			code = check_start(r, r->header[0], r->header[1]);
		if (code != 0)
			return code;
		size = header_size(r->header[1]);
		if (r->header_len == size - 4)
			code = check_length(r);
		if (code != 0)
			return code;
		if (r->header_len == size) {
			r->header_len = 0;
			memmove(r->header + FRAME_HEADER_MAX - 4, r->header + size - 4, 4);
			return start_payload(r);
		}
	}
	return 0;
}

static void
unmask(struct frame_reader *r, uint8_t *bytes, size_t n)
{
	const uint8_t *key = r->header + FRAME_HEADER_MAX - 4;

	for (size_t i = 0; i < n; i++)
		bytes[i] ^= key[(r->mask_at + i) & 3];
	r->mask_at = (uint8_t)((r->mask_at + n) & 3);
}

/* Keeps what is to be kept of a data frame's payload.  False when out of memory. */
static bool
keep_payload(struct frame_reader *r, const uint8_t *bytes, uint32_t n)
{
	uint32_t have = r->message_len < r->keep ? r->message_len : r->keep;
	uint32_t take = n < r->keep - have ? n : r->keep - have;

	r->message_len += n;
	if (take == 0)
		return true;
	if (have + take > r->message_room) {
		/* Room for what has come, not for what was announced: an announcement costs its
		 * sender nothing. */
		uint32_t room = (have + take + 255) & ~(uint32_t)255;
		uint8_t *grown = realloc(r->message, room);

		if (grown == NULL)
			return false;
		r->message = grown;
		r->message_room = room;
	}
	memcpy(r->message + have, bytes, take);
	return true;
}

static enum frame_event
give_close(const struct frame_reader *r, struct frame_message *out)
{
	unsigned code;

	out->code = CLOSE_NO_STATUS;
	if (r->control_len == 0)
		return FRAME_GOT;
	if (r->control_len == 1)
		return fail(out, CLOSE_PROTOCOL_ERROR);
	code = (unsigned)r->control[0] << 8 | r->control[1];
	if (!frame_close_code_is_valid(code))
		return fail(out, CLOSE_PROTOCOL_ERROR);
	if (!utf8_is_valid((const char *)r->control + 2, r->control_len - 2u))
		return fail(out, CLOSE_BAD_TEXT);
	out->code = (enum close_code)code;
	return FRAME_GOT;
}

static enum frame_event
read_control(struct frame_reader *r, const uint8_t *bytes, uint32_t n, struct frame_message *out)
{
	if (n > 0 && r->control == NULL)
		r->control = malloc(FRAME_CONTROL_MAX);
	if (n > 0 && r->control == NULL)
		return fail(out, CLOSE_TRY_LATER);
	if (n > 0)
		memcpy(r->control + r->control_len, bytes, n);
	r->control_len = (uint8_t)(r->control_len + n);
	if (r->frame_left > 0)
		return FRAME_NEED_MORE;
	r->in_payload = false;
	out->opcode = (enum frame_opcode)r->opcode;
	out->payload = r->control;
	out->len = out->kept = r->control_len;
	return r->opcode == FRAME_CLOSE ? give_close(r, out) : FRAME_GOT;
}

static enum frame_event
read_data(struct frame_reader *r, const uint8_t *bytes, uint32_t n, struct frame_message *out)
{
	if (r->message_opcode == FRAME_TEXT && !utf8_feed(&r->utf8, bytes, n))
		return fail(out, CLOSE_BAD_TEXT);
	if (!keep_payload(r, bytes, n))
		return fail(out, CLOSE_TRY_LATER);
	if (r->frame_left > 0)
		return FRAME_NEED_MORE;
	r->in_payload = false;
	if (!r->is_final)
		return FRAME_NEED_MORE;
	if (r->message_opcode == FRAME_TEXT && !utf8_is_complete(&r->utf8))
		return fail(out, CLOSE_BAD_TEXT);
	out->opcode = (enum frame_opcode)r->message_opcode;
	out->payload = r->message;
	out->len = r->message_len;
	out->kept = r->message_len < r->keep ? r->message_len : r->keep;
	r->message_opcode = 0;
	return FRAME_GOT;
}

/* What the last call lent out is over. */
static void
release_lent(struct frame_reader *r)
{
	if (!r->in_payload && r->control != NULL) {
		free(r->control);
		r->control = NULL;
	}
	if (r->message_opcode == 0)
		forget_message(r);
}

enum frame_event
frame_read(
    struct frame_reader *r, uint8_t *in, size_t in_len, size_t *used, struct frame_message *out)
{
	*used = 0;
	*out = (struct frame_message){0};
	release_lent(r);
	for (;;) {
		enum frame_event got;
		uint32_t n;

		if (!r->in_payload) {
			unsigned code = read_header(r, in, in_len, used);

			if (code != 0)
				return fail(out, (enum close_code)code);
			if (!r->in_payload)
				return FRAME_NEED_MORE;
		}
		n = in_len - *used < r->frame_left ? (uint32_t)(in_len - *used) : r->frame_left;
		unmask(r, in + *used, n);
		r->frame_left -= n;
		got = is_control(r->opcode) ? read_control(r, in + *used, n, out)
		                            : read_data(r, in + *used, n, out);
		*used += n;
		if (got != FRAME_NEED_MORE || r->in_payload)
			return got;
	}
}

size_t
frame_header(uint8_t header[10], enum frame_opcode opcode, uint64_t payload_len)
{
	size_t n = payload_len < 126 ? 0 : payload_len < 65536 ? 2 : 8;

	header[0] = (uint8_t)(FIN | opcode);
	header[1] = (uint8_t)(n == 0 ? payload_len : n == 2 ? 126 : 127);
	for (size_t i = 0; i < n; i++)
		header[2 + i] = (uint8_t)(payload_len >> (8 * (n - 1 - i)));
	return 2 + n;
}
