#include "notifier/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What every answer of ours says: it is of now, of this one request, and the last. */
#define HEAD_COMMON                                                                                \
	"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"

enum { HEAD_ROOM = 512 };

size_t
answer_stream_head(char head[ANSWER_HEAD_MAX], int retry_ms)
{
	int n = snprintf(head, ANSWER_HEAD_MAX,
	    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" HEAD_COMMON
	    "X-Accel-Buffering: no\r\n\r\nretry: %d\n\n",
	    retry_ms);

	return n > 0 && n < ANSWER_HEAD_MAX ? (size_t)n : 0;
}

static bool
put_text(struct outbox *out, const char *text)
{
	return outbox_put(out, text, strlen(text));
}

static bool
put_field(struct outbox *out, const char *field, const char *value)
{
	return value == NULL ||
	       (put_text(out, field) && put_text(out, value) && put_text(out, "\n"));
}

bool
answer_stream_event(
    struct outbox *out, const char *name, const char *id, const char *text, size_t len)
{
	return put_field(out, "event: ", name) && put_field(out, "id: ", id) &&
	       put_text(out, "data: ") && outbox_put(out, text, len) && put_text(out, "\n\n");
}

/* --- polls --- */

static const struct item *
run_item(const struct item_run *run, uint64_t i)
{
	return run->slots[(run->at + i) & run->mask];
}

uint64_t
answer_poll_fit(const struct item_run *run, int64_t from)
{
	size_t bytes = 0, n = 0;
	uint64_t i;

	for (i = 0; i < run->n; i++) {
		const struct item *it = run_item(run, i);
		size_t len;

		if (item_seq(it) == 0 || item_seq(it) < from)
			continue;
		item_json(it, &len);
		if (n == ANSWER_EVENTS_MAX || (n > 0 && bytes + len > ANSWER_BYTES_MAX))
			break;
		bytes += len + 1;
		n++;
	}
	return i;
}

/* The length of an array of the run's events, or, where `out` is not NULL, the array itself. */
static size_t
write_array(const struct poll_answer *a, struct outbox *out, bool *ok)
{
	size_t length = 2;
	bool is_first = true;

	if (out != NULL)
		*ok = *ok && put_text(out, "[");
	for (uint64_t i = 0; i < a->run.n; i++) {
		const struct item *it = run_item(&a->run, i);
		size_t len;
		const char *json = item_json(it, &len);

		if (item_seq(it) == 0)
			continue;
		length += len + !is_first;
		if (out != NULL)
			*ok = *ok && (is_first || put_text(out, ",")) && outbox_put(out, json, len);
		is_first = false;
	}
	if (out != NULL)
		*ok = *ok && put_text(out, "]");
	return length;
}

char *
answer_open_header(const struct stand *stand, int64_t upto)
{
	char *text = NULL;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	fputs("Orderbell-Open: ", out);
	for (i = 0; i < stand->n_open && i < STAND_OPEN_MAX && stand->open[i] <= upto; i++)
		fprintf(out, "%s%" PRId64, i > 0 ? "," : "", stand->open[i]);
	fputs("\r\n", out);
	if (i == STAND_OPEN_MAX && i < stand->n_open && stand->open[i] <= upto)
		fprintf(out, "Orderbell-Open-From: %" PRId64 "\r\n", stand->open[i]);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

bool
answer_poll(struct outbox *out, const struct poll_answer *a)
{
	char head[HEAD_ROOM];
	bool ok = true;
	int n = snprintf(head, sizeof head,
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" HEAD_COMMON
	    "Content-Length: %zu\r\nOrderbell-Merchant: %" PRId64
	    "\r\nOrderbell-Cursor: %s:%" PRId64
	    "\r\nOrderbell-Recovered: %s\r\nOrderbell-Caught-Up: %s\r\n",
	    write_array(a, NULL, NULL), a->merchant, a->epoch, a->seq, a->recovered ? "yes" : "no",
	    a->is_caught_up ? "yes" : "no");

	if (n < 0 || (size_t)n >= sizeof head)
		return false;
	ok = put_text(out, head) && put_text(out, a->open == NULL ? "" : a->open) &&
	     put_text(out, "\r\n");
	write_array(a, out, &ok);
	return ok;
}

/* --- acks, and refusals --- */

static bool
put_answer(struct outbox *out, const char *status, const char *type, const char *body, size_t len)
{
	char head[HEAD_ROOM];
	int n = snprintf(head, sizeof head,
	    "HTTP/1.1 %s\r\nContent-Type: %s\r\n" HEAD_COMMON "Content-Length: %zu\r\n\r\n", status,
	    type, len);

	return n > 0 && (size_t)n < sizeof head && put_text(out, head) &&
	       outbox_put(out, body, len);
}

bool
answer_acked(struct outbox *out, const int64_t *seqs, size_t n)
{
	char *text = NULL;
	size_t len;
	FILE *body = open_memstream(&text, &len);
	bool ok = body != NULL;

	if (!ok)
		return false;
	fputs("{\"acked\":[", body);
	for (size_t i = 0; i < n; i++)
		fprintf(body, "%s%" PRId64, i > 0 ? "," : "", seqs[i]);
	fputs("]}", body);
	ok = fclose(body) == 0 && put_answer(out, "200 OK", "application/json", text, len);
	free(text);
	return ok;
}

static const struct refusal {
	enum close_code code;
	const char *status, *text;
} refusals[] = {
    {CLOSE_BAD_PROTOCOL, "400 Bad Request",
	"the body must be {\"ack\":[seq, …]}, and be there within 3 s\n"},
    {CLOSE_UNAUTHORIZED, "401 Unauthorized\r\nWWW-Authenticate: Bearer",
	"a valid token is needed\n"},
    {CLOSE_FORBIDDEN, "403 Forbidden", "forbidden\n"},
    /* all others */
    {CLOSE_TRY_LATER, "503 Service Unavailable\r\nRetry-After: 5", "try again later\n"},
};

bool
answer_refusal(struct outbox *out, enum close_code code)
{
	const struct refusal *r = refusals;

	while (r->code != code && r->code != CLOSE_TRY_LATER)
		r++;
	return put_answer(out, r->status, "text/plain; charset=utf-8", r->text, strlen(r->text));
}
