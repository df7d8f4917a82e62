#include "notifier/feed.h"

#include <stdlib.h>
#include <string.h>

#include "notifier/answer.h"
#include "notifier/hub.h"
#include "shared/clock.h"

enum { SHARED_EVENTS = 32 }; /* see page_start(); well below PAGE_ITEMS */

/* Whom a page is for. */
static const enum feed feed_of_page[PAGE_KINDS] = {
    [PAGE_OPENING] = FEED_NONE,
    [PAGE_UNACKED] = FEED_UNACKED,
    [PAGE_EVENTS] = FEED_TABLE,
    [PAGE_ACKED] = FEED_ACKED,
};

/* Behind which seq a terminal stands, on its way through pages of that kind. */
static int64_t
place_of(const struct conn *c, enum page_kind kind)
{
	return kind == PAGE_ACKED ? c->session.after->seq : c->next_seq - 1;
}

/* Where the page that a terminal needs is to begin: with some that this one has seen, for those who
 * come behind it, with a cursor that is a little older; they need not ask then. */
static int64_t
page_start(const struct conn *c, enum page_kind kind)
{
	int64_t after = place_of(c, kind);

	if (kind != PAGE_EVENTS)
		return after;
	return after > SHARED_EVENTS ? after - SHARED_EVENTS : 0;
}

/* Asks the ledger for the page that a terminal needs, unless the question is out already: those who
 * miss the same share the answer. */
static void
ask(struct loop *l, struct conn *c, enum page_kind kind)
{
	const struct carrier_needs *needs = l->shared->needs;
	uint8_t *asked = room_asked(c->member.room), bit = (uint8_t)(1u << kind);

	c->awaits_page = true;
	if ((*asked & bit) != 0)
		return;
	*asked |= bit;
	needs->ask(needs->arg, l->index, kind, c->session.grant.merchant, page_start(c, kind));
}

static void
go_to_ring(struct conn *c)
{
	c->feed = FEED_RING;
	c->awaits_page = false;
	member_seek(&c->member, c->next_seq);
}

/* Tells who comes back to the ring that had left it behind what was acked meanwhile; who told it is
 * not known any more.  False: that is not known, or no memory. */
static bool
tell_missed_acks(struct conn *c)
{
	int64_t merchant = c->session.grant.merchant, from = 0, seqs[ITEM_ACKS_MAX];
	bool ok = member_knows_missed(&c->member);
	size_t n, len;

	while (ok && (n = member_missed(&c->member, from, seqs, ITEM_ACKS_MAX)) > 0) {
		struct item *it = item_new_acked(merchant, seqs, n, "");
		const uint8_t *bytes =
		    it == NULL ? NULL : item_wire(it, session_wire(&c->session), &len);

		ok = it != NULL && outbox_put(&c->outbox, bytes, len);
		item_release(it);
		from = seqs[n - 1] + 1;
	}
	return ok;
}

/* Its cursor holds, and all that came since is in the ring. */
static bool
is_in_ring(const struct conn *c)
{
	const struct cursor *after = c->session.after;
	const struct room *r = c->member.room;

	return after != NULL && strcmp(after->epoch, room_epoch(r)) == 0 &&
	       after->seq <= room_top(r) && room_covers(r, after->seq + 1);
}

/* What its room knows is all that a session of v1 or a stream need be told at first: whatever is
 * heard later, it hears too.  (A cursor that the room does not know holds perhaps in the table: a
 * notifier that was ahead of this one has given it.) */
static bool
is_known_by_room(const struct conn *c, const struct stand *stand)
{
	return c->session.kind != SESSION_POLL && stand->knows_open &&
	       (c->session.after == NULL || is_in_ring(c));
}

bool
feed_begin(struct loop *l, struct conn *c)
{
	const struct stand stand = room_stand(c->member.room);

	c->session.state = SESSION_ENTER;
	c->feed = FEED_NONE;
	if (c->session.kind == SESSION_PLAIN) {
		c->session.state = SESSION_LIVE;
		c->is_caught_up = true;
		c->next_seq = room_top(c->member.room) + 1;
		go_to_ring(c);
	} else if (c->session.kind == SESSION_POLL && !c->session.wants_open && is_in_ring(c)) {
		c->session.state = SESSION_LIVE;
		c->session.recovered = true;
		c->next_seq = c->session.after->seq + 1;
		go_to_ring(c);
	} else if (is_known_by_room(c, &stand)) {
		return feed_welcome(c, &stand);
	} else {
		ask(l, c, PAGE_OPENING);
	}
	return true;
}

