/* session - whatever a terminal says, it gets no further than its tokens let it.
 * Input: a first line of options (p: a plain client; n: without auth; 7 or 8: what the request has
 * proved), then a line a message: t and b and c a text, a binary, a text that was too long to be
 * kept; w: its merchant's stream is told (the rest of the line: a number, the un-acked); +N: N
 * seconds pass.  In a message $7 and the like are tokens (tokens.h). */
#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/session.h"
#include "shared/json.h"
#include "tests/fuzz/by_the_book.h"
#include "tests/fuzz/tokens.h"

enum { LEVELS = 8, MESSAGE_SIZE = SESSION_V1_KEEP + 1024, HEARTBEAT_S = 25 };

static const char epoch[] = "9f3c01aa-1";

/* A session, and what its messages so far allow. */
struct play {
	struct access access;
	struct session session;
	struct outbox out;
	int64_t now;
	int64_t merchant; /* of its room; 0: in none */
	bool is_closed;
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Takes the next frame off the outbox, which must be a whole text of JSON.  Gives it, or NULL when
 * there is no more.  The caller puts it. */
static json_object *
next_text(struct outbox *out)
{
	const uint8_t *bytes = outbox_bytes(out);
	size_t len = outbox_len(out), head = 2, n;
	json_object *object;

	if (len == 0)
		return NULL;
	assert(len >= 2 && bytes[0] == (0x80 | FRAME_TEXT) && bytes[1] < 0x80);
	n = bytes[1];
	if (n >= 126) {
		size_t more = n == 126 ? 2 : 8;

		n = 0;
		for (size_t i = 0; i < more; i++)
			n = n << 8 | bytes[2 + i];
		head += more;
		assert(n >= (more == 2 ? 126 : 65536));
	}
	assert(len >= head + n && by_the_book_object((const char *)bytes + head, n, LEVELS));
	object = json_read_object((const char *)bytes + head, n);
	assert(object != NULL);
	outbox_drop(out, head + n);
	return object;
}

static int64_t
member(const json_object *object, const char *key)
{
	int64_t value;

	assert(json_get_int(object, key, &value));
	return value;
}

/* The welcome says how the stream stands, and where the session goes on fits the cursor. */
static void
check_welcome(
    struct play *p, const struct page *page, const struct cursor *after, struct session_start start)
{
	json_object *welcome = next_text(&p->out), *open;
	bool holds = after != NULL && strcmp(after->epoch, page->epoch) == 0 &&
	             after->seq <= page->top && after->seq + 1 >= page->kept_from;

