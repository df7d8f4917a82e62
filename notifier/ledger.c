#include "notifier/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/ackqueue.h"
#include "notifier/event_row.h"
#include "notifier/handshake.h"
#include "notifier/pgarray.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/pgconn.h"

enum {
	CONNECT_MS = 5000,
	QUERY_MS = 5000,
	IDLE_MS = 1000,
	RETRY_MS = 250,      /* at least between two tries */
	BATCH_MAX = 200,     /* openings or records of one query */
	RECORDS_MAX = 65536, /* questions waiting when a further one for a record is refused */
	LIVENESS_MS = 5000,  /* the session is tried that often when nothing else is asked of it */
	LAST_ACKS_MS = 3000, /* to write them when the program ends */
	ID_TEXT = 21,
};

/* Who holds a lock holds up those alone who need it, and not for long: see ackqueue.h. */
static const char session_sql[] = "set statement_timeout = 4000; set lock_timeout = 100";

#define STREAM_COLUMNS                                                                             \
	"s.merchant_id, s.epoch || '-' || (select orderbell.timeline()), s.seq, s.kept_from"

static const struct pgconn_statement statements[] = {
    {"opening", "select " STREAM_COLUMNS ", array_to_string(array("
		"  select o.seq from orderbell.order_event o where o.merchant_id = s.merchant_id"
		"  and o.acked_at is null and o.seq is not null order by o.seq limit 1001), ' ')"
		" from orderbell.stream s where s.merchant_id = any($1::bigint[])"},
    {"unacked",
	"select " STREAM_COLUMNS ", " EVENT_ROW_COLUMNS " from orderbell.stream s"
	" left join lateral (select " EVENT_ROW_SOURCE " from orderbell.order_event o"
	"  where o.merchant_id = s.merchant_id and o.seq > $2::bigint and o.acked_at is null"
	"  order by o.seq limit 256) e on true"
	" where s.merchant_id = $1::bigint"},
    {"events", "select " STREAM_COLUMNS ", " EVENT_ROW_COLUMNS " from orderbell.stream s"
	       " left join lateral (select " EVENT_ROW_SOURCE " from orderbell.order_event o"
	       "  where o.merchant_id = s.merchant_id and o.seq > $2::bigint"
	       "  order by o.seq limit 256) e on true"
	       " where s.merchant_id = $1::bigint"},
    {"records",
	"select t.id, t.merchant_id, t.name, encode(t.token_hash, 'hex')"
	" from orderbell.terminal t where t.id = any($1::bigint[]) and t.revoked_at is null"},
    {"acks", "select count(*) from unnest($1::bigint[], $2::text[], $3::text[])"
	     " as a(merchant_id, seqs, by)"
	     " cross join lateral orderbell.ack(a.merchant_id, a.seqs::bigint[], a.by)"},
    {"alive", "select 1"}, {NULL, NULL}};

enum { COLUMN_MERCHANT, COLUMN_EPOCH, COLUMN_TOP, COLUMN_KEPT_FROM, COLUMN_REST };
enum { RECORD_ID, RECORD_MERCHANT, RECORD_NAME, RECORD_HASH };

/* What is asked: a page, or a terminal's record. */
enum sort { SORT_OPENING, SORT_UNACKED, SORT_EVENTS, SORT_RECORD };

static const enum sort sort_of_page[PAGE_KINDS] = {
    [PAGE_OPENING] = SORT_OPENING,
    [PAGE_UNACKED] = SORT_UNACKED,
    [PAGE_EVENTS] = SORT_EVENTS,
};

struct question {
	struct question *next;
	enum sort sort;
	enum page_kind kind;
	int64_t merchant, after;
	struct ticket ticket; /* of a record; of a page only the loop */
	int64_t terminal;
};

struct ledger {
	const struct ledger_options *options;
	const struct ledger_sink *sink;
	struct pgconn *db;
	struct pulse_place *pulse;
	pthread_t thread;
	bool is_running;
	atomic_bool is_stopping;

