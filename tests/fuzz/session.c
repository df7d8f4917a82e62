/* session - whatever a terminal says, it gets no further than its tokens let it.
 * Input: a first line of options (p, s: a plain client, a stream of Server-Sent Events, else
 * orderbell.v1; n: without auth; a: only JWT; 7 or 8: what the request has proved; t or u: what the
 * request claims), then a line a message: t and b and c a text, a binary, a text that was too long
 * to be kept; d: the database speaks of the terminal (7 or 8: its merchant; x: with another token;
 * else: there is none); w: its merchant's stream is told (the rest of the line: its top); r: which
 * tokens hold (y: this one too); +N: N seconds pass.  In a message $7 and the like are tokens
 * (tokens.h). */
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
	bool has_shown; /* the terminal's own token was in a message, or in the request */
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static bool
is_text(struct by_the_book_text text, const char *wanted)
{
	return text.len == strlen(wanted) && memcmp(text.at, wanted, text.len) == 0;
}

/* Takes the next message off the outbox, whole JSON; in a stream it has that name.  Gives it, NULL
 * when there is no more.  The caller puts it. */
static json_object *
next_said(struct play *p, const char *name)
{
	const uint8_t *bytes = outbox_bytes(&p->out);
	size_t len = outbox_len(&p->out), n;
	struct by_the_book_event event;
	json_object *object;

	if (len == 0)
		return NULL;
	if (p->session.kind == SESSION_SSE) {
		n = by_the_book_event(bytes, len, &event);
		assert(n > 0 && is_text(event.name, name));
	} else {
		n = by_the_book_frame(bytes, len, &event.data);
		assert(n > 0);
	}
	assert(by_the_book_object(event.data.at, event.data.len, LEVELS));
	object = json_read_object(event.data.at, event.data.len);
	assert(object != NULL);
	outbox_drop(&p->out, n);
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
check_welcome(struct play *p, const struct stand *stand, const struct cursor *after,
    struct session_start start)
{
	json_object *welcome = next_said(p, "welcome"), *open;
	bool holds = after != NULL && strcmp(after->epoch, stand->epoch) == 0 &&
	             after->seq <= stand->top && after->seq + 1 >= stand->kept_from;

	assert(welcome != NULL && outbox_len(&p->out) == 0);
	assert(member(welcome, "welcome") == 1 && member(welcome, "merchant") == p->merchant);
	assert(member(welcome, "top") == stand->top && member(welcome, "heartbeat") == HEARTBEAT_S);
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
	static int64_t open[STAND_OPEN_MAX + 1];
	int64_t top = strtol(line, NULL, 10) & 0xffffffffffff;
	struct stand stand = {.epoch = epoch, .top = top, .kept_from = top % 5, .open = open};
	struct session_start start;
	struct cursor after, *cursor = NULL;
	json_object *caught_up;

	if (p->session.state != SESSION_ENTER || p->session.kind == SESSION_PLAIN)
		return;
	for (int64_t seq = 1; seq <= top && stand.n_open <= STAND_OPEN_MAX; seq += 1 + top % 3)
		open[stand.n_open++] = seq;
	if (p->session.after != NULL) {
		after = *p->session.after;
		cursor = &after;
	}
	assert(session_welcome(&p->session, &stand, HEARTBEAT_S, &p->out, &start));
	check_welcome(p, &stand, cursor, start);
	assert(p->session.state == SESSION_LIVE);
	assert(session_caught_up(&p->session, epoch, stand.top, &p->out));
	caught_up = next_said(p, "caught_up");
	assert(member(caught_up, "caught_up") == stand.top && outbox_len(&p->out) == 0);
	json_object_put(caught_up);
}

/* It never comes into a room, or from one into another, without a proof. */
static void
check_place(const struct play *p)
{
	if (p->merchant != 0)
		assert(p->session.grant.merchant == p->merchant);
	else
		assert(p->session.state == SESSION_HELLO || p->session.state == SESSION_CLAIM);
	assert(p->session.grant.terminal == 0 ||
	       (p->session.grant.terminal == TOKENS_TERMINAL && p->has_shown));
}

static void
join(struct play *p, enum session_state before)
{
	assert((before == SESSION_HELLO || before == SESSION_CLAIM) &&
	       p->session.state == SESSION_ENTER);
	assert(p->merchant == 0 && p->session.grant.merchant > 0);
	p->merchant = p->session.grant.merchant;
}

static void
close_it(struct play *p, const struct session_act *act)
{
	assert(act->code == CLOSE_BAD_PROTOCOL || act->code == CLOSE_UNAUTHORIZED ||
	       act->code == CLOSE_FORBIDDEN);
	p->is_closed = true;
}

static void
check_verdict(struct play *p, enum session_verdict verdict, const struct session_act *act,
    enum session_state before)
{
	switch (verdict) {
	case SESSION_GO_ON: assert(p->session.state == before); break;
	case SESSION_JOIN:
		join(p, before);
		assert(p->session.claim == NULL); /* what it had to prove is proved, or void */
		break;
	case SESSION_PROVE:
		assert(p->session.claim != NULL && before != SESSION_CLAIM);
		assert(p->session.state == (before == SESSION_HELLO ? SESSION_CLAIM : before));
		break;
	case SESSION_ACKED:
		assert(before == SESSION_ENTER || before == SESSION_LIVE);
		assert(p->session.kind == SESSION_V1 && p->merchant != 0);
		assert(act->n_seqs >= 1 && act->n_seqs <= SESSION_ACKS_MAX);
		for (size_t i = 0; i < act->n_seqs; i++)
			assert(act->seqs[i] >= 1);
		break;
	case SESSION_CLOSE: close_it(p, act); break;
	}
	if (p->session.kind != SESSION_V1)
		assert(verdict == SESSION_GO_ON);
	check_place(p);
}

/* What a message grants comes from a token in it that holds now, or was the request's. */
static void
check_grant(const struct play *p, const char *said, const struct grant *before)
{
	const struct grant *grant = &p->session.grant;

	if (grant->merchant == before->merchant && grant->exp == before->exp &&
	    grant->terminal == before->terminal)
		return;
	assert(p->access.auth == ACCESS_JWT || p->access.auth == ACCESS_ANY);
	assert(grant->exp > p->now && grant->terminal == 0);
	assert(grant->merchant == 7 || grant->merchant == 8);
	/* One of ours stands in what was said: nothing else has their form. */
	assert(strchr(said, '.') != NULL);
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

	p->has_shown |= memmem(text, len, "$t", 2) != NULL;
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

/* The database has been asked, and answers. */
static void
prove(struct play *p, const char *line)
{
	static struct session_act act;
	const struct terminal_record record = {
	    .merchant = *line == '7'   ? 7
	                : *line == '8' ? 8
	                               : 0,
	    .name = "till-9",
	    .hash_hex = strchr(line, 'x') ? "00" : tokens_terminal_hash(),
	};
	enum session_state before = p->session.state;
	bool had_claim = p->session.claim != NULL;
	enum session_verdict verdict;

	if (had_claim && p->session.claim->terminal != TOKENS_TERMINAL)
		return; /* not the one that was asked for */
	verdict = session_prove(&p->session, &record, &act);
	if (verdict == SESSION_JOIN)
		join(p, before);
	if (verdict == SESSION_CLOSE)
		close_it(p, &act);
	assert(verdict != SESSION_ACKED && verdict != SESSION_PROVE);
	if (had_claim && verdict != SESSION_CLOSE) {
		assert(p->has_shown && record.merchant == p->merchant && strchr(line, 'x') == NULL);
		assert(p->session.grant.terminal == TOKENS_TERMINAL && p->session.claim == NULL);
		assert(strcmp(p->session.terminal, record.name) == 0);
	}
	check_place(p);
}

static void
revoke(struct play *p, const char *line)
{
	const int64_t terminals[] = {1, TOKENS_TERMINAL};
	size_t n = *line == 'y' ? 2 : 1;
	bool is_revoked = session_is_revoked(&p->session, terminals, n);

	assert(is_revoked == (p->session.grant.terminal != 0 && n == 1));
	p->is_closed |= is_revoked;
}

static void
set_claim(struct play *p, const char *token)
{
	struct grant grant;
	struct claim claim;
	char text[200];

	tokens_put_in(token, strlen(token), text, sizeof text);
	if (access_by_token(&p->access, text, p->now, &grant, &claim) != ACCESS_CLAIMED)
		return;
	assert(session_set_claim(&p->session, &claim));
	p->merchant = 0; /* of a session that has to prove itself first */
	p->has_shown |= strcmp(token, "$t") == 0;
}

static void
begin(struct play *p, const char *options)
{
	struct grant granted = {0};
	enum session_kind kind = strchr(options, 'p')   ? SESSION_PLAIN
	                         : strchr(options, 's') ? SESSION_SSE
	                                                : SESSION_V1;
	const struct token_key *keys = tokens_keys();

	*p = (struct play){.now = TOKENS_NOW};
	p->access.auth = strchr(options, 'n')   ? ACCESS_NONE
	                 : strchr(options, 'a') ? ACCESS_JWT
	                                        : ACCESS_ANY;
	for (int i = 0; i < TOKENS_N_KEYS; i++)
		p->access.keys[p->access.n_keys++] = keys[i];
	if (strchr(options, '8') != NULL)
		granted = (struct grant){.merchant = 8, .exp = TOKENS_EXP};
	if (strchr(options, '7') != NULL || kind != SESSION_V1)
		granted = (struct grant){.merchant = 7, .exp = TOKENS_EXP};
	/* A request has one proof: what claims has none yet. */
	if (strpbrk(options, "tu") != NULL && p->access.auth == ACCESS_ANY)
		granted = (struct grant){0};
	session_init(&p->session, kind, &granted);
	if (p->session.state == SESSION_ENTER)
		p->merchant = granted.merchant;
	if (strpbrk(options, "tu") != NULL)
		set_claim(p, strchr(options, 't') != NULL ? "$t" : "$u");
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
	case 'd': prove(p, line + 1); break;
	case 'w': welcome(p, line + 1); break;
	case 'r': revoke(p, line + 1); break;
	case '+': p->now += strtol(line + 1, NULL, 10) & 0xfff; break;
	}
	/* As the carrier does once a round. */
	if (session_is_expired(&p->session, p->now))
		p->is_closed = true;
}

/* Whatever state it is in, it is told properly why it ends. */
static void
end(struct play *p)
{
	const uint8_t *bytes;
	json_object *bye;

	outbox_clear(&p->out);
	assert(session_goodbye(&p->session, CLOSE_UNAUTHORIZED, &p->out));
	bytes = outbox_bytes(&p->out);
	if (session_is_websocket(&p->session) &&
	    (p->session.kind == SESSION_V1 || p->session.state != SESSION_CLAIM)) {
		assert(outbox_len(&p->out) == 4 && memcmp(bytes, "\x88\x02\x11\x31", 4) == 0);
	} else if (p->session.state == SESSION_CLAIM) {
		assert(memcmp(bytes, "HTTP/1.1 401 ", 13) == 0);
	} else {
		bye = next_said(p, "bye");
		assert(member(bye, "code") == CLOSE_UNAUTHORIZED);
		json_object_put(bye);
	}
	session_fini(&p->session);
	outbox_clear(&p->out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *text = malloc(size + 1), *line = text, *last = text + size;
	struct play p;
	bool is_first = true;

	memcpy(text, input, size);
	*last = '\n';
	while (line <= last && (is_first || !p.is_closed)) {
		char *newline = memchr(line, '\n', (size_t)(last - line) + 1);

		*newline = '\0';
		if (is_first)
			begin(&p, line);
		else
			take_line(&p, line, (size_t)(newline - line));
		is_first = false;
		line = newline + 1;
	}
	end(&p);
	free(text);
	return 0;
}
