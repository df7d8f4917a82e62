/* requests - what comes to the door is judged as it says, and nobody gets in without a proof.
 * Input: a line of options (0 to 5: the peer's address; n, j, t: without auth, only JWT, only
 * terminals' tokens; q: a token may stand in the query; x: the peer is a proxy that is trusted; *:
 * any Origin is allowed), then the request as it comes from the network, up to its body.  In it $7
 * and the like are tokens (tokens.h). */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "notifier/access.h"
#include "notifier/census.h"
#include "notifier/passage.h"
#include "notifier/request.h"
#include "tests/fuzz/tokens.h"

enum { REQUEST_SIZE = 16384, PATH_SIZE = 1024, VALUE_SIZE = 4097 };

static const char *const peers[] = {
    "127.0.0.1", "::1", "::ffff:127.9.9.9", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"};
enum { N_LOOPBACK = 3, N_PEERS = sizeof peers / sizeof *peers };

struct visit {
	struct access access;
	struct request request;
	unsigned peer; /* among `peers` */
	char text[REQUEST_SIZE], path[PATH_SIZE];
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Civetweb's own words: "\n\n" or "\r\n\r\n", whatever comes first. */
static void
check_header_length(const char *bytes, size_t n)
{
	char *exact = malloc(n); /* of that size: what is read behind its end is found */
	size_t wanted = 0;

	if (n > 0)
		memcpy(exact, bytes, n);
	for (size_t i = 0; i < n && wanted == 0; i++) {
		if (n - i >= 2 && memcmp(bytes + i, "\n\n", 2) == 0)
			wanted = i + 2;
		else if (n - i >= 4 && memcmp(bytes + i, "\r\n\r\n", 4) == 0)
			wanted = i + 4;
	}
	if (n > 0)
		assert(request_header_length(exact, n) == wanted);
	free(exact);
}

/* --- as civetweb and the door would hand it on --- */

static void
read_options(struct visit *v, const char *line)
{
	const struct token_key *keys = tokens_keys();

	for (int i = 0; i < TOKENS_N_KEYS; i++)
		v->access.keys[v->access.n_keys++] = keys[i];
	v->access.auth = strchr(line, 'n')   ? ACCESS_NONE
	                 : strchr(line, 'j') ? ACCESS_JWT
	                 : strchr(line, 't') ? ACCESS_TERMINAL
	                                     : ACCESS_ANY;
	v->access.token_in_query = strchr(line, 'q');
	v->access.allow_origin = strchr(line, '*') ? "*" : "https://till.example http://a.example";
	v->peer =
	    (unsigned)(strcspn(line, "012345") < strlen(line) ? line[strcspn(line, "012345")] - '0'
							      : 0);
	v->access.trusted_proxy = strchr(line, 'x') ? peers[v->peer] : "192.0.2.77";
	v->request.peer = peers[v->peer];
}

/* Takes the next line off the text, without its end; NULL: there is none. */
static char *
next_line(char **text)
{
	char *line = strsep(text, "\n");
	size_t n = line == NULL ? 0 : strlen(line);

	if (n > 0 && line[n - 1] == '\r')
		line[n - 1] = '\0';
	return line;
}

/* False when the door would not hand it on. */
static bool
read_request(struct visit *v, char *text)
{
	struct request *r = &v->request;
	char *line = next_line(&text), *target, *value;

	r->method = strsep(&line, " ");
	target = strsep(&line, " ");
	if (target == NULL || line == NULL || strncmp(line, "HTTP/", 5) != 0)
		return false;
	r->version = line + 5;
	r->path = v->path;
	value = strsep(&target, "?");
	r->query = target;
	while ((line = next_line(&text)) != NULL && *line != '\0') {
		if (r->n_headers == REQUEST_HEADERS_MAX)
			return false;
		value = line;
		line = strsep(&value, ":");
		if (value == NULL)
			return false;
		value += strspn(value, " \t");
		for (size_t n = strlen(value); n > 0 && strchr(" \t", value[n - 1]) != NULL; n--)
			value[n - 1] = '\0';
		/* In memory of its own: what is read behind its end is found. */
		r->headers[r->n_headers++] = (struct request_header){line, strdup(value)};
	}
	return true;
}

static void
free_headers(struct request *r)
{
	for (size_t i = 0; i < r->n_headers; i++)
		free((char *)(uintptr_t)r->headers[i].value);
	r->n_headers = 0;
}

/* --- what must hold --- */

/* A decoded path stands for what was written, byte by byte. */
static bool
check_path(const char *written, char path[PATH_SIZE])
{
	size_t n = 0;

	if (!request_decode_path(written, path, PATH_SIZE))
		return false;
	for (; *written != '\0'; written++, n++) {
		unsigned byte = (unsigned char)*written;

		if (*written == '%') {
			assert(sscanf(written + 1, "%2x", &byte) == 1);
			written += 2;
		}
		assert((unsigned char)path[n] == byte && byte != 0);
	}
	assert(path[n] == '\0' && n < PATH_SIZE);
	return true;
}

static bool
is_loopback_peer(const struct visit *v)
{
	return v->peer < N_LOOPBACK;
}

static size_t
count(const struct request *r, const char *name, const char **value)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_headers; i++) {
		if (strcasecmp(r->headers[i].name, name) == 0) {
			*value = r->headers[i].value;
			n++;
		}
	}
	return n;
}

