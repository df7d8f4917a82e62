#include "notifier/books.h"

#include <stdio.h>

#include "notifier/loop.h"
#include "shared/clock.h"

static const char *const kind_words[] = {
    [SESSION_PLAIN] = "plain",
    [SESSION_V1] = "v1",
    [SESSION_SSE] = "sse",
    [SESSION_POLL] = "poll",
    [SESSION_ACK] = "ack",
};

/* What a connection is called in the books.  A terminal that polls is one, however often it comes:
 * it is known by its merchant and name, and nobody says when it has gone. */
static int64_t
connection_of(const struct conn *c)
{
	uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)c->session.grant.merchant; /* FNV-1a */

	if (c->session.kind != SESSION_POLL)
		return (int64_t)(uintptr_t)c;
	for (const char *name = conn_name(c); *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return (int64_t)(hash >> 2 | UINT64_C(1) << 62); /* no address is so high */
}

void
books_present(struct loop *l, const struct conn *c)
{
	const struct clerk_presence presence = {
	    .connection = connection_of(c),
	    .merchant = c->session.grant.merchant,
	    .terminal = conn_name(c),
	    .kind = kind_words[c->session.kind],
	    .audio = session_audio_word((enum session_audio)c->session.audio),
	    .since_ms = (int64_t)c->since_s * 1000,
	};

	l->shared->needs->present(l->shared->needs->arg, &presence);
}

void
books_gone(struct loop *l, const struct conn *c)
{
	if (c->session.kind != SESSION_POLL)
		l->shared->needs->gone(l->shared->needs->arg, connection_of(c));
}

void
books_first_sent(struct loop *l, const struct conn *c, const struct item *it)
{
	struct clerk_delivery *fact = &l->books.facts[l->books.n++];

	fact->event_id = item_id(it);
	fact->at_ms = clock_unix_ms();
	snprintf(fact->to, sizeof fact->to, "%s", conn_name(c));
	if (l->books.n == BOOKS_FACTS)
		books_flush(l);
}

void
books_flush(struct loop *l)
{
	if (l->books.n > 0)
		l->shared->needs->delivered(l->shared->needs->arg, l->books.facts, l->books.n);
	l->books.n = 0;
}
