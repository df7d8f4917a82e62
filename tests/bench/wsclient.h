/* wsclient.h - the client's side of a WebSocket: the request, the answer to it, and frames.  Pure.
 * As strict as a load client need be: what the server may not send is noticed, not judged. */
#ifndef BENCH_WSCLIENT_H
#define BENCH_WSCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WSCLIENT_TEXT = 0x1,
	WSCLIENT_BINARY = 0x2,
	WSCLIENT_CLOSE = 0x8,
	WSCLIENT_PING = 0x9,
	WSCLIENT_PONG = 0xa,
	WSCLIENT_FRAME_ROOM = 14, /* bytes of a header at most */
};

/* Writes the request for `path`, with that subprotocol (NULL: none); `headers` are more header
 * lines, each with its CRLF.  Gives its length, or 0 when it does not fit. */
size_t wsclient_request(char *out, size_t size, const char *host, const char *path,
    const char *protocol, const char *headers);

enum wsclient_answer {
	WSCLIENT_PART,    /* more has to come */
	WSCLIENT_OPEN,    /* 101, and the accept value is right; *used bytes belong to the answer */
	WSCLIENT_REFUSED, /* *status is what it said; 0: it was no HTTP or a wrong 101 */
};

enum wsclient_answer wsclient_answer(const char *bytes, size_t n, size_t *used, int *status);

struct wsclient_frame {
	unsigned opcode;
	const uint8_t *payload; /* inside the bytes that were given */
	size_t len;
	size_t used; /* bytes of the whole frame */
};

enum wsclient_got {
	WSCLIENT_MORE, /* the frame is not whole */
	WSCLIENT_FRAME,
	WSCLIENT_BROKEN, /* masked, fragmented or with reserved bits: no frame of ours */
};

enum wsclient_got wsclient_read(const uint8_t *bytes, size_t n, struct wsclient_frame *frame);

/* Writes a masked frame and gives its length; `out` has room for len + WSCLIENT_FRAME_ROOM, and len
 * is below 65536. */
size_t wsclient_frame(uint8_t *out, unsigned opcode, const void *payload, size_t len);

#endif
