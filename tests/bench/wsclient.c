#include "tests/bench/wsclient.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The key need not be random for a server to be measured, and with one key the right answer to it
 * is known: the pair is RFC 6455's own example. */
static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char accept_value[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

size_t
wsclient_request(char *out, size_t size, const char *host, const char *path, const char *protocol,
    const char *headers)
{
	int n = snprintf(out, size,
	    "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s%s%s%s\r\n",
	    path, host, key,
	    protocol == NULL ? "" : "Sec-WebSocket-Protocol: ", protocol == NULL ? "" : protocol,
	    protocol == NULL ? "" : "\r\n", headers);

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* True when the header (which ends in an empty line) has the right accept value. */
static bool
is_accepted(const char *header, size_t len)
{
	static const char name[] = "\r\nSec-WebSocket-Accept: ";
	const char *line = header;

	while ((line = memchr(line, '\r', len - (size_t)(line - header))) != NULL) {
		size_t left = len - (size_t)(line - header);

		if (left > sizeof name + sizeof accept_value &&
		    strncasecmp(line, name, sizeof name - 1) == 0)
			return memcmp(line + sizeof name - 1, accept_value,
				   sizeof accept_value - 1) == 0;
		line++;
	}
	return false;
}

enum wsclient_answer
wsclient_answer(const char *bytes, size_t n, size_t *used, int *status)
{
	const char *end = memmem(bytes, n, "\r\n\r\n", 4);

	*status = 0;
	if (n >= 5 && memcmp(bytes, "HTTP/", 5) != 0)
		return WSCLIENT_REFUSED;
	if (end == NULL)
		return WSCLIENT_PART;
	*used = (size_t)(end - bytes) + 4;
	if (*used > 12)
		*status = (int)strtol(bytes + 9, NULL, 10);
	if (*status == 101 && is_accepted(bytes, *used))
		return WSCLIENT_OPEN;
	if (*status == 101)
		*status = 0;
	return WSCLIENT_REFUSED;
}

enum wsclient_got
wsclient_read(const uint8_t *bytes, size_t n, struct wsclient_frame *frame)
{
	size_t header = 2;
	uint64_t len;

	if (n < 2)
		return WSCLIENT_MORE;
	if ((bytes[0] & 0xf0) != 0x80 || (bytes[1] & 0x80) != 0)
		return WSCLIENT_BROKEN;
	len = bytes[1];
	if (len >= 126) {
		header += len == 126 ? 2 : 8;
		if (n < header)
			return WSCLIENT_MORE;
		len = 0;
		for (size_t i = 2; i < header; i++)
			len = len << 8 | bytes[i];
	}
	if (n - header < len)
		return WSCLIENT_MORE;
	*frame = (struct wsclient_frame){
	    .opcode = bytes[0] & 0x0fu,
	    .payload = bytes + header,
	    .len = (size_t)len,
	    .used = header + (size_t)len,
	};
	return WSCLIENT_FRAME;
}

size_t
wsclient_frame(uint8_t *out, unsigned opcode, const void *payload, size_t len)
{
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	size_t at = 0;

	assert(len < 65536);
	out[at++] = (uint8_t)(0x80 | opcode);
	out[at++] = (uint8_t)(0x80 | (len < 126 ? len : 126));
	if (len >= 126) {
		out[at++] = (uint8_t)(len >> 8);
		out[at++] = (uint8_t)len;
	}
	memcpy(out + at, mask, sizeof mask);
	at += sizeof mask;
	for (size_t i = 0; i < len; i++)
		out[at + i] = ((const uint8_t *)payload)[i] ^ mask[i & 3];
	return at + len;
}
