#include "notifier/carrier.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/conn.h"
#include "notifier/loop.h"

struct carrier {
	struct loop_shared shared;
	atomic_uint next_loop;
	int n_running;
	struct loop loops[];
};

/* --- what other threads post --- */

/* A note that must not be forgotten: without it orders would be lost in silence. */
static void
must_post(struct loop *l, const struct note *note)
{
	if (!inbox_post(&l->inbox, note))
		abort();
}

static const uint64_t all_loops = UINT64_MAX;

/* Takes the next loop out of a set; -1: none is left. */
static int
next_loop(const struct carrier *c, uint64_t *loops)
{
	int i = *loops == 0 ? -1 : __builtin_ctzll(*loops);

	*loops &= *loops - 1;
	return i < c->shared.options->n_loops ? i : -1;
}

static void
post_stand(struct carrier *c, enum note_kind kind, uint64_t loops, int64_t merchant,
    const struct stand *stand)
{
	for (int i = next_loop(c, &loops); i >= 0; i = next_loop(c, &loops)) {
		struct stand_note *copy = stand_note_new(merchant, stand);

		if (copy == NULL)
			abort();
		must_post(&c->loops[i], &(struct note){.kind = kind, .stand = copy});
	}
}

void
carrier_post_stream(struct carrier *c, uint64_t loops, int64_t merchant, const struct stand *stand)
{
	post_stand(c, NOTE_STREAM, loops, merchant, stand);
}

void
carrier_post_open(struct carrier *c, uint64_t loops, int64_t merchant, const struct stand *stand)
{
	post_stand(c, NOTE_OPEN, loops, merchant, stand);
}

void
carrier_post_doubt(struct carrier *c)
{
	for (int i = 0; i < c->shared.options->n_loops; i++)
		must_post(&c->loops[i], &(struct note){.kind = NOTE_DOUBT});
}

static void
post_item(struct carrier *c, enum note_kind kind, uint64_t loops, struct item *it)
{
	for (int i = next_loop(c, &loops); i >= 0; i = next_loop(c, &loops))
		must_post(&c->loops[i], &(struct note){.kind = kind, .item = item_hold(it)});
}

void
carrier_post_item(struct carrier *c, uint64_t loops, struct item *it)
{
	post_item(c, NOTE_ITEM, loops, it);
}

void
carrier_post_item_to_all(struct carrier *c, struct item *it)
{
	post_item(c, NOTE_ITEM_TO_ALL, all_loops, it);
}

void
carrier_post_page(struct carrier *c, int loop, struct page *p)
{
	must_post(&c->loops[loop], &(struct note){.kind = NOTE_PAGE, .page = p});
	inbox_wake(&c->loops[loop].inbox);
}

static void
wake_all(struct carrier *c)
{
	for (int i = 0; i < c->shared.options->n_loops; i++)
		inbox_wake(&c->loops[i].inbox);
}

void
carrier_flush(struct carrier *c)
{
	for (int i = 0; i < c->shared.options->n_loops; i++) {
		if (!loop_help(&c->loops[i]))
			inbox_wake(&c->loops[i].inbox);
	}
}

void
carrier_drain(struct carrier *c, int drain_ms)
{
	for (int i = 0; i < c->shared.options->n_loops; i++)
		must_post(&c->loops[i], &(struct note){.kind = NOTE_DRAIN, .drain_ms = drain_ms});
	wake_all(c);
}

void
carrier_reconfigure(struct carrier *c, const struct carrier_options *options, struct access *access)
{
	for (int i = 0; i < c->shared.options->n_loops; i++) {
		struct configure_note *note = malloc(sizeof *note);

		if (note == NULL)
			abort(); /* a key that was taken back would go on opening doors */
		*note = (struct configure_note){*options, access_hold(access)};
		must_post(&c->loops[i], &(struct note){.kind = NOTE_CONFIGURE, .configure = note});
	}
	wake_all(c);
}

void
carrier_post_kept(struct carrier *c, struct ticket ticket)
{
	must_post(
	    &c->loops[ticket.loop], &(struct note){.kind = NOTE_KEPT, .ticket = ticket.number});
	inbox_wake(&c->loops[ticket.loop].inbox);
}

