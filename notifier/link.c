#include "notifier/link.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "notifier/feed.h"
#include "notifier/hub.h"
#include "shared/log.h"

enum {
	OUTBOX_MAX = 16384, /* answers waiting: beyond, its peer is not read until it reads */
	CLOSE_MS = 5000,    /* for the peer to answer a close, or to go */
	BODY_MS = 3000,     /* for the body of an ack */
	ANSWER_MS = 10000,  /* for the database to answer */
	MISSED_BEATS_MAX = 2,
	BEAT_MS = 500, /* beats fall on multiples of it, and so whole seconds apart */
	DAY_S = 86400,
	SEND_BUFFER =
	    65536, /* SO_SNDBUF: what a peer that reads nothing can make the kernel hold */
	USER_TIMEOUT_MS = 60000, /* TCP_USER_TIMEOUT: sent data that nobody acknowledges */
};

static void
sooner(int64_t *due, int64_t other)
{
	if (other < *due)
		*due = other;
}

/* When the loop must look at a connection next, whatever happens to it. */
void
link_set_timer(struct loop *l, struct conn *c)
{
	int64_t due = c->next_beat_ms, left_s = c->session.grant.exp - l->now_s;

	if (c->deadline_ms != 0)
		sooner(&due, c->deadline_ms);
	if (c->blocked_since_ms != 0 && !c->is_closing)
		sooner(&due, c->blocked_since_ms + l->options.slow_s * 1000);
	/* A token may name a year that no clock here will see. */
	if (c->session.grant.exp != 0 && !c->is_closing && left_s < DAY_S)
		sooner(&due, l->now_ms + left_s * 1000);
	wheel_set(&l->wheel, &c->timer, due);
}

/* --- those that are unproven --- */

static void
list_unproven(struct loop *l, struct conn *c)
{
	struct conn *before = l->youngest_unproven;

	c->unproven = (struct unproven){.prev = before};
	*(before != NULL ? &before->unproven.next : &l->oldest_unproven) = c;
	l->youngest_unproven = c;
	l->n_unproven++;
	c->is_unproven = true;
}

void
link_know(struct loop *l, struct conn *c)
{
	struct unproven *u = &c->unproven;

	if (!c->is_unproven)
		return;
	*(u->prev != NULL ? &u->prev->unproven.next : &l->oldest_unproven) = u->next;
	*(u->next != NULL ? &u->next->unproven.prev : &l->youngest_unproven) = u->prev;
	l->n_unproven--;
	c->is_unproven = false;
	c->member = (struct member){0};
}

/* Who has something to prove and takes his time makes room for those that do not. */
static void
bound_unproven(struct loop *l)
{
	int most = (l->options.max_unproven + l->options.n_loops - 1) / l->options.n_loops;

	while (l->n_unproven > most)
		link_close(l, l->oldest_unproven, CLOSE_TRY_LATER, METRIC_CLOSED_UNPROVEN);
}

void
link_bury(struct loop *l, struct conn *c, enum metric why)
{
	const struct loop_shared *shared = l->shared;

	poller_remove(&l->poller, c->fd);
	if (c->ticket != 0)
		idmap_remove(&l->tickets, c->ticket);
	wheel_cancel(&c->timer);
	if (c->member.room != NULL) {
		census_leave_merchant(shared->census, c->session.grant.merchant);
		books_gone(l, c);
		hub_leave(l->hub, &c->member, l->now_ms);
	}
	census_leave(shared->census, c->address_key);
	metrics_add(shared->metrics, METRIC_CONNECTIONS, -1);
	/* One that was told to go was counted when it was told. */
	if (!c->is_closing)
		metrics_add(shared->metrics, why, 1);
	link_know(l, c);
	l->n_conns--;
	c->is_buried = true;
	c->next_buried = l->buried;
	l->buried = c;
}

bool
link_is_buried(const struct conn *c)
{
	return c->is_buried;
}

void
link_free_buried(struct loop *l)
{
	while (l->buried != NULL) {
		struct conn *c = l->buried;

		l->buried = c->next_buried;
		conn_free(c);
	}
}

/* --- what goes out --- */