bool
feed_welcome(struct conn *c, const struct stand *stand)
{
	struct session_start start;

	c->awaits_page = false;
	if (c->session.kind == SESSION_POLL) {
		session_find_start(&c->session, stand, &start);
		c->session.state = SESSION_LIVE;
		c->session.recovered = start.recovered;
		free(c->open_header);
		c->open_header =
		    c->session.wants_open ? answer_open_header(stand, start.next - 1) : NULL;
		if (c->session.wants_open && c->open_header == NULL)
			return false;
	} else if (!session_welcome(&c->session, stand, c->heartbeat_s, &c->outbox, &start)) {
		return false;
	}
	c->welcome_top = stand->top;
	c->next_seq = start.next;
	c->feed = start.from_unacked ? FEED_UNACKED : FEED_TABLE;
	if (c->session.kind != SESSION_POLL && c->session.after != NULL)
		c->feed = FEED_ACKED;
	if (start.from_unacked && stand->n_open == 0) {
		c->next_seq = stand->top + 1;
		c->feed = FEED_TABLE;
	}
	return true;
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

/* --- what was sent for the first time --- */

static void
note_first_told(void *arg, const struct conn *c, const struct item *it)
{
	books_first_sent(arg, c, it);
}

/* The same of one that came live. */
static void
note_first_sent(void *arg, const struct conn *c, const struct item *it)
{
	struct loop *l = arg;

	books_first_sent(l, c, it);
	metrics_delay(l->shared->metrics, clock_unix_ms() - item_at_ms(it));
}

/* --- the one answer of a poll --- */

static void
take_answered(struct loop *l, struct conn *c, const struct item_run *run)
{
	for (uint64_t i = 0; i < run->n; i++) {
		struct item *it = run->slots[(run->at + i) & run->mask];

		if (item_seq(it) < c->next_seq)
			continue;
		c->next_seq = item_seq(it) + 1;
		metrics_add(l->shared->metrics, METRIC_DELIVERIES, 1);
		if (item_is_first_sent(it))
			books_first_sent(l, c, it);
	}
}

/* Answers with what is at hand: of the ring, or of a page.  False: out of memory. */
static bool
answer(struct loop *l, struct conn *c, struct item_run run, const struct page *p, bool is_cut)
{
	struct poll_answer a = {.merchant = c->session.grant.merchant,
	    .epoch = room_epoch(c->member.room),
	    .recovered = c->session.recovered,
	    .open = c->open_header};
	bool is_all;

	while (run.n > 0 && item_seq(run.slots[run.at & run.mask]) < c->next_seq) {
		run.at++;
		run.n--;
	}
	a.run = run;
	a.run.n = answer_poll_fit(&run, c->next_seq);
	is_all = a.run.n == run.n;
	take_answered(l, c, &a.run);
	if (is_all && p != NULL)
		finish_page(c, p, is_cut);
	a.seq = c->next_seq - 1;
	a.is_caught_up =
	    is_all && (p == NULL || (p->kind == PAGE_UNACKED ? c->feed == FEED_TABLE : p->is_last));
	conn_answered(c);
	return answer_poll(&c->outbox, &a);
}

/* --- sending --- */

/* Everything at hand is sent: where does it go on?  True when there is more to send at once. */
static bool
go_on(struct loop *l, struct conn *c, enum conn_status *status)
{
	if (!c->is_caught_up && has_caught_up(c)) {
		c->is_caught_up = true;
		return session_caught_up(
		    &c->session, room_epoch(c->member.room), c->welcome_top, &c->outbox);
	}
	switch ((enum feed)c->feed) {
	case FEED_NONE: return false;
	case FEED_UNACKED: ask(l, c, PAGE_UNACKED); return false;
	case FEED_ACKED: ask(l, c, PAGE_ACKED); return false;
	case FEED_TABLE:
		if (!room_covers(c->member.room, c->next_seq)) {
			ask(l, c, PAGE_EVENTS);
			return false;
		}
		if (member_is_lost(&c->member) && session_is_streamed(&c->session) &&
		    !tell_missed_acks(c)) {
			*status = CONN_BEHIND;
			return false;
		}
		go_to_ring(c);
		return true;
	case FEED_RING:
		return c->session.kind == SESSION_POLL &&
		       answer(l, c, member_run(&c->member, INT64_MAX), NULL, false);
	}
	return false;
}

/* Sends the run with one call that was prepared for all who stand where this one does.  False: that
 * does not suit it. */
static bool
send_volley(struct loop *l, struct conn *c, struct item_run *run, struct sent *sent,
    enum conn_status *status)
{
	enum wire wire = session_wire(&c->session);
	struct volley *v = &l->volleys[wire];

	if (run->n == 0 || conn_is_blocked(c) ||
	    !volley_load(v, c->member.room, hub_version(l->hub), run, wire) || v->len == 0 ||
	    !conn_fits_volley(c, v))
		return false;
	*status = conn_send_volley(c, l->now_ms, v, run, sent);
	return true;
}

/* Sends what is at hand: of the items those in the ring. */
static enum conn_status
send_once(struct loop *l, struct conn *c, struct sent *sent)
{
	struct item_run run;
	enum conn_status status;

	/* The ring has left it behind: the table goes on. */
	if (c->feed == FEED_RING && member_is_lost(&c->member))
		c->feed = FEED_TABLE;
	if (c->feed != FEED_RING || c->is_closing || session_is_brief(&c->session))
		return conn_send(c, l->now_ms, NULL, sent);
	run = member_run(&c->member, c->is_caught_up ? INT64_MAX : c->welcome_top);
	if (!send_volley(l, c, &run, sent, &status) || (run.n > 0 && !conn_is_blocked(c)))
		status = conn_send(c, l->now_ms, &run, sent);
	c->member.pos = run.at;
	return status;
}

enum conn_status
feed_send(struct loop *l, struct conn *c)
{
	struct sent sent = {.first_sent = note_first_sent, .arg = l};
	enum conn_status status;

	do {
		status = send_once(l, c, &sent);
	} while (
	    status == CONN_OK && !conn_is_blocked(c) && !c->is_closing && go_on(l, c, &status));
	l->n_delivered += sent.n_delivered;
	return status;
}

bool
feed_fits(const struct conn *c, const struct page *p)
{
	if (!c->awaits_page || c->feed != feed_of_page[p->kind] || place_of(c, p->kind) < p->after)
		return false;
	if (p->is_last)
		return true;
	return place_of(c, p->kind) <
	       (p->kind == PAGE_ACKED ? p->last : item_seq(p->items[p->n_items - 1]));
}

/* Serves what was acked.  Who takes a part of it goes on behind that. */
static enum conn_status
serve_acked(
    struct conn *c, const struct page *p, struct item_run *run, int64_t now_ms, struct sent *sent)
{
	enum conn_status status = conn_send(c, now_ms, run, sent);
	int64_t *place = &c->session.after->seq;

	if (run->n == 0) {
		*place = p->last;
	} else if (run->at > 0) {
		const char *by;
		size_t n;
		const int64_t *seqs = item_acked(p->items[run->at - 1], &n, &by);

		if (seqs[n - 1] > *place)
			*place = seqs[n - 1];
	}
	if (run->n == 0 && (p->is_last || *place >= c->next_seq - 1)) {
		session_forget_after(&c->session);
		c->feed = FEED_TABLE;
	}
	return status;
}

enum conn_status
feed_serve(struct loop *l, struct conn *c, const struct page *p)
{
	struct item_run run = {.slots = p->items, .mask = UINT64_MAX, .n = p->n_items};
	struct sent sent = {.first_sent = note_first_told, .arg = l};
	bool is_cut = false;

	c->awaits_page = false;
	/* What was committed since its welcome comes behind its caught_up. */
	while (!c->is_caught_up && run.n > 0 && item_seq(p->items[run.n - 1]) > c->welcome_top) {
		run.n--;
		is_cut = true;
	}
	if (c->session.kind == SESSION_POLL)
		return answer(l, c, run, p, is_cut) ? CONN_OK : CONN_GONE;
	if ((p->kind == PAGE_ACKED ? serve_acked(c, p, &run, l->now_ms, &sent)
				   : conn_send(c, l->now_ms, &run, &sent)) == CONN_GONE)
		return CONN_GONE;
	metrics_add(l->shared->metrics, METRIC_DELIVERIES, sent.n_delivered);
	metrics_add(l->shared->metrics, METRIC_REPLAYED, sent.n_delivered);
	if (run.n == 0 && p->kind != PAGE_ACKED)
		finish_page(c, p, is_cut);
	return CONN_OK;
}

void
feed_ask_again(struct loop *l, struct room *r, enum page_kind kind)
{
	struct conn *last = NULL;

	for (struct member *m = room_members(r); m != NULL; m = m->next) {
		struct conn *c = conn_of_member(m);

		/* Who is blocked asks anew when he takes something. */
		if (c->awaits_page && c->feed == feed_of_page[kind] && !c->is_closing &&
		    !conn_is_blocked(c) &&
		    (last == NULL || place_of(c, kind) < place_of(last, kind)))
			last = c;
	}
	if (last != NULL)
		ask(l, last, kind);
}