/* What RFC 6455 asks of a handshake. */
static void
check_handshake(const struct request *r, const struct passage *p)
{
	const char *value = NULL;

	assert(strncmp(r->path, "/ws/", 4) == 0 && strcmp(r->path + 4, p->sid) == 0);
	assert(strcmp(r->method, "GET") == 0 && strcmp(r->version, "1.1") == 0);
	assert(count(r, "Host", &value) == 1 && *value != '\0');
	assert(count(r, "Sec-WebSocket-Version", &value) == 1 && strcmp(value, "13") == 0);
	assert(count(r, "Sec-WebSocket-Key", &value) == 1 && strlen(value) == 24);
	assert(count(r, "Upgrade", &value) > 0 && count(r, "Connection", &value) > 0);
	assert(count(r, "Transfer-Encoding", &value) == 0);
	assert(count(r, "Content-Length", &value) != 1 || strspn(value, "0") == strlen(value));
	if (p->kind == SESSION_V1)
		assert(count(r, "Sec-WebSocket-Protocol", &value) > 0);
}

static void
check_ack(const struct request *r, const struct passage *p)
{
	const char *value = NULL;

	assert(strncmp(r->path, "/ack/", 5) == 0 && strcmp(r->method, "POST") == 0);
	assert(
	    count(r, "Content-Length", &value) == 1 && count(r, "Transfer-Encoding", &value) == 0);
	assert(strspn(value, "0123456789") == strlen(value));
	assert(p->body_len <= PASSAGE_BODY_MAX && strtoul(value, NULL, 10) == p->body_len);
}

static void
check_get(const struct request *r, const struct passage *p)
{
	const char *value = NULL;

	assert(strcmp(r->method, "GET") == 0 ||
	       (p->kind == SESSION_SSE && strcmp(r->method, "HEAD") == 0));
	assert(strncmp(r->path, p->kind == SESSION_SSE ? "/events/" : "/poll/", 6) == 0);
	assert(count(r, "Transfer-Encoding", &value) == 0);
	assert(p->after.seq >= 0 && memchr(p->after.epoch, '\0', sizeof p->after.epoch) != NULL);
	assert(p->has_after || p->after.epoch[0] == '\0');
	assert(p->audio == AUDIO_UNKNOWN || p->audio == AUDIO_ARMED || p->audio == AUDIO_BLOCKED);
}

static bool
is_sid(const char *sid)
{
	size_t n = strlen(sid);

	for (size_t i = 0; i < n; i++) {
		if (strchr("._-", sid[i]) == NULL && !(sid[i] >= '0' && sid[i] <= '9') &&
		    !((sid[i] | 32) >= 'a' && (sid[i] | 32) <= 'z'))
			return false;
	}
	return n >= 1 && n <= SID_MAX;
}

/* What is answered at once is a whole header, and nothing that the client said is in it. */
static void
check_first(const struct request *r, const struct passage *p)
{
	char first[PASSAGE_FIRST_MAX];
	size_t n;

	assert(passage_first(r, p, 1000, first, &n) && n <= sizeof first);
	if (p->kind == SESSION_SSE)
		assert(n > 14 && memcmp(first + n - 13, "retry: 1000\n\n", 13) == 0);
	else
		assert((n == 0) == (p->kind == SESSION_POLL || p->kind == SESSION_ACK));
	if (n > 0 && p->kind != SESSION_SSE)
		assert(request_header_length(first, n) == n);
}

static void
check_passage(const struct visit *v)
{
	const struct request *r = &v->request;
	struct passage p;
	const char *reason = NULL;
	int status = passage_check(r, &p, &reason);

	assert(passage_methods(r->path) != NULL);
	if (status != 101 && status != 200) {
		assert(status >= 400 && status < 500 && reason != NULL);
		return;
	}
	assert(
	    is_sid(p.sid) && (status == 101) == (p.kind == SESSION_PLAIN || p.kind == SESSION_V1));
	switch (p.kind) {
	case SESSION_PLAIN:
	case SESSION_V1: check_handshake(r, &p); break;
	case SESSION_SSE:
	case SESSION_POLL: check_get(r, &p); break;
	case SESSION_ACK: check_ack(r, &p); break;
	}
	check_first(r, &p);
}