/* Tells the poller what the connection awaits now. */
static void
update_interest(struct loop *l, struct conn *c)
{
	bool wants_write = conn_is_blocked(c);
	bool is_deaf = c->is_eof || outbox_len(&c->outbox) > OUTBOX_MAX;

	if (wants_write == c->wants_write && is_deaf == c->is_deaf)
		return;
	if (wants_write && !c->wants_write) {
		c->wants_write = true;
		link_set_timer(l, c);
	}
	c->wants_write = wants_write;
	c->is_deaf = is_deaf;
	poller_change(&l->poller, c->fd, c, !is_deaf, wants_write);
}

/* What would be said to a good token waits until it is known to be one. */
static bool
is_held(const struct conn *c)
{
	return c->session.state == SESSION_CLAIM && c->session.kind != SESSION_V1 && !c->is_closing;
}

void
link_flush(struct loop *l, struct conn *c)
{
	if (is_held(c)) {
		update_interest(l, c); /* it is not to be heard for ever either */
		return;
	}
	switch (feed_send(l, c)) {
	case CONN_OK: break;
	case CONN_GONE: link_bury(l, c, METRIC_CLOSED_BY_CLIENT); return;
	case CONN_BEHIND: link_refuse(l, c, CLOSE_SLOW); return;
	}
	update_interest(l, c);
	if (!c->is_closing || c->is_shut || conn_is_blocked(c))
		return;
	conn_shut(c);
	c->deadline_ms = l->now_ms + CLOSE_MS;
	link_set_timer(l, c);
}

/* --- the end --- */

static enum metric
metric_of(enum close_code code)
{
	switch (code) {
	case CLOSE_PROTOCOL_ERROR:
	case CLOSE_BAD_TEXT:
	case CLOSE_TOO_BIG: return METRIC_CLOSED_PROTOCOL;
	case CLOSE_SLOW: return METRIC_CLOSED_SLOW;
	case CLOSE_GOING_AWAY: return METRIC_CLOSED_GOING_AWAY;
	case CLOSE_BAD_PROTOCOL: return METRIC_CLOSED_BAD_PROTOCOL;
	case CLOSE_UNAUTHORIZED: return METRIC_CLOSED_UNAUTHORIZED;
	case CLOSE_FORBIDDEN: return METRIC_CLOSED_FORBIDDEN;
	case CLOSE_NORMAL:
	case CLOSE_NO_STATUS:
	case CLOSE_TRY_LATER:
	case CLOSE_REPLACED: return METRIC_CLOSED_OTHER;
	}
	return METRIC_CLOSED_OTHER;
}

/* Who leaves, or is sent elsewhere, is no news; and anybody can be refused as often as he likes. */
static void
tell_closing(struct loop *l, const struct conn *c, enum close_code code, enum metric why)
{
	bool is_refused = why != METRIC_CLOSED_BY_CLIENT && why != METRIC_CLOSED_GOING_AWAY;
	int64_t n_left_out;

	if (log_enabled(LOG_LEVEL_DEBUG))
		log_debug("closing: sid=%s merchant=%" PRId64 " code=%d", c->name,
		    c->session.grant.merchant, (int)code);
	else if (is_refused && loglimit_pass(&l->refusals, l->now_ms, &n_left_out))
		log_info("closing: sid=%s merchant=%" PRId64 " code=%d left_out=%" PRId64, c->name,
		    c->session.grant.merchant, (int)code, n_left_out);
}

void
link_close(struct loop *l, struct conn *c, enum close_code code, enum metric why)
{
	if (c->is_closing)
		return;
	link_know(l, c); /* enough to be done with it */
	metrics_add(l->shared->metrics, why, 1);
	tell_closing(l, c, code, why);
	conn_close(c, code);
	c->deadline_ms = l->now_ms + CLOSE_MS;
	link_set_timer(l, c);
	link_flush(l, c);
}

void
link_refuse(struct loop *l, struct conn *c, enum close_code code)
{
	link_close(l, c, code, metric_of(code));
}

/* --- the beginning --- */

