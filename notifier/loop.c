#include "notifier/loop.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "notifier/conn.h"
#include "notifier/hub.h"
#include "shared/clock.h"
#include "shared/log.h"

enum {
	READ_BYTES = 65536,
	PUBLISH_BYTES = 65536, /* put into rings between two flushes: well below a ring's size */
	OUTBOX_MAX = 16384,    /* answers waiting: beyond, its peer is not read until it reads */
	CLOSE_MS = 5000,       /* for the peer to answer a close, or to go */
	MISSED_BEATS_MAX = 2,
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
static void
set_timer(struct loop *l, struct conn *c)
{
	int64_t due = c->next_beat_ms, left_s = c->session.grant.exp - l->now_s;

	if (c->deadline_ms != 0)
		sooner(&due, c->deadline_ms);
	if (c->blocked_since_ms != 0 && !c->is_closing)
		sooner(&due, c->blocked_since_ms + l->shared->options->slow_s * 1000);
	/* A token may name a year that no clock here will see. */
	if (c->session.grant.exp != 0 && !c->is_closing && left_s < DAY_S)
		sooner(&due, l->now_ms + left_s * 1000);
	wheel_set(&l->wheel, &c->timer, due);
}

static struct conn *
conn_of(struct member *m)
{
	return (struct conn *)((char *)m - offsetof(struct conn, member));
}

/* Ends a connection.  It is freed when the round is over. */
static void
bury(struct loop *l, struct conn *c, enum metric why)
{
	const struct loop_shared *shared = l->shared;

	poller_remove(&l->poller, c->fd);
	wheel_cancel(&c->timer);
	if (c->member.room != NULL) {
		census_leave_merchant(shared->census, c->session.grant.merchant);
		hub_leave(l->hub, &c->member, l->now_ms);
	}
	census_leave(shared->census, c->address_key);
	metrics_add(shared->metrics, METRIC_CONNECTIONS, -1);
	/* One that was told to go was counted when it was told. */
	if (!c->is_closing)
		metrics_add(shared->metrics, why, 1);
	*(c->prev ? &c->prev->next : &l->conns) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->timer.due_tick = UINT32_MAX; /* dead: see is_buried() */
	c->next = l->buried;
	l->buried = c;
}

static bool
is_buried(const struct conn *c)
{
	return c->timer.next == NULL && c->timer.due_tick == UINT32_MAX;
}

static void
free_buried(struct loop *l)
{
	while (l->buried != NULL) {
		struct conn *c = l->buried;

		l->buried = c->next;
		conn_free(c);
	}
}

/* Tells the poller what the connection awaits now. */
static void
update_interest(struct loop *l, struct conn *c)
{
	bool wants_write = conn_is_blocked(c);
	bool is_deaf = outbox_len(&c->outbox) > OUTBOX_MAX;

	if (wants_write == c->wants_write && is_deaf == c->is_deaf)
		return;
	if (wants_write && !c->wants_write) {
		c->wants_write = true;
		set_timer(l, c);
	}
	c->wants_write = wants_write;
	c->is_deaf = is_deaf;
	poller_change(&l->poller, c->fd, c, !is_deaf, wants_write);
}

static void say_goodbye(struct loop *l, struct conn *c, enum close_code code, enum metric why);

/* Asks the ledger for the page that a terminal needs, unless the question is out already: those who
 * miss the same share the answer. */
static void
ask(struct loop *l, struct conn *c, enum page_kind kind)
{
	uint8_t *asked = room_asked(c->member.room), bit = (uint8_t)(1u << kind);

	c->awaits_page = true;
	if ((*asked & bit) != 0)
		return;
	*asked |= bit;
	l->shared->needs->ask(
	    l->shared->needs->arg, l->index, kind, c->session.grant.merchant, c->next_seq - 1);
}

/* True once all up to the top of its welcome has been sent, or is known to be no more. */
static bool
has_caught_up(const struct conn *c)
{
	if (c->feed != FEED_TABLE && c->feed != FEED_RING)
		return false;
	return c->next_seq > c->welcome_top ||
	       (c->feed == FEED_RING && room_top(c->member.room) >= c->welcome_top);
}

/* Everything at hand is sent: where does it go on?  True when there is more to send at once. */
static bool
go_on(struct loop *l, struct conn *c)
{
	if (!c->is_caught_up && has_caught_up(c)) {
		c->is_caught_up = true;
		return session_caught_up(&c->session, c->welcome_top, &c->outbox);
	}
	switch ((enum feed)c->feed) {
	case FEED_NONE: return false;
	case FEED_UNACKED: ask(l, c, PAGE_UNACKED); return false;
	case FEED_TABLE:
		if (!room_covers(c->member.room, c->next_seq)) {
			ask(l, c, PAGE_EVENTS);
			return false;
		}
		c->feed = FEED_RING;
		c->awaits_page = false;
		member_seek(&c->member, c->next_seq);
		return true;
	case FEED_RING: return false;
	}
	return false;
}

/* Sends what is at hand: of the items those in the ring. */
static enum conn_status
send_once(struct loop *l, struct conn *c, int64_t *n_delivered)
{
	struct item_run run;
	enum conn_status status;

	/* The ring has left it behind: the table goes on. */
	if (c->feed == FEED_RING && member_is_lost(&c->member))
		c->feed = FEED_TABLE;
	if (c->feed != FEED_RING || c->is_closing)
		return conn_send(c, l->now_ms, NULL, n_delivered);
	run = member_run(&c->member, c->is_caught_up ? INT64_MAX : c->welcome_top);
	status = conn_send(c, l->now_ms, &run, n_delivered);
	c->member.pos = run.at;
	return status;
}

/* Sends what waits. */
static void
flush(struct loop *l, struct conn *c)
{
	int64_t n_delivered = 0;
	enum conn_status status;

	do {
		status = send_once(l, c, &n_delivered);
	} while (status == CONN_OK && !conn_is_blocked(c) && !c->is_closing && go_on(l, c));
	metrics_add(l->shared->metrics, METRIC_DELIVERIES, n_delivered);
	if (status == CONN_GONE) {
		bury(l, c, METRIC_CLOSED_BY_CLIENT);
		return;
	}
	update_interest(l, c);
	if (c->is_closing && !c->is_shut && !conn_is_blocked(c))
		conn_shut(c);
}

/* Ends a connection in good order: the close frame, then the time to see it. */
static void
say_goodbye(struct loop *l, struct conn *c, enum close_code code, enum metric why)
{
	if (c->is_closing)
		return;
	metrics_add(l->shared->metrics, why, 1);
	log_debug("closing: sid=%s merchant=%" PRId64 " code=%d", c->name,
	    c->session.grant.merchant, (int)code);
	conn_close(c, code);
	c->deadline_ms = l->now_ms + CLOSE_MS;
	set_timer(l, c);
	flush(l, c);
}

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

static void
refuse(struct loop *l, struct conn *c, enum close_code code)
{
	say_goodbye(l, c, code, metric_of(code));
}

/* A plain client is live from here on. */
static void
go_live(struct loop *l, struct conn *c)
{
	c->session.state = SESSION_LIVE;
	c->feed = FEED_RING;
	c->is_caught_up = true;
	c->next_seq = room_top(c->member.room) + 1;
	member_seek(&c->member, c->next_seq);
	flush(l, c);
}

/* The stream of its room is known: it may begin. */
static void
begin(struct loop *l, struct conn *c)
{
	if (c->session.kind == SESSION_V1)
		ask(l, c, PAGE_OPENING);
	else
		go_live(l, c);
}

/* A v1 session hears where it goes on. */
static void
welcome(struct loop *l, struct conn *c, const struct page *opening)
{
	struct session_start start;

	c->awaits_page = false;
	if (!session_welcome(
		&c->session, opening, l->shared->options->heartbeat_s, &c->outbox, &start)) {
		refuse(l, c, CLOSE_TRY_LATER);
		return;
	}
	c->welcome_top = opening->top;
	c->next_seq = start.next;
	c->feed = start.from_unacked ? FEED_UNACKED : FEED_TABLE;
	if (start.from_unacked && opening->n_open == 0) {
		c->next_seq = opening->top + 1;
		c->feed = FEED_TABLE;
	}
	flush(l, c);
}

/* Lets a session into its merchant's room. */
static void
enter(struct loop *l, struct conn *c)
{
	int64_t merchant = c->session.grant.merchant;
	bool is_new;

	if (l->drain_until_ms == 0)
		c->deadline_ms = 0;
	if (!census_enter_merchant(l->shared->census, merchant)) {
		refuse(l, c, CLOSE_TRY_LATER);
		return;
	}
	if (!hub_join(l->hub, &c->member, merchant, session_wire(&c->session), &is_new)) {
		census_leave_merchant(l->shared->census, merchant);
		refuse(l, c, CLOSE_TRY_LATER);
		return;
	}
	if (is_new)
		l->shared->needs->watch(l->shared->needs->arg, merchant);
	set_timer(l, c);
	if (room_is_known(c->member.room))
		begin(l, c);
}

static int64_t
random_below(struct loop *l, int64_t bound)
{
	return bound <= 0 ? 0 : (int64_t)rand_r(&l->random) % bound;
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

/* In a drain each is told to go at a moment of its own. */
static void
plan_goodbye(struct loop *l, struct conn *c)
{
	c->deadline_ms = l->now_ms + 1 + random_below(l, l->drain_until_ms - l->now_ms);
	c->deadline_code = CLOSE_GOING_AWAY;
}

static void
adopt(struct loop *l, struct conn *c)
{
	const struct carrier_options *options = l->shared->options;

	set_options(c->fd);
	c->next = l->conns;
	if (c->next != NULL)
		c->next->prev = c;
	l->conns = c;
	metrics_add(l->shared->metrics, METRIC_CONNECTIONS, 1);
	metrics_add(l->shared->metrics, METRIC_ADOPTED, 1);
	/* The first beat anywhere in the interval: after a restart all come back at once, and their
	 * beats should not stay together for ever. */
	c->next_beat_ms = l->now_ms + 1000 + random_below(l, options->heartbeat_s * 1000 - 1000);
	if (c->session.state == SESSION_HELLO) {
		c->deadline_ms = l->now_ms + options->hello_s * 1000;
		c->deadline_code = CLOSE_UNAUTHORIZED;
	}
	if (l->drain_until_ms != 0)
		plan_goodbye(l, c); /* its handshake was under way when the drain began */
	set_timer(l, c);
	if (!poller_add(&l->poller, c->fd, c, true, false)) {
		bury(l, c, METRIC_CLOSED_OTHER);
		return;
	}
	flush(l, c); /* the 101 */
	if (!is_buried(c) && c->session.state == SESSION_ENTER)
		enter(l, c);
}

static void
receive_data(struct loop *l, struct conn *c, const struct frame_message *m)
{
	struct session_act act;
	const struct carrier_needs *needs = l->shared->needs;

	switch (session_receive(&c->session, l->shared->access, m, c->name, l->now_s, &act)) {
	case SESSION_GO_ON: set_timer(l, c); break;
	case SESSION_JOIN: enter(l, c); break;
	case SESSION_ACK:
		if (!needs->ack(
			needs->arg, c->session.grant.merchant, act.seqs, act.n_seqs, c->name))
			refuse(l, c, CLOSE_TRY_LATER);
		break;
	case SESSION_CLOSE: refuse(l, c, act.code); break;
	}
}

static void
receive_message(struct loop *l, struct conn *c, const struct frame_message *m)
{

	switch (m->opcode) {
	case FRAME_CONTINUATION: break; /* never given by the reader */
	case FRAME_PONG: break;
	case FRAME_PING:
		if (!outbox_put_frame(&c->outbox, FRAME_PONG, m->payload, m->len))
			refuse(l, c, CLOSE_TRY_LATER);
		break;
	case FRAME_CLOSE:
		metrics_add(l->shared->metrics, METRIC_CLOSED_BY_CLIENT, 1);
		conn_close(c, m->code); /* the answer repeats the code */
		c->deadline_ms = l->now_ms + CLOSE_MS;
		set_timer(l, c);
		break;
	case FRAME_TEXT:
	case FRAME_BINARY: receive_data(l, c, m); break;
	}
}

static void
receive(struct loop *l, struct conn *c)
{
	size_t n, at = 0;

	if (conn_receive(c, l->buffer, READ_BYTES, &n) == CONN_GONE) {
		bury(l, c, METRIC_CLOSED_BY_CLIENT);
		return;
	}
	if (n > 0)
		c->n_unanswered = 0;
	/* To the end of the input and once more, which lets the reader drop what it lent. */
	while (!c->is_closing) {
		struct frame_message m;
		size_t used;
		enum frame_event got = frame_read(&c->reader, l->buffer + at, n - at, &used, &m);

		at += used;
		if (got == FRAME_NEED_MORE)
			break;
		if (got == FRAME_FAILED)
			refuse(l, c, m.code);
		else
			receive_message(l, c, &m);
		if (is_buried(c))
			return;
	}
	flush(l, c);
}

/* Its time has come: what is due? */
static void
look_after(struct loop *l, struct conn *c)
{
	const struct carrier_options *options = l->shared->options;

	if (c->deadline_ms != 0 && l->now_ms >= c->deadline_ms) {
		if (!c->is_closing) {
			refuse(l, c, (enum close_code)c->deadline_code);
			return;
		}
		if (!c->is_shut)
			conn_abort(c);
		bury(l, c, METRIC_CLOSED_OTHER);
		return;
	}
	if (!c->is_closing && session_is_expired(&c->session, l->now_s)) {
		refuse(l, c, CLOSE_UNAUTHORIZED);
		return;
	}
	if (!c->is_closing && conn_is_blocked(c) &&
	    l->now_ms - c->blocked_since_ms >= options->slow_s * 1000) {
		refuse(l, c, CLOSE_SLOW);
		return;
	}
	if (l->now_ms >= c->next_beat_ms) {
		c->next_beat_ms = l->now_ms + options->heartbeat_s * 1000;
		if (c->n_unanswered >= MISSED_BEATS_MAX) {
			conn_abort(c);
			bury(l, c, METRIC_CLOSED_DEAD);
			return;
		}
		/* A full socket is not asked more: the rule for slow ones decides. */
		if (!c->is_closing && !conn_is_blocked(c)) {
			c->n_unanswered++;
			if (session_heartbeat(&c->session, &c->outbox))
				flush(l, c);
		}
	}
	if (!is_buried(c))
		set_timer(l, c);
}

/* --- the inbox, seen from the loop --- */

static void
flush_rooms(struct loop *l)
{
	struct room *r;

	l->fresh_bytes = 0;
	while ((r = hub_next_dirty(l->hub)) != NULL) {
		struct member *m = room_members(r), *next;

		for (; m != NULL; m = next) {
			struct conn *c = conn_of(m);

			next = m->next; /* c may leave */
			if (!conn_is_blocked(c))
				flush(l, c);
		}
	}
}

static void
take_stream(struct loop *l, const struct note *note)
{
	struct room *r = hub_room(l->hub, note->stream.merchant);
	bool was_known, is_other;

	if (r == NULL)
		return;
	was_known = room_is_known(r);
	is_other = was_known && strcmp(room_epoch(r), note->stream.epoch) != 0;
	if (was_known && !is_other && note->stream.top >= room_top(r))
		return; /* another loop asked */
	flush_rooms(l); /* what came before belongs to the old numbers */
	hub_set_stream(l->hub, r, note->stream.epoch, note->stream.top);
	*room_asked(r) = 0; /* answers under way are of the old numbers */
	for (struct member *m = room_members(r), *next; m != NULL; m = next) {
		struct conn *c = conn_of(m);

		next = m->next;
		if (c->is_closing)
			continue;
		/* A v1 session's cursor is of another epoch now: it comes back and starts anew. */
		if (c->session.state == SESSION_LIVE && c->session.kind == SESSION_V1)
			refuse(l, c, CLOSE_GOING_AWAY);
		else
			begin(l, c);
	}
}

/* True when a page goes on where a terminal stands. */
static bool
fits(const struct conn *c, const struct page *p)
{
	enum feed feed = p->kind == PAGE_UNACKED ? FEED_UNACKED : FEED_TABLE;

	return c->awaits_page && c->feed == feed && c->next_seq > p->after &&
	       (p->is_last || c->next_seq <= item_seq(p->items[p->n_items - 1]));
}

/* Where a terminal goes on after it has taken a page.  `is_cut`: the page held more than it was to
 * get before its caught_up. */
static void
finish_page(struct conn *c, const struct page *p, bool is_cut)
{
	if (p->kind == PAGE_UNACKED && (is_cut || p->is_last)) {
		c->next_seq = c->welcome_top + 1;
		c->feed = FEED_TABLE;
	} else if (is_cut && c->next_seq <= c->welcome_top) {
		c->next_seq = c->welcome_top + 1;
	} else if (!is_cut && p->is_last && p->top >= c->next_seq) {
		c->next_seq = p->top + 1; /* what is missing up to there was pruned */
	}
}

/* Sends what it takes of a page; the rest, when it has room again, is asked for again: nobody holds
 * a page while a terminal does not read. */
static void
serve_page(struct loop *l, struct conn *c, const struct page *p)
{
	struct item_run run = {.slots = p->items, .mask = UINT64_MAX, .n = p->n_items};
	int64_t n_delivered = 0;
	bool is_cut = false;

	c->awaits_page = false;
	/* What was committed since its welcome comes behind its caught_up. */
	while (!c->is_caught_up && run.n > 0 && item_seq(p->items[run.n - 1]) > c->welcome_top) {
		run.n--;
		is_cut = true;
	}
	if (conn_send(c, l->now_ms, &run, &n_delivered) == CONN_GONE) {
		bury(l, c, METRIC_CLOSED_BY_CLIENT);
		return;
	}
	metrics_add(l->shared->metrics, METRIC_DELIVERIES, n_delivered);
	metrics_add(l->shared->metrics, METRIC_REPLAYED, n_delivered);
	if (run.n == 0)
		finish_page(c, p, is_cut);
	flush(l, c);
}

/* The question is answered; who still waits asks the next one, from where the last of them stands.
 */
static void
ask_again(struct loop *l, struct room *r, enum page_kind kind)
{
	enum feed feed = kind == PAGE_UNACKED ? FEED_UNACKED : FEED_TABLE;
	struct conn *last = NULL;

	for (struct member *m = room_members(r); m != NULL; m = m->next) {
		struct conn *c = conn_of(m);

		if (c->awaits_page && c->feed == feed && !c->is_closing &&
		    (last == NULL || c->next_seq < last->next_seq))
			last = c;
	}
	if (last != NULL)
		ask(l, last, kind);
}

static void
take_page(struct loop *l, struct page *p)
{
	struct room *r = hub_room(l->hub, p->merchant);

	if (r == NULL)
		return;
	*room_asked(r) &= (uint8_t) ~(1u << p->kind);
	/* Another epoch than the listener has told of: it will tell in a moment, and all begin
	 * anew. */
	if (strcmp(p->epoch, room_epoch(r)) != 0)
		return;
	for (struct member *m = room_members(r), *next; m != NULL; m = next) {
		struct conn *c = conn_of(m);

		next = m->next; /* c may leave */
		if (c->is_closing)
			continue;
		if (p->kind == PAGE_OPENING) {
			if (c->session.state == SESSION_ENTER && c->session.kind == SESSION_V1)
				welcome(l, c, p);
		} else if (!conn_is_blocked(c) && fits(c, p)) {
			serve_page(l, c, p);
		}
	}
	if (p->kind != PAGE_OPENING)
		ask_again(l, r, p->kind);
}

static void
start_drain(struct loop *l, int drain_ms)
{
	l->drain_until_ms = l->now_ms + drain_ms;
	for (struct conn *c = l->conns; c != NULL; c = c->next) {
		if (c->is_closing)
			continue;
		plan_goodbye(l, c);
		set_timer(l, c);
	}
}

static void
publish(struct loop *l, const struct note *note)
{
	l->fresh_bytes += item_size(note->item);
	if (note->kind == NOTE_ITEM)
		hub_publish(l->hub, note->item);
	else
		hub_publish_to_all(l->hub, note->item);
	item_release(note->item);
	if (l->fresh_bytes >= PUBLISH_BYTES)
		flush_rooms(l);
}

static void
take_note(struct loop *l, const struct note *note)
{
	switch (note->kind) {
	case NOTE_ADOPT: adopt(l, note->conn); break;
	case NOTE_STREAM: take_stream(l, note); break;
	case NOTE_ITEM:
	case NOTE_ITEM_TO_ALL: publish(l, note); break;
	case NOTE_PAGE:
		take_page(l, note->page);
		page_free(note->page);
		break;
	case NOTE_DRAIN: start_drain(l, note->drain_ms); break;
	case NOTE_STOP: l->is_stopping = true; break;
	}
}

static void
take_notes(struct loop *l, struct notes *spare)
{
	struct notes taken = inbox_take(&l->inbox, *spare);

	for (size_t i = 0; i < taken.n; i++)
		take_note(l, &taken.notes[i]);
	taken.n = 0;
	*spare = taken;
	flush_rooms(l);
}

/* --- the loop --- */

static void
take_event(struct loop *l, const struct poller_event *ev)
{
	struct conn *c = ev->what;

	if (c == NULL || is_buried(c))
		return;
	if (ev->is_broken) {
		bury(l, c, METRIC_CLOSED_BY_CLIENT);
		return;
	}
	if (ev->is_writable)
		flush(l, c);
	if (ev->is_readable && !is_buried(c))
		receive(l, c);
}

static void
take_timers(struct loop *l)
{
	struct wheel_timer *t;
	int64_t merchant;

	while ((t = wheel_run(&l->wheel, l->now_ms)) != NULL)
		look_after(l, (struct conn *)((char *)t - offsetof(struct conn, timer)));
	while ((merchant = hub_expire(l->hub, l->now_ms)) != 0)
		l->shared->needs->unwatch(l->shared->needs->arg, merchant);
}

static void
read_clocks(struct loop *l)
{
	l->now_ms = clock_ms();
	l->now_s = (int64_t)time(NULL);
}

void *
loop_run(void *arg)
{
	struct loop *l = arg;
	struct poller_event events[POLLER_BATCH];
	struct notes spare = {0};

	pthread_setname_np(pthread_self(), "carrier");
	while (!l->is_stopping) {
		size_t n = poller_wait(&l->poller, events, l->conns != NULL ? WHEEL_TICK_MS : 1000);

		read_clocks(l);
		for (size_t i = 0; i < n; i++)
			take_event(l, &events[i]);
		take_notes(l, &spare);
		take_timers(l);
		free_buried(l);
	}
	free(spare.notes);
	return NULL;
}

bool
loop_init(struct loop *l, int index, const struct loop_shared *shared)
{
	*l = (struct loop){.shared = shared, .index = index};
	l->poller = (struct poller){-1, -1};
	inbox_init(&l->inbox, &l->poller);
	read_clocks(l);
	l->random = (unsigned)clock_ns();
	wheel_init(&l->wheel, l->now_ms);
	l->hub = hub_new();
	l->buffer = malloc(READ_BYTES);
	return poller_open(&l->poller) && l->hub != NULL && l->buffer != NULL;
}

void
loop_fini(struct loop *l)
{
	while (l->conns != NULL)
		bury(l, l->conns, METRIC_CLOSED_GOING_AWAY);
	free_buried(l);
	inbox_fini(&l->inbox);
	hub_free(l->hub);
	free(l->buffer);
	poller_close(&l->poller);
}
