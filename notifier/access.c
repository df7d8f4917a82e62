#include "notifier/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Every address that a proxy in front of us says it speaks for must be of this machine. */
static bool
is_forwarded_from_outside(const struct request *r)
{
	static const char *const names[] = {"X-Forwarded-For", "X-Real-IP", "X-Client-IP"};

	if (request_header(r, "Forwarded") != NULL)
		return true; /* RFC 7239 can say too much to be judged here, and no host of ours
		                sends it */
	for (size_t i = 0; i < r->n_headers; i++) {
		for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
			char list[256], *rest = list;
			const char *hop;
			int n;

			if (strcasecmp(r->headers[i].name, names[k]) != 0)
				continue;
			n = snprintf(list, sizeof list, "%s", r->headers[i].value);
			if (n < 0 || (size_t)n >= sizeof list)
				return true;
			while ((hop = strsep(&rest, ", \t")) != NULL) {
				if (*hop != '\0' && !request_is_loopback(hop, false))
					return true;
			}
		}
	}
	return false;
}

/* Host part of an origin, "http://till.example:8080" -> "till.example:8080". */
static const char *
origin_host(const char *origin)
{
	const char *host = strstr(origin, "://");

	return host == NULL ? "" : host + 3;
}

static bool
list_has_origin(const char *list, const char *origin)
{
	size_t len = strlen(origin);

	for (const char *at = list; *at != '\0';) {
		size_t n = strcspn(at, " ");

		if ((n == 1 && *at == '*') || (n == len && strncasecmp(at, origin, n) == 0))
			return true;
		at += n;
		at += strspn(at, " ");
	}
	return false;
}

/* A browser says which page opens the connection; tills and mini-programs say nothing. */
static bool
is_origin_allowed(const struct access *a, const struct request *r)
{
	const char *origin = request_header(r, "Origin"), *host = request_header(r, "Host");

	if (origin == NULL)
		return true;
	if (request_header_count(r, "Origin") != 1)
		return false;
	if (list_has_origin(a->allow_origin, origin))
		return true;
	if (a->auth == ACCESS_NONE && request_is_loopback(origin_host(origin), true))
		return true;
	return host != NULL && *host != '\0' && strcasecmp(origin_host(origin), host) == 0;
}

const char *
access_refusal(const struct access *a, const struct request *r)
{
	const char *host = request_header(r, "Host");

	if (a->auth == ACCESS_NONE && !request_is_loopback(r->peer, false))
		return "auth = none serves this machine alone";
	if (a->auth == ACCESS_NONE && host != NULL && !request_is_loopback(host, true))
		return "auth = none serves this machine alone: the Host is another";
	if (a->auth == ACCESS_NONE && is_forwarded_from_outside(r))
		return "auth = none serves this machine alone: the request was forwarded from "
		       "another";
	if (!is_origin_allowed(a, r))
		return "this Origin is not allowed (allow_origin)";
	return NULL;
}

static bool
parse_merchant(const char *text, int64_t *merchant)
{
	char *end;

	if (*text < '1' || *text > '9')
		return false;
	errno = 0;
	*merchant = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static enum token_status
grant_without_proof(const struct request *r, struct grant *grant)
{
	char merchant[24] = "1";

	*grant = (struct grant){0};
	if (r->query != NULL && strstr(r->query, "merchant=") != NULL &&
	    !request_query(r, "merchant", merchant, sizeof merchant))
		return TOKEN_BAD;
	return parse_merchant(merchant, &grant->merchant) ? TOKEN_OK : TOKEN_BAD;
}

/* Copies the token a request carries; false when it carries none. */
static bool
find_token(const struct access *a, const struct request *r, char *token, size_t size)
{
	const char *value = request_header(r, "Authorization");

	if (value != NULL && strncasecmp(value, "Bearer ", 7) == 0)
		value += 7 + strspn(value + 7, " ");
	else
		value = request_header(r, "token");
	if (value != NULL) {
		/* One that is too long for any token is none: left empty it is refused. */
		if ((size_t)snprintf(token, size, "%s", value) >= size)
			token[0] = '\0';
		return true;
	}
	if (request_cookie(r, "token", token, size))
		return true;
	return a->token_in_query && request_query(r, "token", token, size);
}

enum token_status
access_by_token(const struct access *a, const char *token, int64_t now, struct grant *grant)
{
	struct token_claims claims = {0};
	enum token_status status =
	    token_verify(token, a->keys, a->n_keys, "merchant", now, &claims);

	*grant = (struct grant){0};
	if (status == TOKEN_OK)
		*grant = (struct grant){.merchant = claims.id, .exp = claims.exp};
	return status;
}

enum token_status
access_by_request(const struct access *a, const struct request *r, int64_t now, struct grant *grant)
{
	char token[TOKEN_MAX + 1];

	*grant = (struct grant){0};
	switch (a->auth) {
	case ACCESS_NONE: return grant_without_proof(r, grant);
	case ACCESS_JWT:
		if (!find_token(a, r, token, sizeof token))
			return TOKEN_BAD;
		return access_by_token(a, token, now, grant);
	}
	return TOKEN_BAD;
}