struct ticket
link_take_ticket(struct loop *l, struct conn *c)
{
	struct ticket ticket = {.loop = l->index};

	/* 0 is none; and when the numbers begin anew, the old ones have long been answered. */
	if (++l->last_ticket == 0)
		l->last_ticket = 1;
	ticket.number = l->last_ticket;

	/* Out of memory: the answer will find nobody, and the deadline will pass. */
	if (idmap_put(&l->tickets, ticket.number, c))
		c->ticket = l->last_ticket;
	return ticket;
}

struct conn *
link_by_ticket(struct loop *l, int64_t number)
{
	struct conn *c = idmap_remove(&l->tickets, number);

	if (c != NULL)
		c->ticket = 0;
	return c;
}

void
link_prove(struct loop *l, struct conn *c)
{
	const struct carrier_needs *needs = l->shared->needs;

	if (c->ticket != 0) { /* one claim at a time */
		link_refuse(l, c, CLOSE_BAD_PROTOCOL);
		return;
	}
	/* While the database is silent nobody is told that his token is bad. */
	if (c->session.state == SESSION_CLAIM &&
	    (l->drain_until_ms == 0 || session_is_brief(&c->session))) {
		c->deadline_ms = l->now_ms + ANSWER_MS;
		c->deadline_code = CLOSE_TRY_LATER;
		link_set_timer(l, c);
	}
	c->session.claim->asked_at = l->n_told;
	if (!needs->prove(needs->arg, link_take_ticket(l, c), c->session.claim->terminal))
		link_refuse(l, c, CLOSE_TRY_LATER);
}

void
link_enter(struct loop *l, struct conn *c)
{
	int64_t merchant = c->session.grant.merchant;
	bool is_new;

	link_know(l, c);
	if (l->drain_until_ms == 0 && !session_is_brief(&c->session))
		c->deadline_ms = 0; /* its hello has come */
	if (!census_enter_merchant(l->shared->census, merchant)) {
		link_refuse(l, c, CLOSE_TRY_LATER);
		return;
	}
	if (!hub_join(l->hub, &c->member, merchant, &is_new)) {
		census_leave_merchant(l->shared->census, merchant);
		link_refuse(l, c, CLOSE_TRY_LATER);
		return;
	}
	if (is_new)
		l->shared->needs->watch(l->shared->needs->arg, l->index, merchant);
	books_present(l, c);
	link_set_timer(l, c);
	if (room_is_known(c->member.room) && !feed_begin(l, c))
		link_refuse(l, c, CLOSE_TRY_LATER);
	else
		link_flush(l, c);
}

static int64_t
random_below(struct loop *l, int64_t bound)
{
	return bound <= 0 ? 0 : (int64_t)rand_r(&l->random) % bound;
}

/* The beats of a loop are planned in bunches, none later than asked for: where the loop and its
 * peers are awake for many in a row, each costs less.  Each loop has a beat of its own. */
static void
plan_beat(const struct loop *l, struct conn *c, int64_t due_ms)
{
	int64_t phase_ms = (int64_t)l->index * BEAT_MS / l->options.n_loops;

	c->next_beat_ms = due_ms - (due_ms - phase_ms) % BEAT_MS;
}