/* The last word of X-Forwarded-For, as far as it is an address with nothing around it. */
static bool
last_forwarded(const struct request *r, char out[64])
{
	unsigned char bytes[16];
	const char *value = NULL, *last;
	size_t n;

	if (count(r, "X-Forwarded-For", &value) == 0)
		return false;
	last = strrchr(value, ',') == NULL ? value : strrchr(value, ',') + 1;
	last += strspn(last, " \t");
	n = strcspn(last, " \t");
	if (n == 0 || n >= 64 || last[n] != '\0')
		return false;
	memcpy(out, last, n + 1);
	return inet_pton(AF_INET, out, bytes) == 1 || inet_pton(AF_INET6, out, bytes) == 1;
}

static void
check_client_address(const struct visit *v)
{
	const struct request *r = &v->request;
	char address[64], forwarded[64];
	const char *value;

	memset(address, 'x', sizeof address);
	request_client_address(r, v->access.trusted_proxy, address, sizeof address);
	assert(memchr(address, '\0', sizeof address) != NULL && address[0] != '\0');
	/* A stranger's word about himself counts for nothing. */
	if (strcmp(v->access.trusted_proxy, r->peer) != 0 ||
	    count(r, "X-Forwarded-For", &value) == 0)
		assert(strcmp(address, r->peer) == 0);
	else if (last_forwarded(r, forwarded) && strcmp(forwarded, v->access.trusted_proxy) != 0)
		assert(strcmp(address, forwarded) == 0);
	(void)census_address_key(address);
}

/* A grant is that of a token of ours in the request. */
static void
check_grant(const struct grant *grant, const char *raw)
{
	assert(grant->exp > TOKENS_NOW && grant->terminal == 0);
	assert(grant->merchant == 7 || grant->merchant == 8);
	assert(grant->merchant != 8 || strstr(raw, "$8") != NULL);
	assert(grant->merchant != 7 || strstr(raw, "$7") != NULL || strstr(raw, "$k") != NULL ||
	       strstr(raw, "$s") != NULL);
}

static void
check_access(const struct visit *v, const char *raw)
{
	const struct request *r = &v->request;
	enum access_auth auth = v->access.auth;
	const char *refusal = access_refusal(&v->access, r);
	struct grant grant;
	struct claim claim;

	assert(refusal != NULL || auth != ACCESS_NONE || is_loopback_peer(v));
	switch (access_by_request(&v->access, r, TOKENS_NOW, &grant, &claim)) {
	case ACCESS_GRANTED:
		assert(claim.terminal == 0 && auth != ACCESS_TERMINAL);
		if (auth == ACCESS_NONE)
			assert(grant.merchant > 0 && grant.exp == 0 && grant.terminal == 0);
		else
			check_grant(&grant, raw);
		break;
	case ACCESS_CLAIMED:
		assert(grant.merchant == 0 && claim.terminal > 0);
		assert(auth == ACCESS_TERMINAL || auth == ACCESS_ANY);
		assert(!claim_holds(&claim, tokens_terminal_hash()) || strstr(raw, "$t") != NULL);
		break;
	case ACCESS_EXPIRED:
	case ACCESS_REFUSED: assert(grant.merchant == 0 && claim.terminal == 0); break;
	}
}

static void
check_values(const struct request *r)
{
	char value[VALUE_SIZE];

	for (size_t room = 1; room <= VALUE_SIZE; room = room * 3 + 1) {
		if (request_query(r, "merchant", value, room))
			assert(strlen(value) < room);
		if (request_cookie(r, "token", value, room))
			assert(strlen(value) < room);
	}
	(void)request_has_token(r, "Upgrade", "websocket", false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct visit v;
	char *raw = malloc(size + 1), *rest = raw, *line, *target;
	char written[PATH_SIZE * 2];

	memcpy(raw, input, size);
	raw[size] = '\0';
	memset(&v.access, 0, sizeof v.access);
	memset(&v.request, 0, sizeof v.request);
	line = strsep(&rest, "\n");
	if (rest != NULL) {
		read_options(&v, line);
		check_header_length(rest, size - (size_t)(rest - raw));
		tokens_put_in(rest, strlen(rest), v.text, sizeof v.text);
		target = strchr(v.text, ' ');
		snprintf(written, sizeof written, "%.*s",
		    target == NULL ? 0 : (int)strcspn(target + 1, " ?\r\n"),
		    target == NULL ? "" : target + 1);
		if (check_path(written, v.path) && read_request(&v, v.text)) {
			check_values(&v.request);
			check_passage(&v);
			check_client_address(&v);
			check_access(&v, rest);
		}
		free_headers(&v.request);
	}
	free(raw);
	return 0;
}
