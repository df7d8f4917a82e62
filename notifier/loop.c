#include "notifier/loop.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "notifier/answer.h"
#include "notifier/conn.h"
#include "notifier/feed.h"
#include "notifier/hear.h"
#include "notifier/hub.h"
#include "notifier/link.h"
#include "shared/clock.h"
#include "shared/log.h"

enum {
	FLUSH_MEMBERS = 256, /* between two looks at what else there is to do */
	TIMERS = 64,         /* the same: beats come in bunches, and no order waits for one */
	/* How full of what waits a ring may be, in hundredths: until the listener is asked to read
	 * no more, and again; and until its members are served before all else. */
	HOLD_AT = 35,
	RELEASE_AT = 10,
	CROWDED_AT = 90,
	FEW_MEMBERS = 4,  /* that another thread may send to in the loop's place */
	NOBODY_MS = 1000, /* how long it sleeps when it has no connection */
	COUNT_MS = 5000,  /* how often states are counted, and a ms more for each terminal */
};

/* --- the inbox, seen from the loop --- */

/* A session whose grant is known goes to its work. */
static void
enter(struct loop *l, struct conn *c)
{
	link_know(l, c);
	if (c->session.kind == SESSION_ACK)
		hear_body(l, c);
	else
		link_enter(l, c);
}

static void
adopt(struct loop *l, struct conn *c)
{
	link_adopt(l, c);
	if (link_is_buried(c))
		return;
	if (c->session.state == SESSION_ENTER)
		enter(l, c);
	else if (c->session.state == SESSION_CLAIM)
		link_prove(l, c);
}

/* Sends what is new to some of those it is for.  False: to all of them. */
static bool
flush_some(struct loop *l)
{
	for (int i = 0; i < FLUSH_MEMBERS; i++) {
		struct member *m = hub_next_due(l->hub);

		if (m == NULL)
			return false;
		if (!conn_is_blocked(conn_of_member(m)))
			link_flush(l, conn_of_member(m));
	}
	return true;
}

static void
flush_all(struct loop *l)
{
	while (flush_some(l))
		;
}

/* --- a storm --- */

static bool
is_held(const struct loop *l, int64_t merchant)
{
	for (size_t i = 0; i < l->n_held; i++) {
		if (l->held[i] == merchant)
			return true;
	}
	return false;
}

/* More than a room's terminals take stays in the table: what is for others has its way. */
static void
hold(struct loop *l, const struct room *r)
{
	const struct carrier_needs *needs = l->shared->needs;

	if (l->n_held == LOOP_HELD_MAX || is_held(l, room_merchant(r)))
		return;
	l->held[l->n_held++] = room_merchant(r);
	needs->hold(needs->arg, room_merchant(r));
}

static void
release_some(struct loop *l)
{
	const struct carrier_needs *needs = l->shared->needs;
	size_t n_kept = 0;

	for (size_t i = 0; i < l->n_held; i++) {
		const struct room *r = hub_room(l->hub, l->held[i]);

		if (r != NULL && room_load(r) > RELEASE_AT)
			l->held[n_kept++] = l->held[i];
		else
			needs->release(needs->arg, l->held[i]);
	}
	l->n_held = n_kept;
}

/* The stream of a room is known, or is another one: its terminals begin. */
static void
begin_again(struct loop *l, struct conn *c)
{
	bool is_live = c->session.state == SESSION_LIVE;

	if (c->is_closing)
		return;
	/* Its cursor is of another epoch now: it comes back and starts anew. */
	if (is_live && (c->session.kind == SESSION_V1 || c->session.kind == SESSION_SSE))
		link_refuse(l, c, CLOSE_GOING_AWAY);
	else if (!feed_begin(l, c))
		link_refuse(l, c, CLOSE_TRY_LATER);
	else
		link_flush(l, c);
}

static void
take_stream(struct loop *l, const struct stand_note *note)
{
	const struct stand *stand = &note->stand;
	struct room *r = hub_room(l->hub, note->merchant);

	if (r == NULL)
		return;
	if (room_is_known(r) && strcmp(room_epoch(r), stand->epoch) == 0 &&
	    stand->top >= room_top(r)) {
		room_set_open(r, stand); /* another loop asked */
		return;
	}
	flush_all(l); /* what came before belongs to the old numbers */
	hub_set_stream(l->hub, r, stand);
	*room_asked(r) = 0; /* answers under way are of the old numbers */
	for (struct member *m = room_members(r), *next; m != NULL; m = next) {
		next = m->next; /* it may leave */
		begin_again(l, conn_of_member(m));
	}
}