	assert(welcome != NULL && next_text(&p->out) == NULL);
	assert(member(welcome, "welcome") == 1 && member(welcome, "merchant") == p->merchant);
	assert(member(welcome, "top") == page->top && member(welcome, "heartbeat") == HEARTBEAT_S);
	assert(json_object_get_boolean(json_object_object_get(welcome, "recovered")) == holds);
	open = json_object_object_get(welcome, "open");
	assert(json_object_is_type(open, json_type_array));
	for (size_t i = 0; i < json_object_array_length(open); i++)
		assert(holds &&
		       json_object_get_int64(json_object_array_get_idx(open, i)) <= after->seq);
	assert(start.from_unacked == !holds && start.next == (holds ? after->seq + 1 : 1));
	json_object_put(welcome);
}

static void
welcome(struct play *p, const char *line)
{
	static struct page page;
	int64_t top = strtol(line, NULL, 10) & 0xffffffffffff;
	struct session_start start;
	struct cursor after, *cursor = NULL;

	if (p->session.state != SESSION_ENTER || p->is_closed || p->session.kind != SESSION_V1)
		return;
	page = (struct page){
	    .kind = PAGE_OPENING, .merchant = p->merchant, .top = top, .kept_from = top % 5};
	memcpy(page.epoch, epoch, sizeof epoch);
	for (int64_t seq = 1; seq <= page.top && page.n_open <= PAGE_OPEN_MAX; seq += 1 + top % 3)
		page.open[page.n_open++] = seq;
	if (p->session.after != NULL) {
		after = *p->session.after;
		cursor = &after;
	}
	assert(session_welcome(&p->session, &page, HEARTBEAT_S, &p->out, &start));
	check_welcome(p, &page, cursor, start);
	assert(p->session.state == SESSION_LIVE);
	assert(session_caught_up(&p->session, page.top, &p->out));
	json_object_put(next_text(&p->out));
}

/* What was granted may come from a token that holds now, or from the request. */
static void
check_grant(const struct play *p, const char *said, const struct grant *before)
{
	const struct grant *grant = &p->session.grant;

	if (grant->merchant == before->merchant && grant->exp == before->exp)
		return;
	assert(p->access.auth == ACCESS_JWT && grant->exp > p->now);
	assert(grant->merchant == 7 || grant->merchant == 8);
	/* One of ours stands in what was said: nothing else has their form. */
	assert(strchr(said, '.') != NULL);
}

static void
check_verdict(struct play *p, enum session_verdict verdict, const struct session_act *act,
    enum session_state before)
{
	switch (verdict) {
	case SESSION_GO_ON: assert(p->session.state == before); break;
	case SESSION_JOIN:
		assert(before == SESSION_HELLO && p->session.state == SESSION_ENTER);
		assert(p->merchant == 0 && p->session.grant.merchant > 0);
		p->merchant = p->session.grant.merchant;
		break;
	case SESSION_ACK:
		assert(before != SESSION_HELLO && p->session.kind == SESSION_V1);
		assert(act->n_seqs >= 1 && act->n_seqs <= SESSION_ACKS_MAX);
		for (size_t i = 0; i < act->n_seqs; i++)
			assert(act->seqs[i] >= 1);
		break;
	case SESSION_CLOSE:
		assert(act->code == CLOSE_BAD_PROTOCOL || act->code == CLOSE_UNAUTHORIZED ||
		       act->code == CLOSE_FORBIDDEN);
		p->is_closed = true;
		break;
	}
	if (p->session.kind == SESSION_PLAIN)
		assert(verdict == SESSION_GO_ON);
	/* It never comes into a room, or out of its own, without a proof. */
	if (p->merchant != 0)
		assert(p->session.grant.merchant == p->merchant);
	else
		assert(p->session.state == SESSION_HELLO);
}

static void
say(struct play *p, char kind, const char *text, size_t len)
{
	static struct session_act act;
	char *said = malloc(MESSAGE_SIZE), *exact;
	size_t n = tokens_put_in(text, len, said, MESSAGE_SIZE);
	uint32_t keep = session_keep(&p->session), kept = n < keep ? (uint32_t)n : keep;
	struct frame_message m = {.opcode = kind == 'b' ? FRAME_BINARY : FRAME_TEXT,
	    .len = (uint32_t)n + (kind == 'c'),
	    .kept = kept};
	struct grant before = p->session.grant;
	enum session_state state = p->session.state;
	enum session_verdict verdict;

	exact = kept == 0 ? NULL : malloc(kept); /* as the reader gives it */
	if (kept > 0)
		memcpy(exact, said, kept);
	m.payload = (const uint8_t *)exact;
	act.n_seqs = 0;
	verdict = session_receive(&p->session, &p->access, &m, "till-1", p->now, &act);
	check_verdict(p, verdict, &act, state);
	check_grant(p, said, &before);
	assert(outbox_len(&p->out) == 0);
	free(exact);
	free(said);
}

static void
begin(struct play *p, const char *options, size_t len)
{
	struct grant granted = {0};
	enum session_kind kind = memchr(options, 'p', len) ? SESSION_PLAIN : SESSION_V1;
	const struct token_key *keys = tokens_keys();

	*p = (struct play){.now = TOKENS_NOW};
	p->access.auth = memchr(options, 'n', len) ? ACCESS_NONE : ACCESS_JWT;
	for (int i = 0; i < TOKENS_N_KEYS; i++)
		p->access.keys[p->access.n_keys++] = keys[i];
	if (memchr(options, '8', len))
		granted = (struct grant){.merchant = 8, .exp = TOKENS_EXP};
	if (memchr(options, '7', len) || kind == SESSION_PLAIN)
		granted = (struct grant){.merchant = 7, .exp = TOKENS_EXP};
	session_init(&p->session, kind, &granted);
	if (p->session.state == SESSION_ENTER)
		p->merchant = granted.merchant;
}

static void
take_line(struct play *p, const char *line, size_t len)
{
	if (len == 0)
		return;
	switch (line[0]) {
	case 't':
	case 'b':
	case 'c': say(p, line[0], line + 1, len - 1); break;
	case 'w': welcome(p, line + 1); break;
	case '+': p->now += strtol(line + 1, NULL, 10) & 0xfff; break;
	}
	/* As the carrier does once a round. */
	if (session_is_expired(&p->session, p->now))
		p->is_closed = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *text = malloc(size + 1), *line = text, *end = text + size;
	struct play p;
	bool is_first = true;

	memcpy(text, input, size);
	*end = '\n';
	while (line <= end && (is_first || !p.is_closed)) {
		char *newline = memchr(line, '\n', (size_t)(end - line) + 1);

		*newline = '\0';
		if (is_first)
			begin(&p, line, (size_t)(newline - line));
		else
			take_line(&p, line, (size_t)(newline - line));
		is_first = false;
		line = newline + 1;
	}
	session_fini(&p.session);
	outbox_clear(&p.out);
	free(text);
	return 0;
}
