#include "notifier/handshake.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { KEY_LEN = 24, KEY_BYTES = 16, SHA1_BYTES = 20 };

bool
handshake_sid(const char *path, const char *prefix, char sid[SID_MAX + 1])
{
	size_t prefix_len = strlen(prefix), len;

	if (strncmp(path, prefix, prefix_len) != 0)
		return false;
	path += prefix_len;
	len = strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
	if (len < 1 || len > SID_MAX || path[len] != '\0')
		return false;
	memcpy(sid, path, len + 1);
	return true;
}

/* A key is the base64 of 16 bytes. */
static bool
is_key(const char *key)
{
	unsigned char bytes[KEY_LEN];

	return strlen(key) == KEY_LEN && strcmp(key + KEY_LEN - 2, "==") == 0 &&
	       key[KEY_LEN - 3] != '=' &&
	       EVP_DecodeBlock(bytes, (const unsigned char *)key, KEY_LEN) == KEY_BYTES + 2;
}

/* One row is one demand on the request, in the order in which they are put to it. */
static bool
is_good_path(const struct request *r)
{
	char sid[SID_MAX + 1];

	return handshake_sid(r->path, "/ws/", sid);
}

static bool
is_get(const struct request *r)
{
	return strcmp(r->method, "GET") == 0;
}

static bool
is_upgrade(const struct request *r)
{
	return request_has_token(r, "Upgrade", "websocket", false) &&
	       request_has_token(r, "Connection", "upgrade", false);
}

static bool
is_http_1_1(const struct request *r)
{
	return strcmp(r->version, "1.1") == 0;
}

static bool
has_one_host(const struct request *r)
{
	return request_header_count(r, "Host") == 1 && request_header(r, "Host")[0] != '\0';
}

static bool
has_version_13(const struct request *r)
{
	return request_header_count(r, "Sec-WebSocket-Version") == 1 &&
	       strcmp(request_header(r, "Sec-WebSocket-Version"), "13") == 0;
}

static bool
has_one_key(const struct request *r)
{
	/* Not judged by its value: behind HTTP/2 a proxy sends the same dummy key every time. */
	return request_header_count(r, "Sec-WebSocket-Key") == 1 &&
	       is_key(request_header(r, "Sec-WebSocket-Key"));
}

static bool
has_no_body(const struct request *r)
{
	return !request_has_body(r);
}

static const struct demand {
	bool (*is_met)(const struct request *r);
	int status;
	const char *reason;
} demands[] = {
    {is_good_path, 404, "the path is /ws/{sid}, sid being 1-64 of A-Z a-z 0-9 . _ -"},
    {is_get, 405, "a WebSocket is opened with GET"},
    {is_upgrade, 404, "only a WebSocket is here: Upgrade: websocket and Connection: Upgrade"},
    {is_http_1_1, 400, "a WebSocket needs HTTP/1.1"},
    {has_one_host, 400, "exactly one Host header is needed"},
    {has_version_13, 426, "Sec-WebSocket-Version must be 13"},
    {has_one_key, 400, "Sec-WebSocket-Key must be there once, 16 bytes in base64"},
    {has_no_body, 400, "a handshake has no body"},
};

int
handshake_check(const struct request *r, struct handshake *h, const char **reason)
{
	for (size_t i = 0; i < sizeof demands / sizeof *demands; i++) {
		if (!demands[i].is_met(r)) {
			*reason = demands[i].reason;
			return demands[i].status;
		}
	}
	handshake_sid(r->path, "/ws/", h->sid);
	h->is_v1 = request_has_token(r, "Sec-WebSocket-Protocol", HANDSHAKE_SUBPROTOCOL, true);
	return 101;
}

/* Section 4.2.2: base64 of SHA-1 of the key and a fixed GUID. */
static bool
accept_value(const char *key, unsigned char out[29])
{
	char joined[KEY_LEN + 37];
	unsigned char digest[SHA1_BYTES];

	snprintf(joined, sizeof joined, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	return EVP_Digest(joined, strlen(joined), digest, NULL, EVP_sha1(), NULL) == 1 &&
	       EVP_EncodeBlock(out, digest, sizeof digest) == 28;
}

size_t
handshake_answer(const struct request *r, bool is_v1, char *out, size_t size)
{
	unsigned char accept[29];
	int n;

	if (!accept_value(request_header(r, "Sec-WebSocket-Key"), accept))
		return 0;
	n = snprintf(out, size,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n%s\r\n",
	    (const char *)accept,
	    is_v1 ? "Sec-WebSocket-Protocol: " HANDSHAKE_SUBPROTOCOL "\r\n" : "");
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