/* What is un-acked there was read anew. */
static void
take_open(struct loop *l, const struct stand_note *note)
{
	struct room *r = hub_room(l->hub, note->merchant);

	if (r != NULL && room_is_known(r) && strcmp(room_epoch(r), note->stand.epoch) == 0)
		room_set_open(r, &note->stand);
}

static void
take_opening(struct loop *l, struct conn *c, const struct page *opening)
{
	const struct stand stand = page_stand(opening);

	if (c->session.state != SESSION_ENTER || c->session.kind == SESSION_PLAIN)
		return;
	if (feed_welcome(c, &stand))
		link_flush(l, c);
	else
		link_refuse(l, c, CLOSE_TRY_LATER);
}

static void
take_events(struct loop *l, struct conn *c, const struct page *p)
{
	if (conn_is_blocked(c) || !feed_fits(c, p))
		return;
	if (feed_serve(l, c, p) == CONN_GONE)
		link_bury(l, c, METRIC_CLOSED_BY_CLIENT);
	else
		link_flush(l, c);
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
		struct conn *c = conn_of_member(m);

		next = m->next; /* c may leave */
		if (c->is_closing)
			continue;
		if (p->kind == PAGE_OPENING)
			take_opening(l, c, p);
		else
			take_events(l, c, p);
	}
	if (p->kind == PAGE_EVENTS)
		hub_keep_before(l->hub, r, p->after + 1, p->items, p->n_items);
	if (p->kind != PAGE_OPENING)
		feed_ask_again(l, r, p->kind);
}

/* The acks that a terminal sent by HTTP are durable. */
static void
take_kept(struct loop *l, int64_t ticket)
{
	struct conn *c = link_by_ticket(l, ticket);
	struct session_act act;

	if (c == NULL || c->is_closing)
		return;
	session_read_ack(c->body->bytes, c->body->len, &act); /* it was good before */
	if (answer_acked(&c->outbox, act.seqs, act.n_seqs))
		conn_answered(c);
	link_flush(l, c);
}

/* True when the merchant's tokens were spoken of since the database was asked: this one may have
 * been revoked between its answer and now, when nobody was there to be told to go. */
static bool
is_in_doubt(const struct loop *l, const struct conn *c, int64_t merchant)
{
	const struct room *r = hub_room(l->hub, merchant);

	return r != NULL && c->session.claim != NULL &&
	       room_told_at(r) > c->session.claim->asked_at;
}

/* What a claim is worth. */
static void
take_record(struct loop *l, const struct record_note *note)
{
	struct conn *c = link_by_ticket(l, note->ticket);
	const struct terminal_record record = {note->merchant, note->name, note->hash_hex};
	struct session_act act;

	if (c == NULL || c->is_closing)
		return;
	if (is_in_doubt(l, c, record.merchant)) {
		link_prove(l, c);
		return;
	}
	switch (session_prove(&c->session, &record, &act)) {
	case SESSION_JOIN: enter(l, c); break;
	case SESSION_CLOSE: link_refuse(l, c, act.code); break;
	case SESSION_GO_ON:
	case SESSION_PROVE:
	case SESSION_ACKED: link_set_timer(l, c); break;
	}
}

/* Those whose token was revoked are told to go at once. */
static void
take_terminals(struct loop *l, const struct terminals_note *note)
{
	struct room *r = hub_room(l->hub, note->merchant);
	struct member *m = r == NULL ? NULL : room_members(r), *next;

	if (r != NULL)
		room_set_told_at(r, ++l->n_told);
	for (; m != NULL; m = next) {
		struct conn *c = conn_of_member(m);

		next = m->next; /* c may leave */
		if (session_is_revoked(&c->session, note->ids, note->n))
			link_refuse(l, c, CLOSE_UNAUTHORIZED);
	}
}

static void
retell_one(void *arg, struct wheel_timer *t)
{
	const struct conn *c = conn_of_timer(t);

	if (c->member.room != NULL)
		books_present(arg, c);
}

/* The books are to be written anew. */
static void
retell(struct loop *l)
{
	wheel_each(&l->wheel, retell_one, l);
}