	pthread_mutex_t lock;
	pthread_cond_t has_work;
	struct question *questions, **last_question;
	size_t n_questions;
	struct ackqueue acks;
};

/* --- what other threads call --- */

/* At the end of the list; the lock is held. */
static void
append(struct ledger *l, struct question *q)
{
	q->next = NULL;
	*l->last_question = q;
	l->last_question = &q->next;
	l->n_questions++;
}

static struct question *
new_question(const struct question *question)
{
	struct question *q = malloc(sizeof *q);

	if (q == NULL)
		abort(); /* a question that is forgotten leaves terminals waiting for ever */
	*q = *question;
	return q;
}

/* False: there are `most` already. */
static bool
add_question(struct ledger *l, const struct question *question, size_t most)
{
	bool has_room;

	pthread_mutex_lock(&l->lock);
	has_room = l->n_questions < most;
	if (has_room)
		append(l, new_question(question));
	pthread_cond_signal(&l->has_work);
	pthread_mutex_unlock(&l->lock);
	return has_room;
}

void
ledger_ask(struct ledger *l, int loop, enum page_kind kind, int64_t merchant, int64_t after)
{
	const struct question question = {.sort = sort_of_page[kind],
	    .kind = kind,
	    .merchant = merchant,
	    .after = after,
	    .ticket.loop = loop};

	/* A loop asks one of a kind at a time for each of its merchants: that is their bound. */
	add_question(l, &question, SIZE_MAX);
}

bool
ledger_prove(struct ledger *l, struct ticket ticket, int64_t terminal)
{
	const struct question question = {
	    .sort = SORT_RECORD, .ticket = ticket, .terminal = terminal};

	return add_question(l, &question, RECORDS_MAX);
}

bool
ledger_ack(struct ledger *l, struct ticket ticket, int64_t merchant, const int64_t *seqs, size_t n,
    const char *by)
{
	struct ack *a = ack_new(ticket, merchant, seqs, n, by);
	bool is_taken;

	if (a == NULL)
		return false;
	pthread_mutex_lock(&l->lock);
	is_taken = ackqueue_add(&l->acks, a);
	pthread_cond_signal(&l->has_work);
	pthread_mutex_unlock(&l->lock);
	if (!is_taken)
		free(a);
	return is_taken;
}

/* --- queries --- */