void
carrier_post_record(struct carrier *c, struct ticket ticket, const struct terminal_record *record)
{
	struct record_note *copy = malloc(sizeof *copy);

	if (copy == NULL)
		abort();
	copy->ticket = ticket.number;
	copy->merchant = record->merchant;
	snprintf(copy->name, sizeof copy->name, "%s", record->name);
	snprintf(copy->hash_hex, sizeof copy->hash_hex, "%s", record->hash_hex);
	must_post(&c->loops[ticket.loop], &(struct note){.kind = NOTE_RECORD, .record = copy});
	inbox_wake(&c->loops[ticket.loop].inbox);
}

void
carrier_post_terminals(
    struct carrier *c, uint64_t loops, int64_t merchant, const int64_t *ids, size_t n)
{
	for (int i = next_loop(c, &loops); i >= 0; i = next_loop(c, &loops)) {
		struct terminals_note *copy = malloc(sizeof *copy + n * sizeof *ids);

		if (copy == NULL)
			abort(); /* somebody would go on listening who must not */
		copy->merchant = merchant;
		copy->n = n;
		memcpy(copy->ids, ids, n * sizeof *ids);
		must_post(&c->loops[i], &(struct note){.kind = NOTE_TERMINALS, .terminals = copy});
	}
}

void
carrier_retell(struct carrier *c)
{
	for (int i = 0; i < c->shared.options->n_loops; i++)
		must_post(&c->loops[i], &(struct note){.kind = NOTE_RETELL});
	wake_all(c);
}

/* What a newcomer brought, as a connection of the carrier's.  NULL: out of memory. */
static struct conn *
conn_of(const struct newcomer *newcomer)
{
	struct conn *conn =
	    conn_new(newcomer->fd, newcomer->name, newcomer->kind, &newcomer->grant);
	bool ok = conn != NULL;

	if (!ok)
		return NULL;
	conn->address_key = newcomer->address_key;
	conn->session.wants_open = newcomer->wants_open;
	conn->session.audio = (uint8_t)newcomer->audio;
	if (newcomer->kind == SESSION_ACK)
		ok = conn_expect_body(conn, newcomer->body_len);
	if (newcomer->claim.terminal != 0)
		ok = ok && session_set_claim(&conn->session, &newcomer->claim);
	if (newcomer->after != NULL)
		ok = ok && session_set_after(&conn->session, newcomer->after);
	if (ok && outbox_put(&conn->outbox, newcomer->answer, newcomer->answer_len))
		return conn;
	conn->fd = -1;
	conn_free(conn);
	return NULL;
}

bool
carrier_adopt(struct carrier *c, const struct newcomer *newcomer)
{
	unsigned turn = atomic_fetch_add(&c->next_loop, 1);
	struct loop *l = &c->loops[turn % (unsigned)c->shared.options->n_loops];
	struct conn *conn = conn_of(newcomer);

	if (conn == NULL)
		return false;
	if (inbox_post(&l->inbox, &(struct note){.kind = NOTE_ADOPT, .conn = conn})) {
		inbox_wake(&l->inbox);
		return true;
	}
	conn->fd = -1;
	conn_free(conn);
	return false;
}

/* --- start and stop --- */

struct carrier *
carrier_new(const struct carrier_options *options, struct access *access,
    const struct carrier_needs *needs, struct census *census, struct metrics *metrics)
{
	size_t n = (size_t)options->n_loops;
	struct carrier *c = calloc(1, sizeof *c + n * sizeof c->loops[0]);
	bool ok = true;

	if (c == NULL)
		return NULL;
	c->shared = (struct loop_shared){options, access, needs, census, metrics};
	for (size_t i = 0; i < n; i++)
		ok = loop_init(&c->loops[i], (int)i, &c->shared) && ok;
	if (ok)
		return c;
	carrier_free(c);
	return NULL;
}

void
carrier_free(struct carrier *c)
{
	if (c == NULL)
		return;
	for (int i = 0; i < c->shared.options->n_loops; i++)
		loop_fini(&c->loops[i]);
	free(c);
}

bool
carrier_start(struct carrier *c)
{
	for (; c->n_running < c->shared.options->n_loops; c->n_running++) {
		struct loop *l = &c->loops[c->n_running];

		if (pthread_create(&l->thread, NULL, loop_run, l) != 0)
			return false;
	}
	return true;
}

void
carrier_stop(struct carrier *c)
{
	for (int i = 0; i < c->n_running; i++) {
		must_post(&c->loops[i], &(struct note){.kind = NOTE_STOP});
		poller_wake(&c->loops[i].poller);
	}
	for (int i = 0; i < c->n_running; i++)
		pthread_join(c->loops[i].thread, NULL);
	c->n_running = 0;
}