static void
start_drain(struct loop *l, int drain_ms)
{
	struct wheel_timer all, *t;

	l->drain_until_ms = l->now_ms + drain_ms;
	wheel_empty(&l->wheel, &all);
	while ((t = wheel_take(&all)) != NULL) {
		struct conn *c = conn_of_timer(t);

		if (!c->is_closing && !session_is_brief(&c->session))
			link_plan_goodbye(l, c);
		link_set_timer(l, c);
	}
}

/* The settings have changed. */
static void
take_configure(struct loop *l, const struct configure_note *note)
{
	struct wheel_timer all, *t;

	access_release(l->access);
	l->access = note->access;
	l->options = note->options;
	wheel_empty(&l->wheel, &all);
	while ((t = wheel_take(&all)) != NULL)
		link_reconfigure(l, conn_of_timer(t));
}

static void
publish(struct loop *l, const struct note *note)
{
	const struct room *r = NULL;

	if (note->kind == NOTE_ITEM)
		r = hub_publish(l->hub, note->item);
	else
		hub_publish_to_all(l->hub, note->item);
	item_release(note->item);
	if (r == NULL)
		return;
	if (room_load(r) >= HOLD_AT)
		hold(l, r);
	/* Too late to ask for less: nobody who is prompt is to be left behind by the ring. */
	while (room_load(r) >= CROWDED_AT && flush_some(l))
		;
}