/* Gives the rows, or NULL: then either the connection is gone, or the statement was refused. */
static PGresult *
ask(struct ledger *l, const char *statement, int n, const char *const *params)
{
	PGresult *res;

	if (!pgconn_ready(l->db, CONNECT_MS)) {
		log_warn("ledger has no database, will repeat: reason=\"%s\"", pgconn_error(l->db));
		return NULL;
	}
	res = pgconn_exec(l->db, statement, n, params, QUERY_MS);
	if (res != NULL && PQresultStatus(res) != PGRES_TUPLES_OK) {
		log_warn("query failed: statement=%s sqlstate=%s reason=\"%s\"", statement,
		    PQresultErrorField(res, PG_DIAG_SQLSTATE),
		    PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
		PQclear(res);
		return NULL;
	}
	return res;
}

static void
take_stream(struct page *p, const PGresult *res, int row)
{
	snprintf(p->epoch, sizeof p->epoch, "%s", PQgetvalue(res, row, COLUMN_EPOCH));
	p->top = row_int(res, row, COLUMN_TOP);
	p->kept_from = row_int(res, row, COLUMN_KEPT_FROM);
}

static struct page *
new_page(const struct question *q)
{
	struct page *p = page_new(q->kind, q->merchant, q->after);

	if (p == NULL)
		abort();
	/* What holds of a merchant without a stream. */
	snprintf(p->epoch, sizeof p->epoch, "none");
	p->kept_from = 1;
	p->is_last = true;
	return p;
}

static void
take_open(struct page *p, const char *seqs)
{
	while (*seqs != '\0' && p->n_open <= STAND_OPEN_MAX) {
		char *end;

		p->open[p->n_open++] = strtoll(seqs, &end, 10);
		seqs = end + strspn(end, " ");
	}
}

/* The ids that the questions name, as an array in `text`. */
static const char *
ids_of(struct question *const *asked, size_t n, char *text, size_t size)
{
	struct pgarray ids;

	pgarray_start(&ids, text, size);
	for (size_t i = 0; i < n; i++)
		pgarray_add(
		    &ids, asked[i]->sort == SORT_RECORD ? asked[i]->terminal : asked[i]->merchant);
	return pgarray_end(&ids);
}

/* Answers all those of the list that ask for an opening, in one query.  False: no database. */
static bool
answer_openings(struct ledger *l, struct question *const *asked, size_t n)
{
	char text[PGARRAY_ROOM(BATCH_MAX)];
	const char *params[] = {ids_of(asked, n, text, sizeof text)};
	PGresult *res = ask(l, "opening", 1, params);

	if (res == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct page *p = new_page(asked[i]);

		for (int row = 0; row < PQntuples(res); row++) {
			if (row_int(res, row, COLUMN_MERCHANT) != asked[i]->merchant)
				continue;
			take_stream(p, res, row);
			take_open(p, PQgetvalue(res, row, COLUMN_REST));
		}
		l->sink->page(l->sink->arg, asked[i]->ticket.loop, p);
	}
	PQclear(res);
	return true;
}

/* The same for those that ask for a terminal's record. */
static bool
answer_records(struct ledger *l, struct question *const *asked, size_t n)
{
	char text[PGARRAY_ROOM(BATCH_MAX)];
	const char *params[] = {ids_of(asked, n, text, sizeof text)};
	PGresult *res = ask(l, "records", 1, params);

	if (res == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct terminal_record record = {.name = "", .hash_hex = ""};

		for (int row = 0; row < PQntuples(res); row++) {
			if (row_int(res, row, RECORD_ID) != asked[i]->terminal)
				continue;
			record.merchant = row_int(res, row, RECORD_MERCHANT);
			record.name = PQgetvalue(res, row, RECORD_NAME);
			record.hash_hex = PQgetvalue(res, row, RECORD_HASH);
		}
		l->sink->record(l->sink->arg, asked[i]->ticket, &record);
	}
	PQclear(res);
	return true;
}

static bool
answer_page(struct ledger *l, const struct question *q)
{
	char merchant[ID_TEXT + 1], after[ID_TEXT + 1];
	const char *params[] = {merchant, after};
	struct event_owner owner = {
	    .merchant = q->merchant, .plain_escape_html = l->options->plain_escape_html};
	struct page *p;
	PGresult *res;

	snprintf(merchant, sizeof merchant, "%" PRId64, q->merchant);
	snprintf(after, sizeof after, "%" PRId64, q->after);
	res = ask(l, q->sort == SORT_UNACKED ? "unacked" : "events", 2, params);
	if (res == NULL)
		return false;
	p = new_page(q);
	owner.epoch = p->epoch;
	for (int row = 0; row < PQntuples(res) && p->n_items < PAGE_ITEMS; row++) {
		take_stream(p, res, row);
		if (PQgetisnull(res, row, COLUMN_REST))
			continue; /* the stream alone: nothing behind `after` */
		p->items[p->n_items] = event_row_item(res, row, COLUMN_REST, &owner);
		if (p->items[p->n_items++] == NULL)
			abort();
	}
	p->is_last = p->n_items < PAGE_ITEMS;
	PQclear(res);
	l->sink->page(l->sink->arg, q->ticket.loop, p);
	return true;
}

/* --- the thread --- */

static bool
can_share_query(const struct question *a, const struct question *b)
{
	return a->sort == b->sort && (a->sort == SORT_OPENING || a->sort == SORT_RECORD);
}

/* Takes the first questions off the list: one page, or all at its front that one query answers. */
static size_t
take_questions(struct ledger *l, struct question *taken[BATCH_MAX])
{
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	while (l->questions != NULL && n < BATCH_MAX &&
	       (n == 0 || can_share_query(taken[0], l->questions))) {
		taken[n++] = l->questions;
		l->questions = l->questions->next;
		l->n_questions--;
	}
	if (l->questions == NULL)
		l->last_question = &l->questions;
	pthread_mutex_unlock(&l->lock);
	return n;
}

/* Puts back what could not be answered: behind the others, for it may be at fault itself. */
static void
return_questions(struct ledger *l, struct question *const *taken, size_t n)
{
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < n; i++)
		append(l, taken[i]);
	pthread_mutex_unlock(&l->lock);
}

