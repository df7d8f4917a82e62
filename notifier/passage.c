#include "notifier/passage.h"

#include <stdlib.h>
#include <string.h>

static const char sid_reason[] = "the path ends in {sid}, which is 1-64 of A-Z a-z 0-9 . _ -";

static int
check_websocket(const struct request *r, struct passage *p, const char **reason)
{
	struct handshake h;
	int status = handshake_check(r, &h, reason);

	if (status != 101)
		return status;
	memcpy(p->sid, h.sid, sizeof p->sid);
	p->kind = h.is_v1 ? SESSION_V1 : SESSION_PLAIN;
	return status;
}

/* ?after={epoch}:{seq}; false when it is there and none. */
static bool
read_after(const struct request *r, struct passage *p)
{
	char text[HUB_EPOCH_MAX + 24];

	if (r->query == NULL || strstr(r->query, "after=") == NULL)
		return true;
	p->has_after = request_query(r, "after", text, sizeof text);
	return p->has_after && cursor_parse(text, &p->after);
}

static void
read_audio(const struct request *r, struct passage *p)
{
	char text[16];

	if (request_query(r, "audio", text, sizeof text))
		p->audio = session_audio_of(text);
}

static int
check_get(const struct request *r, struct passage *p, const char **reason)
{
	read_audio(r, p);
	*reason = "after is {epoch}:{seq}";
	if (!read_after(r, p))
		return 400;
	*reason = "a GET has no body here";
	return request_has_body(r) ? 400 : 200;
}

static int
check_events(const struct request *r, struct passage *p, const char **reason)
{
	const char *last = request_header(r, "Last-Event-ID");
	int status = check_get(r, p, reason);

	p->kind = SESSION_SSE;
	/* What a browser brings back wins over what the page once asked for.  One that is none of
	 * ours holds nowhere: all un-acked events come, and nothing is lost. */
	if (last != NULL && *last != '\0') {
		p->has_after = true;
		(void)cursor_parse(last, &p->after);
	}
	return status;
}

static int
check_poll(const struct request *r, struct passage *p, const char **reason)
{
	char open[4];

	p->kind = SESSION_POLL;
	p->wants_open = request_query(r, "open", open, sizeof open) && strcmp(open, "yes") == 0;
	return check_get(r, p, reason);
}

static int
check_ack(const struct request *r, struct passage *p, const char **reason)
{
	const char *length = request_header(r, "Content-Length");
	unsigned long n;

	p->kind = SESSION_ACK;
	*reason = "a body with a Content-Length is needed";
	if (length == NULL || request_header(r, "Transfer-Encoding") != NULL)
		return 411;
	*reason = "Content-Length is a number, and stands there once";
	if (request_header_count(r, "Content-Length") != 1 || *length == '\0' ||
	    length[strspn(length, "0123456789")] != '\0')
		return 400;
	n = strlen(length) > 9 ? PASSAGE_BODY_MAX + 1 : strtoul(length, NULL, 10);
	*reason = "the body is longer than 32 KiB";
	if (n > PASSAGE_BODY_MAX)
		return 413;
	p->body_len = (uint32_t)n;
	return 200;
}

static const struct way {
	const char *prefix;
	const char *methods; /* NULL: the check judges it */
	int (*check)(const struct request *r, struct passage *p, const char **reason);
} ways[] = {
    {"/ws/", NULL, check_websocket},
    {"/events/", "GET, HEAD", check_events},
    {"/poll/", "GET", check_poll},
    {"/ack/", "POST", check_ack},
};

static const struct way *
find_way(const char *path)
{
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		if (strncmp(path, ways[i].prefix, strlen(ways[i].prefix)) == 0)
			return &ways[i];
	}
	return NULL;
}

const char *
passage_methods(const char *path)
{
	const struct way *w = find_way(path);

	return w == NULL || w->methods == NULL ? "GET, HEAD" : w->methods;
}

static bool
has_method(const char *methods, const char *method)
{
	const char *at = strstr(methods, method);
	size_t len = strlen(method);

	return at != NULL && len > 0 && (at == methods || at[-1] == ' ') &&
	       (at[len] == ',' || at[len] == '\0');
}

int
passage_check(const struct request *r, struct passage *p, const char **reason)
{
	const struct way *w = find_way(r->path);

	*p = (struct passage){0};
	*reason = "there is nothing here";
	if (w == NULL)
		return 404;
	if (w->methods != NULL) {
		*reason = sid_reason;
		if (!handshake_sid(r->path, w->prefix, p->sid))
			return 404;
		*reason = "the method is not one of this path";
		if (!has_method(w->methods, r->method))
			return 405;
	}
	return w->check(r, p, reason);
}

bool
passage_first(const struct request *r, const struct passage *p, int retry_ms,
    char out[PASSAGE_FIRST_MAX], size_t *len)
{
	*len = 0;
	switch (p->kind) {
	case SESSION_PLAIN:
	case SESSION_V1:
		*len = handshake_answer(r, p->kind == SESSION_V1, out, PASSAGE_FIRST_MAX);
		return *len > 0;
	case SESSION_SSE: *len = answer_stream_head(out, retry_ms); return *len > 0;
	case SESSION_POLL:
	case SESSION_ACK: return true;
	}
	return false;
}