static void
take_note(struct loop *l, const struct note *note)
{
	switch (note->kind) {
	case NOTE_ADOPT: adopt(l, note->conn); break;
	case NOTE_STREAM:
		take_stream(l, note->stand);
		free(note->stand);
		break;
	case NOTE_OPEN:
		take_open(l, note->stand);
		free(note->stand);
		break;
	case NOTE_DOUBT: hub_doubt_open(l->hub); break;
	case NOTE_ITEM:
	case NOTE_ITEM_TO_ALL: publish(l, note); break;
	case NOTE_PAGE:
		take_page(l, note->page);
		page_free(note->page);
		break;
	case NOTE_KEPT: take_kept(l, note->ticket); break;
	case NOTE_RECORD:
		take_record(l, note->record);
		free(note->record);
		break;
	case NOTE_TERMINALS:
		take_terminals(l, note->terminals);
		free(note->terminals);
		break;
	case NOTE_RETELL: retell(l); break;
	case NOTE_CONFIGURE:
		take_configure(l, note->configure);
		free(note->configure);
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
}

/* --- the loop --- */

static void
take_event(struct loop *l, const struct poller_event *ev)
{
	struct conn *c = ev->what;

	if (c == NULL || link_is_buried(c))
		return;
	if (ev->is_broken) {
		link_bury(l, c, METRIC_CLOSED_BY_CLIENT);
		return;
	}
	if (ev->is_writable)
		link_flush(l, c);
	if (ev->is_readable && !link_is_buried(c))
		hear_socket(l, c);
}

/* False: some are still due. */
static bool
take_timers(struct loop *l)
{
	struct wheel_timer *t = NULL;
	int64_t merchant;

	for (int i = 0; i < TIMERS && (t = wheel_run(&l->wheel, l->now_ms)) != NULL; i++)
		link_look_after(l, conn_of_timer(t));
	while ((merchant = hub_expire(l->hub, l->now_ms)) != 0)
		l->shared->needs->unwatch(l->shared->needs->arg, l->index, merchant);
	return t == NULL;
}

static void
count_state(void *arg, struct wheel_timer *t)
{
	((int64_t *)arg)[conn_of_timer(t)->session.state]++;
}

/* How far the terminals are, for people. */
static void
count_states(struct loop *l)
{
	int64_t counted[SESSION_STATES] = {0};

	wheel_each(&l->wheel, count_state, counted);
	for (int i = 0; i < SESSION_STATES; i++) {
		metrics_add(l->shared->metrics, (enum metric)(METRIC_TERMINALS_HELLO + i),
		    counted[i] - l->counted[i]);
		l->counted[i] = counted[i];
	}
	l->count_at_ms = l->now_ms + COUNT_MS + (int64_t)l->n_conns;
}

static void
read_clocks(struct loop *l)
{
	l->now_ms = clock_ms();
	l->now_s = (int64_t)time(NULL);
}

/* Tells what was delivered since it was told last. */
static void
tell_delivered(struct loop *l)
{
	metrics_add(l->shared->metrics, METRIC_DELIVERIES, l->n_delivered);
	l->n_delivered = 0;
	books_flush(l);
}

static void
take_turn(struct loop *l, const struct poller_event *events, size_t n, struct notes *spare)
{
	read_clocks(l);
	for (size_t i = 0; i < n; i++)
		take_event(l, &events[i]);
	take_notes(l, spare);
	l->has_more = flush_some(l);
	release_some(l);
	l->has_more = !take_timers(l) || l->has_more;
	tell_delivered(l);
	if (l->now_ms >= l->count_at_ms)
		count_states(l);
	link_free_buried(l);
}

static int
wait_ms(const struct loop *l)
{
	if (l->has_more)
		return 0;
	return l->n_conns > 0 ? WHEEL_TICK_MS : NOBODY_MS;
}

void *
loop_run(void *arg)
{
	struct loop *l = arg;
	struct poller_event events[POLLER_BATCH];
	struct notes spare = {0};
	int may_wait_ms = 0;

	pthread_setname_np(pthread_self(), "carrier");
	while (!l->is_stopping) {
		size_t n = poller_wait(&l->poller, events, may_wait_ms);

		pulse_beat(l->pulse);
		pthread_mutex_lock(&l->turn);
		take_turn(l, events, n, &spare);
		may_wait_ms = wait_ms(l);
		pthread_mutex_unlock(&l->turn);
	}
	free(spare.notes);
	return NULL;
}

/* --- a turn of somebody else's --- */

/* True when these notes are items, and no more than some terminals are to be sent them. */
static bool
are_for_few(const void *arg, const struct note *notes, size_t n)
{
	const struct loop *l = arg;
	size_t n_members = 0;

	for (size_t i = 0; i < n; i++) {
		const struct room *r;

		if (notes[i].kind != NOTE_ITEM)
			return false;
		r = hub_room(l->hub, item_merchant(notes[i].item));
		n_members += r == NULL ? 0 : room_n_members(r);
	}
	return n_members <= FEW_MEMBERS;
}

bool
loop_help(struct loop *l)
{
	struct note few[INBOX_FEW];
	bool must_wake = false;
	size_t n;

	if (pthread_mutex_trylock(&l->turn) != 0)
		return false;
	n = l->has_more || l->is_stopping ? 0 : inbox_take_few(&l->inbox, few, are_for_few, l);
	if (n > 0) {
		read_clocks(l);
		for (size_t i = 0; i < n; i++)
			take_note(l, &few[i]);
		l->has_more = flush_some(l);
		release_some(l);
		tell_delivered(l);
		/* What has ended may still be named by events that the loop was given just now: it
		 * is the loop's to free. */
		must_wake = l->has_more || l->buried != NULL;
	}
	pthread_mutex_unlock(&l->turn);
	if (must_wake)
		poller_wake(&l->poller);
	return n > 0;
}

bool
loop_init(struct loop *l, int index, const struct loop_shared *shared)
{
	*l = (struct loop){.shared = shared, .index = index};
	l->options = *shared->options;
	l->pulse = pulse_join(shared->options->pulse, "carrier");
	l->access = access_hold(shared->access);
	idmap_init(&l->tickets);
	loglimit_init(&l->refusals);
	l->poller = (struct poller){-1, -1};
	pthread_mutex_init(&l->turn, NULL);
	inbox_init(&l->inbox, &l->poller);
	read_clocks(l);
	l->random = (unsigned)clock_ns();
	wheel_init(&l->wheel, l->now_ms);
	l->hub = hub_new();
	l->buffer = malloc(LOOP_READ_BYTES);
	l->volleys = calloc(WIRE_COUNT, sizeof *l->volleys);
	return poller_open(&l->poller) && l->hub != NULL && l->buffer != NULL && l->volleys != NULL;
}

void
loop_fini(struct loop *l)
{
	struct wheel_timer all, *t;

	wheel_empty(&l->wheel, &all);
	while ((t = wheel_take(&all)) != NULL)
		link_bury(l, conn_of_timer(t), METRIC_CLOSED_GOING_AWAY);
	link_free_buried(l);
	inbox_fini(&l->inbox);
	pthread_mutex_destroy(&l->turn);
	idmap_fini(&l->tickets);
	loglimit_fini(&l->refusals);
	hub_free(l->hub);
	access_release(l->access);
	free(l->buffer);
	free(l->volleys);
	poller_close(&l->poller);
}
