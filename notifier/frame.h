/* frame.h - WebSocket framing, the server's side of RFC 6455 section 5.  Pure: bytes in, messages
 * out; no sockets, no clock.
 *
 * The reader takes bytes cut anywhere and holds memory only while a message is incomplete.  It is
 * strict: what the RFC forbids a client ends the connection with the RFC's own close code. */
#ifndef NOTIFIER_FRAME_H
#define NOTIFIER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/utf8.h"

enum frame_opcode {
	FRAME_CONTINUATION = 0x0,
	FRAME_TEXT = 0x1,
	FRAME_BINARY = 0x2,
	FRAME_CLOSE = 0x8,
	FRAME_PING = 0x9,
	FRAME_PONG = 0xa,
};

/* Close codes: below 3000 RFC 6455 section 7.4.1, from 4000 on our own (orderbell-protocol). */
enum close_code {
	CLOSE_NORMAL = 1000,
	CLOSE_PROTOCOL_ERROR = 1002,
	CLOSE_NO_STATUS = 1005, /* never on the wire: the peer's close frame had no code */
	CLOSE_BAD_TEXT = 1007,
	CLOSE_TOO_BIG = 1009,
	CLOSE_TRY_LATER = 1013,
	CLOSE_SLOW = 4001,
	CLOSE_REPLACED = 4002,
	CLOSE_GOING_AWAY = 4003,
	CLOSE_BAD_PROTOCOL = 4400,
	CLOSE_UNAUTHORIZED = 4401,
	CLOSE_FORBIDDEN = 4403,
};

enum {
	FRAME_CONTROL_MAX = 125,   /* payload of a control frame */
	FRAME_MESSAGE_MAX = 65536, /* payload of a message, all its fragments together */
	FRAME_HEADER_MAX = 14,     /* of a client's frame; a server's is at most: */
	FRAME_HEADER_SERVER_MAX = 10,
};

struct frame_reader {
	uint8_t *message;      /* payload of the message that is incomplete; NULL when none is */
	uint32_t message_len;  /* bytes of it seen, kept or not */
	uint32_t message_room; /* allocated */
	uint32_t keep;         /* how much of a message to keep: the rest is checked and dropped */
	uint32_t frame_left;   /* payload bytes of this frame still to come */
	uint8_t header[FRAME_HEADER_MAX];
	uint8_t header_len;     /* bytes of the header so far */
	uint8_t mask_at;        /* 0..3 */
	uint8_t message_opcode; /* FRAME_TEXT or FRAME_BINARY while fragments are coming, else 0 */
	uint8_t opcode;         /* of this frame */
	uint8_t control_len;
	bool is_final;
	bool in_payload;
	struct utf8 utf8;
	uint8_t *control; /* payload of a control frame that is incomplete */
};

enum frame_event {
	FRAME_NEED_MORE, /* all input is used up */
	FRAME_GOT,       /* `message` holds something; call again with what is left of the input */
	FRAME_FAILED,    /* close with `code`; the reader is of no further use */
};

struct frame_message {
	enum frame_opcode opcode; /* TEXT, BINARY, CLOSE, PING or PONG */
	const uint8_t *payload;   /* borrowed until the next call */
	uint32_t len;             /* of the whole message */
	uint32_t kept;            /* bytes at `payload`: less than len when longer than `keep` */
	enum close_code code;     /* of a CLOSE (CLOSE_NO_STATUS: it had none), or why it FAILED */
};

/* `keep`: bytes of a data message to hand over; the rest of a longer one is checked but dropped. */
void frame_reader_init(struct frame_reader *r, uint32_t keep);
void frame_reader_fini(struct frame_reader *r);

/* True between two frames, when no message is incomplete: it might as well be a new one. */
bool frame_reader_is_idle(const struct frame_reader *r);

/* Consumes bytes from `in` up to the end of the next message or control frame; *used tells how
 * many.  `in` is unmasked in place. */
enum frame_event frame_read(
    struct frame_reader *r, uint8_t *in, size_t in_len, size_t *used, struct frame_message *out);

/* Writes the header of an unmasked final frame; gives its length, 2..10. */
size_t frame_header(uint8_t header[10], enum frame_opcode opcode, uint64_t payload_len);

/* True for the codes that may stand in a close frame (RFC 6455 section 7.4 and the IANA registry).
 */
bool frame_close_code_is_valid(unsigned code);

#endif