static void
set_options(int fd)
{
	const int one = 1, buffer = SEND_BUFFER, timeout_ms = USER_TIMEOUT_MS;

	/* Each is a refinement: the connection works without. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

void
link_plan_goodbye(struct loop *l, struct conn *c)
{
	c->deadline_ms = l->now_ms + 1 + random_below(l, l->drain_until_ms - l->now_ms);
	c->deadline_code = CLOSE_GOING_AWAY;
}

/* How long it has for what must come first, and what it is told when that does not. */
static void
set_first_deadline(struct loop *l, struct conn *c)
{
	switch ((enum session_kind)c->session.kind) {
	case SESSION_PLAIN:
	case SESSION_SSE: break;
	case SESSION_V1:
		c->deadline_ms = l->now_ms + l->options.hello_s * 1000;
		c->deadline_code = CLOSE_UNAUTHORIZED;
		break;
	case SESSION_POLL:
		c->deadline_ms = l->now_ms + ANSWER_MS;
		c->deadline_code = CLOSE_TRY_LATER;
		break;
	case SESSION_ACK:
		c->deadline_ms = l->now_ms + BODY_MS;
		c->deadline_code = CLOSE_BAD_PROTOCOL;
		break;
	}
}

void
link_adopt(struct loop *l, struct conn *c)
{
	set_options(c->fd);
	c->since_s = (uint32_t)l->now_s;
	l->n_conns++;
	if (c->session.state != SESSION_ENTER)
		list_unproven(l, c);
	metrics_add(l->shared->metrics, METRIC_CONNECTIONS, 1);
	metrics_add(l->shared->metrics, METRIC_ADOPTED_PLAIN + c->session.kind, 1);
	/* The first beat anywhere in the interval: after a restart all come back at once, and their
	 * beats should not stay together for ever. */
	c->heartbeat_s = (uint16_t)l->options.heartbeat_s;
	plan_beat(l, c, l->now_ms + 1000 + random_below(l, c->heartbeat_s * 1000 - 1000));
	set_first_deadline(l, c);
	/* Its handshake was under way when the drain began. */
	if (l->drain_until_ms != 0 && !session_is_brief(&c->session))
		link_plan_goodbye(l, c);
	link_set_timer(l, c);
	if (!poller_add(&l->poller, c->fd, c, true, false)) {
		link_bury(l, c, METRIC_CLOSED_OTHER);
		return;
	}
	link_flush(l, c); /* the answer */
	bound_unproven(l);
}

/* --- its times --- */

/* One that was told how often a beat comes keeps that if it would now be seldomer: it counts on it.
 */
void
link_reconfigure(struct loop *l, struct conn *c)
{
	if (l->options.heartbeat_s < c->heartbeat_s) {
		c->heartbeat_s = (uint16_t)l->options.heartbeat_s;
		sooner(&c->next_beat_ms, l->now_ms + 1 + random_below(l, c->heartbeat_s * 1000));
	}
	link_set_timer(l, c);
}

/* Sends what it is told besides events.  Of a live one the room is not looked at: where silent
 * terminals are very many it is in no cache, and what is new there is brought by hub_next_due(). */
static void
flush_own(struct loop *l, struct conn *c)
{
	struct sent sent = {0};

	if (c->feed != FEED_RING || !c->is_caught_up)
		link_flush(l, c);
	else if (conn_send(c, l->now_ms, NULL, &sent) == CONN_GONE)
		link_bury(l, c, METRIC_CLOSED_BY_CLIENT);
	else
		update_interest(l, c);
}

static void
beat(struct loop *l, struct conn *c)
{
	plan_beat(l, c, l->now_ms + c->heartbeat_s * 1000);
	if (c->n_unanswered >= MISSED_BEATS_MAX) {
		conn_abort(c);
		link_bury(l, c, METRIC_CLOSED_DEAD);
		return;
	}
	/* A full socket is not asked more: the rule for slow ones decides.  Nor one that waits for
	 * the database to judge its token: it may not have been answered yet. */
	if (c->is_closing || conn_is_blocked(c) || c->session.state == SESSION_CLAIM)
		return;
	/* A stream has no answer to give: TCP_USER_TIMEOUT finds the dead. */
	if (session_is_websocket(&c->session))
		c->n_unanswered++;
	if (session_heartbeat(&c->session, &c->outbox))
		flush_own(l, c);
}

void
link_look_after(struct loop *l, struct conn *c)
{
	if (c->deadline_ms != 0 && l->now_ms >= c->deadline_ms) {
		if (!c->is_closing) {
			link_refuse(l, c, (enum close_code)c->deadline_code);
			return;
		}
		if (!c->is_shut)
			conn_abort(c);
		link_bury(l, c, METRIC_CLOSED_OTHER);
		return;
	}
	if (!c->is_closing && session_is_expired(&c->session, l->now_s)) {
		link_refuse(l, c, CLOSE_UNAUTHORIZED);
		return;
	}
	if (!c->is_closing && conn_is_blocked(c) &&
	    l->now_ms - c->blocked_since_ms >= l->options.slow_s * 1000) {
		link_refuse(l, c, CLOSE_SLOW);
		return;
	}
	if (l->now_ms >= c->next_beat_ms)
		beat(l, c);
	if (!link_is_buried(c))
		link_set_timer(l, c);
}
