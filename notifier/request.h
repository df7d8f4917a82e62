/* request.h - an HTTP request as the door hands it on, and how to look things up in it.
 * Everything is borrowed from the door for the length of one call.  Pure. */
#ifndef NOTIFIER_REQUEST_H
#define NOTIFIER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request_header {
	const char *name, *value;
};

enum { REQUEST_HEADERS_MAX = 64 };

struct request {
	const char *method;
	const char *version; /* "1.1" */
	const char *path;    /* decoded */
	const char *query;   /* as it came, without '?'; NULL: none */
	const char *peer;    /* address of the other end of the TCP connection */
	struct request_header headers[REQUEST_HEADERS_MAX];
	size_t n_headers;
};

/* Length of the header that bytes from the network begin with, the empty line that ends it
 * included, as civetweb sees it; 0: it is not whole. */
size_t request_header_length(const char *bytes, size_t n);

/* Value of the first header of that name (any case), or NULL. */
const char *request_header(const struct request *r, const char *name);
size_t request_header_count(const struct request *r, const char *name);

/* True when the comma-separated list in the headers of that name has this token.  Any case unless
 * `exact_case`. */
bool request_has_token(
    const struct request *r, const char *name, const char *token, bool exact_case);

/* True when it announces a body. */
bool request_has_body(const struct request *r);

/* Copy the value of a query parameter (percent-decoded) or of a cookie.  False when it is not
 * there or does not fit. */
bool request_query(const struct request *r, const char *key, char *out, size_t out_size);
bool request_cookie(const struct request *r, const char *key, char *out, size_t out_size);

/* Percent-decodes a path.  False when it is malformed, would hold a NUL, or does not fit. */
bool request_decode_path(const char *path, char *out, size_t out_size);

/* True for 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104 as text, with or without [] and :port;
 * `or_localhost` also lets the name pass. */
bool request_is_loopback(const char *address, bool or_localhost);

/* True when an address is one of the space-separated `trusted` ones. */
bool request_is_trusted(const char *trusted, const char *address);

/* The address of the client itself: the peer, or, when the peer is one of the space-separated
 * `trusted` proxies, the last address of X-Forwarded-For that is not.  Always gives a
 * NUL-terminated text in `out`. */
void request_client_address(
    const struct request *r, const char *trusted, char *out, size_t out_size);

#endif
