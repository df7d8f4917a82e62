#include "notifier/access.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- snapshots --- */

/* One that access_new() made, with its texts behind it. */
struct snapshot {
	struct access access;
	size_t texts_size;
	char texts[];
};

/* Copies a text to *at and moves on; NULL stays NULL. */
static const char *
copy_text(char **at, const char *text)
{
	char *copy = *at;

	if (text == NULL)
		return NULL;
	*at = stpcpy(copy, text) + 1;
	return copy;
}

static size_t
text_size(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

struct access *
access_new(const struct access *from)
{
	size_t size = text_size(from->allow_origin) + text_size(from->trusted_proxy);
	struct snapshot *s;
	char *at;

	for (size_t i = 0; i < from->n_keys; i++)
		size += text_size(from->keys[i].kid) + text_size(from->keys[i].secret);
	s = malloc(sizeof *s + size);
	if (s == NULL)
		return NULL;
	s->access = *from;
	s->texts_size = size;
	at = s->texts;
	for (size_t i = 0; i < from->n_keys; i++) {
		s->access.keys[i].kid = copy_text(&at, from->keys[i].kid);
		s->access.keys[i].secret = copy_text(&at, from->keys[i].secret);
	}
	s->access.allow_origin = copy_text(&at, from->allow_origin);
	s->access.trusted_proxy = copy_text(&at, from->trusted_proxy);
	atomic_init(&s->access.refs, 1);
	return &s->access;
}

struct access *
access_hold(struct access *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	return a;
}

void
access_release(struct access *a)
{
	struct snapshot *s = (struct snapshot *)a;

	if (a == NULL || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
		return;
	explicit_bzero(s->texts, s->texts_size);
	free(s);
}

/* --- fences --- */

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

/* 0: it is none. */
static int64_t
parse_merchant(const char *text)
{
	char *end;
	int64_t merchant;

	if (*text < '1' || *text > '9')
		return 0;
	errno = 0;
	merchant = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' ? merchant : 0;
}

static enum access_verdict
grant_without_proof(const struct request *r, struct grant *grant)
{
	char merchant[24] = "1";

	if (r->query != NULL && strstr(r->query, "merchant=") != NULL &&
	    !request_query(r, "merchant", merchant, sizeof merchant))
		return ACCESS_REFUSED;
	grant->merchant = parse_merchant(merchant);
	return grant->merchant > 0 ? ACCESS_GRANTED : ACCESS_REFUSED;
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

static enum access_verdict
judge_jwt(const struct access *a, const char *token, int64_t now, struct grant *grant)
{
	struct token_claims claims = {0};

	switch (token_verify(token, a->keys, a->n_keys, "merchant", now, &claims)) {
	case TOKEN_OK:
		*grant = (struct grant){.merchant = claims.id, .exp = claims.exp};
		return ACCESS_GRANTED;
	case TOKEN_EXPIRED: return ACCESS_EXPIRED;
	case TOKEN_BAD:
	case TOKEN_NO_CLAIM: return ACCESS_REFUSED;
	}
	return ACCESS_REFUSED;
}

/* A terminal's token is obt_{terminal}_{secret}. */
static const char terminal_prefix[] = "obt_";

static bool
is_terminal_token(const char *token)
{
	return strncmp(token, terminal_prefix, sizeof terminal_prefix - 1) == 0;
}

static enum access_verdict
read_claim(const char *token, struct claim *claim)
{
	const char *id = token + sizeof terminal_prefix - 1;
	char *end;

	errno = 0;
	claim->terminal = *id >= '1' && *id <= '9' ? strtoll(id, &end, 10) : 0;
	if (claim->terminal != 0 && errno == 0 && *end == '_' &&
	    EVP_Digest(token, strlen(token), claim->hash, NULL, EVP_sha256(), NULL) == 1)
		return ACCESS_CLAIMED;
	claim->terminal = 0;
	return ACCESS_REFUSED;
}

enum access_verdict
access_by_token(const struct access *a, const char *token, int64_t now, struct grant *grant,
    struct claim *claim)
{
	*grant = (struct grant){0};
	*claim = (struct claim){0};
	switch (a->auth) {
	case ACCESS_NONE: return ACCESS_REFUSED;
	case ACCESS_JWT: return judge_jwt(a, token, now, grant);
	case ACCESS_TERMINAL: break;
	case ACCESS_ANY:
		if (!is_terminal_token(token))
			return judge_jwt(a, token, now, grant);
		break;
	}
	return is_terminal_token(token) ? read_claim(token, claim) : ACCESS_REFUSED;
}

enum access_verdict
access_by_request(const struct access *a, const struct request *r, int64_t now, struct grant *grant,
    struct claim *claim)
{
	char token[TOKEN_MAX + 1];

	*grant = (struct grant){0};
	*claim = (struct claim){0};
	if (a->auth == ACCESS_NONE)
		return grant_without_proof(r, grant);
	if (!find_token(a, r, token, sizeof token))
		return ACCESS_REFUSED;
	return access_by_token(a, token, now, grant, claim);
}

bool
claim_holds(const struct claim *claim, const char *hash_hex)
{
	long len = 0;
	unsigned char *hash = OPENSSL_hexstr2buf(hash_hex, &len);
	bool holds = hash != NULL && len == CLAIM_HASH_BYTES &&
	             CRYPTO_memcmp(hash, claim->hash, CLAIM_HASH_BYTES) == 0;

	OPENSSL_free(hash);
	return holds;
}
