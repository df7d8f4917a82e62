#include "notifier/hear.h"

#include <string.h>

#include "notifier/link.h"

enum { KEEP_MS = 10000 }; /* for the database to keep an ack */

static void
take_act(struct loop *l, struct conn *c, enum session_verdict verdict,
    const struct session_act *act, struct ticket ticket)
{
	const struct carrier_needs *needs = l->shared->needs;

	switch (verdict) {
	case SESSION_GO_ON: link_set_timer(l, c); break;
	case SESSION_JOIN: link_enter(l, c); break;
	case SESSION_PROVE: link_prove(l, c); break;
	case SESSION_ACKED:
		if (!needs->ack(needs->arg, ticket, c->session.grant.merchant, act->seqs,
			act->n_seqs, conn_name(c)))
			link_refuse(l, c, CLOSE_TRY_LATER);
		break;
	case SESSION_CLOSE: link_refuse(l, c, act->code); break;
	}
}

/* --- WebSocket --- */

static void
take_message(struct loop *l, struct conn *c, const struct frame_message *m)
{
	uint8_t audio = c->session.audio;
	struct session_act act;
	enum session_verdict verdict;

	switch (m->opcode) {
	case FRAME_CONTINUATION: break; /* never given by the reader */
	case FRAME_PONG: break;
	case FRAME_PING:
		if (!outbox_put_frame(&c->outbox, FRAME_PONG, m->payload, m->len))
			link_refuse(l, c, CLOSE_TRY_LATER);
		break;
	case FRAME_CLOSE:
		/* The answer repeats the code. */
		link_close(l, c, m->code, METRIC_CLOSED_BY_CLIENT);
		break;
	case FRAME_TEXT:
	case FRAME_BINARY:
		verdict = session_receive(&c->session, l->access, m, c->name, l->now_s, &act);
		if (audio != c->session.audio && c->member.room != NULL)
			books_present(l, c);
		take_act(l, c, verdict, &act, (struct ticket){0});
		break;
	}
}

static void
take_frames(struct loop *l, struct conn *c, size_t n)
{
	struct frame_reader fresh, *reader = conn_reader(c, &fresh);
	size_t at = 0;

	/* To the end of the input and once more, which lets the reader drop what it lent. */
	while (!c->is_closing && !link_is_buried(c)) {
		struct frame_message m;
		size_t used;
		enum frame_event got = frame_read(reader, l->buffer + at, n - at, &used, &m);

		at += used;
		if (got == FRAME_NEED_MORE)
			break;
		if (got == FRAME_FAILED)
			link_refuse(l, c, m.code);
		else
			take_message(l, c, &m);
	}
	if (!conn_put_back(c, reader) && !link_is_buried(c))
		link_refuse(l, c, CLOSE_TRY_LATER);
}

/* --- the body of an ack --- */

void
hear_body(struct loop *l, struct conn *c)
{
	struct session_act act = {0};
	enum session_verdict verdict;

	if (c->session.state != SESSION_ENTER || c->body->len < c->body->expected || c->is_closing)
		return;
	c->session.state = SESSION_LIVE;
	c->deadline_ms = l->now_ms + KEEP_MS;
	c->deadline_code = CLOSE_TRY_LATER;
	link_set_timer(l, c);
	verdict = session_read_ack(c->body->bytes, c->body->len, &act);
	take_act(l, c, verdict, &act,
	    verdict == SESSION_ACKED ? link_take_ticket(l, c) : (struct ticket){0});
}

static void
take_body(struct loop *l, struct conn *c, size_t n)
{
	struct body *b = c->body;

	if (n > b->expected - b->len)
		n = b->expected - b->len; /* what follows is none of this request */
	memcpy(b->bytes + b->len, l->buffer, n);
	b->len += (uint32_t)n;
	hear_body(l, c);
}

void
hear_socket(struct loop *l, struct conn *c)
{
	size_t n;

	if (conn_receive(c, l->buffer, LOOP_READ_BYTES, &n) == CONN_GONE) {
		/* Who has asked for one thing may have closed its half. */
		if (session_is_brief(&c->session) && !c->is_eof && !c->is_shut) {
			c->is_eof = true;
			link_flush(l, c);
		} else {
			link_bury(l, c, METRIC_CLOSED_BY_CLIENT);
		}
		return;
	}
	if (n > 0)
		c->n_unanswered = 0;
	switch ((enum session_kind)c->session.kind) {
	case SESSION_PLAIN:
	case SESSION_V1: take_frames(l, c, n); break;
	case SESSION_ACK: take_body(l, c, n); break;
	case SESSION_SSE:
	case SESSION_POLL: break; /* nothing more is to come: dropped */
	}
	/* A pong asks for nothing: see flush_own() of link.c. */
	if (!link_is_buried(c) && outbox_len(&c->outbox) > 0)
		link_flush(l, c);
}