/* False: no database. */
static bool
answer(struct ledger *l, struct question *const *asked, size_t n)
{
	switch (asked[0]->sort) {
	case SORT_OPENING: return answer_openings(l, asked, n);
	case SORT_RECORD: return answer_records(l, asked, n);
	case SORT_UNACKED:
	case SORT_EVENTS: return answer_page(l, asked[0]);
	}
	return true;
}

/* False: no database. */
static bool
answer_some(struct ledger *l)
{
	struct question *taken[BATCH_MAX];
	size_t n = take_questions(l, taken);

	if (n == 0)
		return true;
	if (!answer(l, taken, n)) {
		return_questions(l, taken, n);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		free(taken[i]);
	return true;
}

/* A PostgreSQL array of a field of all acks, in `room` bytes; NULL: out of memory. */
static char *
array_of(const struct ack *all, size_t room, void (*add)(struct pgarray *to, const struct ack *a))
{
	char *text = malloc(room);
	struct pgarray array;

	if (text == NULL)
		return NULL;
	pgarray_start(&array, text, room);
	for (const struct ack *a = all; a != NULL; a = a->next)
		add(&array, a);
	pgarray_end(&array);
	return text;
}

static void
add_merchant(struct pgarray *to, const struct ack *a)
{
	pgarray_add(to, a->merchant);
}

static void
add_seqs(struct pgarray *to, const struct ack *a)
{
	pgarray_add_text(to, a->seqs);
}

static void
add_by(struct pgarray *to, const struct ack *a)
{
	pgarray_add_text(to, a->by);
}

/* Runs the statement for a list of acks.  NULL: it was refused, or there is no database. */
static PGresult *
ask_acks(struct ledger *l, const struct ack *list)
{
	char *merchants, *seqs, *by;
	size_t n = 0, seqs_room = PGARRAY_TEXT_ROOM(0, 0);
	PGresult *res = NULL;

	for (const struct ack *a = list; a != NULL; a = a->next, n++)
		seqs_room += PGARRAY_TEXT_ROOM(1, strlen(a->seqs));
	merchants = array_of(list, PGARRAY_ROOM(n), add_merchant);
	seqs = array_of(list, seqs_room, add_seqs);
	by = array_of(list, PGARRAY_TEXT_ROOM(n, SID_MAX), add_by);
	if (merchants != NULL && seqs != NULL && by != NULL) {
		const char *params[] = {merchants, seqs, by};

		res = ask(l, "acks", 3, params);
	}
	free(merchants);
	free(seqs);
	free(by);
	return res;
}

static void
give_back(struct ledger *l, struct ack *list, bool is_kept)
{
	pthread_mutex_lock(&l->lock);
	if (is_kept)
		ackqueue_kept(&l->acks, list);
	else if (pgconn_raw(l->db) != NULL)
		ackqueue_refused(&l->acks, list, clock_ms());
	else
		ackqueue_return(&l->acks, list);
	pthread_mutex_unlock(&l->lock);
}

/* Writes acks that wait, in one statement: one flush of the disk for all.  Acks are idempotent, so
 * those whose commit is in doubt are written again.  False: there is no database. */
static bool
write_acks(struct ledger *l)
{
	struct ack *list;
	PGresult *res;

	pthread_mutex_lock(&l->lock);
	list = ackqueue_take(&l->acks, clock_ms());
	pthread_mutex_unlock(&l->lock);
	if (list == NULL)
		return true;
	res = ask_acks(l, list);
	for (const struct ack *a = list; res != NULL && a != NULL; a = a->next) {
		if (a->ticket.number != 0)
			l->sink->kept(l->sink->arg, a->ticket);
	}
	give_back(l, list, res != NULL);
	PQclear(res);
	return pgconn_raw(l->db) != NULL;
}

/* What is left when the program ends, for a while. */
static void
write_last_acks(struct ledger *l)
{
	int64_t until = clock_ms() + LAST_ACKS_MS;

	while (!ackqueue_is_empty(&l->acks) && clock_ms() < until) {
		if (!write_acks(l) || !ackqueue_is_due(&l->acks))
			poll(NULL, 0, pgconn_retry_ms(l->db) + 20);
	}
}

/* So that who comes back need not wait until there is a connection, nor finds out that it is dead
 * without a word. */
static void
try_connection(struct ledger *l)
{
	if (pgconn_raw(l->db) == NULL)
		(void)pgconn_ready(l->db, CONNECT_MS);
	else if (clock_ms() >= pgconn_heard_ms(l->db) + LIVENESS_MS)
		PQclear(ask(l, "alive", 0, NULL));
}

static bool
has_work(const struct ledger *l)
{
	return l->questions != NULL || ackqueue_is_due(&l->acks);
}

/* Waits for work, or for `wait_ms` to pass. */
static void
wait_for_work(struct ledger *l, int wait_ms, bool even_with_work)
{
	struct timespec until = clock_after(wait_ms);

	pthread_mutex_lock(&l->lock);
	while (!atomic_load(&l->is_stopping) && (even_with_work || !has_work(l))) {
		if (pthread_cond_timedwait(&l->has_work, &l->lock, &until) == ETIMEDOUT)
			break;
	}
	pthread_mutex_unlock(&l->lock);
}

static void *
run(void *arg)
{
	struct ledger *l = arg;

	pthread_setname_np(pthread_self(), "ledger");
	while (!atomic_load(&l->is_stopping)) {
		bool is_written, is_answered;

		pulse_beat(l->pulse);
		try_connection(l);
		wait_for_work(l, IDLE_MS, false);
		is_written = write_acks(l);
		is_answered = answer_some(l); /* whatever keeps the acks from being written */
		if (is_written && is_answered)
			continue;
		wait_for_work(l, pgconn_retry_ms(l->db) + RETRY_MS, true);
	}
	write_last_acks(l);
	return NULL;
}

bool
ledger_start(struct ledger *l)
{
	l->is_running = pthread_create(&l->thread, NULL, run, l) == 0;
	return l->is_running;
}

void
ledger_stop(struct ledger *l)
{
	if (!l->is_running)
		return;
	l->is_running = false;
	pthread_mutex_lock(&l->lock);
	atomic_store(&l->is_stopping, true);
	pthread_cond_signal(&l->has_work);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
}

struct ledger *
ledger_new(const struct ledger_options *options, const struct ledger_sink *sink)
{
	struct ledger *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->options = options;
	l->sink = sink;
	l->pulse = pulse_join(options->pulse, "ledger");
	l->last_question = &l->questions;
	ackqueue_init(&l->acks);
	pthread_mutex_init(&l->lock, NULL);
	clock_cond_init(&l->has_work);
	l->db = pgconn_new(options->conninfo, "orderbell-ledger", session_sql, statements);
	if (l->db != NULL)
		return l;
	ledger_free(l);
	return NULL;
}

void
ledger_free(struct ledger *l)
{
	struct question *q, *next_q;

	if (l == NULL)
		return;
	for (q = l->questions; q != NULL; q = next_q) {
		next_q = q->next;
		free(q);
	}
	ackqueue_fini(&l->acks);
	pgconn_free(l->db);
	pthread_cond_destroy(&l->has_work);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
