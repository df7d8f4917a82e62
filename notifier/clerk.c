#include "notifier/clerk.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "notifier/event_row.h"
#include "notifier/pgarray.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/pgconn.h"

enum {
	CONNECT_MS = 5000,
	QUERY_MS = 5000,
	FLUSH_MS = 1000, /* what came in is written that often */
	BEAT_MS = 10000, /* the lease, of 30 s, is renewed that often */
	ESCALATE_MS = 5000,
	ESCALATE_MAX = 500,     /* alerts of one call */
	CHANGES_MIN = 65536,    /* of presence, waiting: there is room for as many at least */
	DELIVERIES_MAX = 65536, /* facts waiting */
	ROWS_MAX = 1000,        /* of one statement */
	CONSTANT_MAX = 8,       /* bytes of a kind, or of what audio is */
	LAST_MS = 3000,         /* to connect once more when the program ends */
	ID_BYTES = 16,
	NUMBER_TEXT = 24,
};

/* Less than QUERY_MS: a statement that takes too long does not cost the connection. */
static const char session_sql[] = "set statement_timeout = 4000";

/* An array of Unix ms as PostgreSQL's times. */
#define TIMES(parameter)                                                                           \
	"array(select to_timestamp(t.ms / 1000.0) from unnest(" parameter                          \
	"::bigint[]) with ordinality as t(ms, i) order by t.i)"

static const struct pgconn_statement statements[] = {
    {"beat", "select orderbell.notifier_beat($1, $2, $3, $4,"
	     " to_timestamp($5::bigint / 1000.0))"},
    {"bye", "select orderbell.notifier_gone($1)"},
    {"forget", "select orderbell.forget_presence($1)"},
    {"presence", "select orderbell.tell_presence($1, $2::bigint[], $3::bigint[], $4::text[],"
		 " $5::text[], $6::text[], " TIMES("$7") ", $8::bigint[])"},
    {"delivered", "select orderbell.tell_delivered($1::bigint[], " TIMES("$2") ", $3::text[])"},
    {"escalate", "select orderbell.escalate($1::bigint * interval '1 second', $2::int)"},
    {"oldest",
	"select coalesce(extract(epoch from clock_timestamp() - min(e.created_at))::bigint, 0)"
	" from orderbell.order_event e where e.acked_at is null and e.seq is not null"},
    {NULL, NULL}};

/* What came of a statement. */
enum answer {
	ANSWER_OK,
	ANSWER_REFUSED, /* an error of SQL: repeating it would not help */
	ANSWER_LOST,    /* no database; whether it took effect is unknown */
};

struct clerk {
	const struct clerk_options *options;
	const struct clerk_sink *sink;
	struct metrics *metrics;
	struct pgconn *db;
	pthread_t thread;
	bool is_running;
	char id[2 * ID_BYTES + 1]; /* of this run of the program */

	/* The thread's. */
	struct clerk_batch batch; /* being written */
	size_t n_written;         /* facts of it */
	unsigned session;         /* pgconn_count() at the last beat */
	int64_t next_beat_ms, next_escalate_ms, next_retell_ms;
	bool is_up, is_up_known;

	atomic_bool is_poll_only, must_beat;
	atomic_int_fast64_t escalate_s;

	pthread_mutex_t lock;
	pthread_cond_t has_work;
	bool is_stopping, is_pressed; /* pressed: it should write before its time */
	struct clerk_queue queue;
};

/* --- what other threads call --- */

/* These are called with the lock held. */
static void
count(struct clerk *k, enum metric lost, size_t n_lost)
{
	metrics_set(k->metrics, METRIC_PRESENCE_PENDING, (int64_t)k->queue.batch.n_changes);
	if (n_lost > 0)
		metrics_add(k->metrics, lost, (int64_t)n_lost);
}

/* Where much has come the clerk does not wait for its time: so that what waits stays little,
 * however many terminals come at once. */
static void
press_if(struct clerk *k, bool is_much)
{
	if (!is_much || k->is_pressed)
		return;
	k->is_pressed = true;
	pthread_cond_signal(&k->has_work);
}

void
clerk_present(struct clerk *k, const struct clerk_presence *p)
{
	pthread_mutex_lock(&k->lock);
	count(k, METRIC_PRESENCE_DROPPED, clerk_queue_present(&k->queue, p));
	press_if(k, k->queue.batch.n_changes >= ROWS_MAX);
	pthread_mutex_unlock(&k->lock);
}

void
clerk_gone(struct clerk *k, int64_t connection)
{
	pthread_mutex_lock(&k->lock);
	count(k, METRIC_PRESENCE_DROPPED, clerk_queue_gone(&k->queue, connection));
	press_if(k, k->queue.batch.n_changes >= ROWS_MAX);
	pthread_mutex_unlock(&k->lock);
}

void
clerk_delivered(struct clerk *k, const struct clerk_delivery *told, size_t n)
{
	pthread_mutex_lock(&k->lock);
	count(k, METRIC_DELIVERY_FACTS_DROPPED, clerk_queue_delivered(&k->queue, told, n));
	press_if(k, k->queue.batch.n_deliveries >= DELIVERIES_MAX / 2);
	pthread_mutex_unlock(&k->lock);
}

void
clerk_set_mode(struct clerk *k, bool is_poll_only)
{
	if (atomic_exchange(&k->is_poll_only, is_poll_only) != is_poll_only)
		atomic_store(&k->must_beat, true);
}

void
clerk_set_escalate(struct clerk *k, int64_t escalate_s)
{
	atomic_store(&k->escalate_s, escalate_s);
}

/* --- statements --- */

static void
turn_deaf(struct clerk *k)
{
	pthread_mutex_lock(&k->lock);
	clerk_queue_turn_deaf(&k->queue);
	count(k, METRIC_PRESENCE_DROPPED, 0);
	pthread_mutex_unlock(&k->lock);
	clerk_batch_clear_changes(&k->batch);
}

static void
set_up(struct clerk *k, bool is_up)
{
	if (k->is_up_known && is_up == k->is_up)
		return;
	k->is_up_known = true;
	k->is_up = is_up;
	metrics_set(k->metrics, METRIC_CLERK_UP, is_up);
	if (is_up)
		log_info("the clerk keeps books: notifier=%s", k->id);
	else
		log_warn(
		    "the clerk has no database, will repeat: reason=\"%s\"", pgconn_error(k->db));
}

/* Runs a statement.  *res, where somebody wants it, is the caller's when the answer is OK. */
static enum answer
ask(struct clerk *k, const char *statement, int n, const char *const *params, PGresult **res)
{
	PGresult *got = pgconn_exec(k->db, statement, n, params, QUERY_MS);
	enum answer answer = ANSWER_OK;

	if (got == NULL)
		return ANSWER_LOST;
	if (PQresultStatus(got) != PGRES_TUPLES_OK) {
		log_warn("the clerk was refused: statement=%s sqlstate=%s reason=\"%s\"", statement,
		    PQresultErrorField(got, PG_DIAG_SQLSTATE),
		    PQresultErrorField(got, PG_DIAG_MESSAGE_PRIMARY));
		answer = ANSWER_REFUSED;
	}
	if (answer == ANSWER_OK && res != NULL)
		*res = got;
	else
		PQclear(got);
	return answer;
}

/* --- the lease, and presence told anew --- */

/* False: no database. */
static bool
beat(struct clerk *k)
{
	char now_ms[24];
	const char *params[] = {k->id, k->options->name, PACKAGE_VERSION, "listen", now_ms};
	PGresult *res;

	snprintf(now_ms, sizeof(now_ms), "%" PRId64, clock_unix_ms());
	atomic_store(&k->must_beat, false);
	if (atomic_load(&k->is_poll_only))
		params[3] = "poll";
	k->session = pgconn_count(k->db);
	k->next_beat_ms = clock_ms() + BEAT_MS;
	switch (ask(k, "beat", 5, params, &res)) {
	case ANSWER_LOST: return false;
	case ANSWER_REFUSED: return true;
	case ANSWER_OK: break;
	}
	/* The books had us not: whatever was written of our connections is gone too. */
	if (strcmp(PQgetvalue(res, 0, 0), "t") == 0)
		turn_deaf(k);
	PQclear(res);
	return true;
}

static bool
is_deaf(struct clerk *k)
{
	bool is_deaf;

	pthread_mutex_lock(&k->lock);
	is_deaf = k->queue.is_deaf;
	pthread_mutex_unlock(&k->lock);
	return is_deaf;
}

/* Wipes presence out and has all of it told again.  False: no database. */
static bool
begin_anew(struct clerk *k)
{
	const char *params[] = {k->id};

	k->next_retell_ms = clock_ms() + FLUSH_MS;
	switch (ask(k, "forget", 1, params, NULL)) {
	case ANSWER_LOST: return false;
	case ANSWER_REFUSED: k->next_retell_ms = clock_ms() + BEAT_MS; return true;
	case ANSWER_OK: break;
	}
	pthread_mutex_lock(&k->lock);
	clerk_queue_listen(&k->queue);
	pthread_mutex_unlock(&k->lock);
	if (k->sink->retell != NULL)
		k->sink->retell(k->sink->arg);
	return true;
}

/* --- writing --- */

/* The arrays of a statement about presence: those who are there, and who is gone. */
struct sheet {
	struct pgarray connections, merchants, terminals, kinds, audios, sinces, gones;
	char connections_text[PGARRAY_ROOM(ROWS_MAX)], merchants_text[PGARRAY_ROOM(ROWS_MAX)];
	char terminals_text[PGARRAY_TEXT_ROOM(ROWS_MAX, SID_MAX)];
	char kinds_text[PGARRAY_TEXT_ROOM(ROWS_MAX, CONSTANT_MAX)];
	char audios_text[PGARRAY_TEXT_ROOM(ROWS_MAX, CONSTANT_MAX)];
	char sinces_text[PGARRAY_ROOM(ROWS_MAX)], gones_text[PGARRAY_ROOM(ROWS_MAX)];
};

#define START(sheet, array)                                                                        \
	pgarray_start(&(sheet)->array, (sheet)->array##_text, sizeof(sheet)->array##_text)

static void
fill_sheet(struct sheet *s, const struct clerk_change *changes, size_t n)
{
	START(s, connections);
	START(s, merchants);
	START(s, terminals);
	START(s, kinds);
	START(s, audios);
	START(s, sinces);
	START(s, gones);
	for (size_t i = 0; i < n; i++) {
		const struct clerk_change *c = &changes[i];

		if (c->kind == NULL) {
			pgarray_add(&s->gones, c->connection);
			continue;
		}
		pgarray_add(&s->connections, c->connection);
		pgarray_add(&s->merchants, c->merchant);
		pgarray_add_text(&s->terminals, c->terminal);
		pgarray_add_text(&s->kinds, c->kind);
		pgarray_add_text(&s->audios, c->audio);
		pgarray_add(&s->sinces, c->since_ms);
	}
}

static enum answer
write_sheet(struct clerk *k, struct sheet *s)
{
	const char *params[] = {k->id, pgarray_end(&s->connections), pgarray_end(&s->merchants),
	    pgarray_end(&s->terminals), pgarray_end(&s->kinds), pgarray_end(&s->audios),
	    pgarray_end(&s->sinces), pgarray_end(&s->gones)};
	PGresult *res;
	enum answer answer = ask(k, "presence", 8, params, &res);

	if (answer == ANSWER_OK) {
		metrics_add(k->metrics, METRIC_PRESENCE_GAVE_WAY, row_int(res, 0, 0));
		PQclear(res);
	}
	return answer;
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Writes the changes of the batch.  Where one statement fails the books are not to be trusted any
 * more: begin_anew().  False: no database. */
static bool
write_presence(struct clerk *k)
{
	struct sheet *s = k->batch.n_changes == 0 ? NULL : malloc(sizeof *s);
	enum answer answer = ANSWER_OK;

	if (k->batch.n_changes == 0)
		return true;
	for (size_t at = 0; s != NULL && at < k->batch.n_changes && answer == ANSWER_OK;
	     at += ROWS_MAX) {
		fill_sheet(s, k->batch.changes + at, smaller(k->batch.n_changes - at, ROWS_MAX));
		answer = write_sheet(k, s);
	}
	if (s == NULL || answer != ANSWER_OK)
		turn_deaf(k);
	if (answer == ANSWER_REFUSED)
		k->next_retell_ms = clock_ms() + BEAT_MS;
	clerk_batch_clear_changes(&k->batch);
	free(s);
	return answer != ANSWER_LOST;
}

struct slip {
	struct pgarray events, times, names;
	char events_text[PGARRAY_ROOM(ROWS_MAX)], times_text[PGARRAY_ROOM(ROWS_MAX)];
	char names_text[PGARRAY_TEXT_ROOM(ROWS_MAX, SID_MAX)];
};

static enum answer
write_slip(struct clerk *k, struct slip *s, const struct clerk_delivery *told, size_t n)
{
	const char *params[3];

	START(s, events);
	START(s, times);
	START(s, names);
	for (size_t i = 0; i < n; i++) {
		pgarray_add(&s->events, told[i].event_id);
		pgarray_add(&s->times, told[i].at_ms);
		pgarray_add_text(&s->names, told[i].to);
	}
	params[0] = pgarray_end(&s->events);
	params[1] = pgarray_end(&s->times);
	params[2] = pgarray_end(&s->names);
	return ask(k, "delivered", 3, params, NULL);
}

static bool
has_to_stop(struct clerk *k)
{
	bool is_stopping;

	pthread_mutex_lock(&k->lock);
	is_stopping = k->is_stopping;
	pthread_mutex_unlock(&k->lock);
	return is_stopping;
}

/* Writes the facts of the batch, as far as it comes; a fact may be told twice.  False: no database.
 */
static bool
write_deliveries(struct clerk *k)
{
	size_t n_all = k->batch.n_deliveries;
	struct slip *s = k->n_written == n_all ? NULL : malloc(sizeof *s);

	while (s != NULL && k->n_written < n_all) {
		size_t n = smaller(n_all - k->n_written, ROWS_MAX);
		enum answer answer = write_slip(k, s, k->batch.deliveries + k->n_written, n);

		if (answer == ANSWER_LOST || (answer == ANSWER_REFUSED && has_to_stop(k)))
			break; /* who is told to end does not wait for a lock again and again */
		metrics_add(k->metrics,
		    answer == ANSWER_OK ? METRIC_DELIVERY_FACTS_WRITTEN
					: METRIC_DELIVERY_FACTS_DROPPED,
		    (int64_t)n);
		k->n_written += n;
	}
	free(s);
	return k->n_written == n_all || pgconn_raw(k->db) != NULL;
}

/* False: no database. */
static bool
flush(struct clerk *k)
{
	/* Facts that could not be written stay in the batch, and go first. */
	if (k->n_written == k->batch.n_deliveries) {
		clerk_batch_clear(&k->batch);
		k->n_written = 0;
		pthread_mutex_lock(&k->lock);
		clerk_queue_take(&k->queue, &k->batch);
		k->is_pressed = false;
		count(k, METRIC_PRESENCE_DROPPED, 0);
		pthread_mutex_unlock(&k->lock);
	}
	return write_presence(k) && write_deliveries(k);
}

/* --- alerts --- */

/* False: no database. */
static bool
escalate(struct clerk *k)
{
	char after_s[NUMBER_TEXT], most[NUMBER_TEXT];
	const char *params[] = {after_s, most};
	PGresult *res;
	int64_t n;

	snprintf(after_s, sizeof after_s, "%" PRIdFAST64, atomic_load(&k->escalate_s));
	snprintf(most, sizeof most, "%d", ESCALATE_MAX);
	k->next_escalate_ms = clock_ms() + ESCALATE_MS;
	switch (ask(k, "escalate", 2, params, &res)) {
	case ANSWER_LOST: return false;
	case ANSWER_REFUSED: return true;
	case ANSWER_OK: break;
	}
	n = row_int(res, 0, 0);
	PQclear(res);
	if (n > 0) {
		metrics_add(k->metrics, METRIC_ALERTS, n);
		log_warn("events that nobody acked raised alerts: alerts=%" PRId64, n);
	}
	if (n >= ESCALATE_MAX)
		k->next_escalate_ms = 0; /* there may be more */
	return true;
}

/* How long the oldest event waits that nobody has acked.  False: no database. */
static bool
look_at_oldest(struct clerk *k)
{
	PGresult *res;

	switch (ask(k, "oldest", 0, NULL, &res)) {
	case ANSWER_LOST: return false;
	case ANSWER_REFUSED: return true;
	case ANSWER_OK: break;
	}
	metrics_set(k->metrics, METRIC_OLDEST_UNACKED_S, row_int(res, 0, 0));
	PQclear(res);
	return true;
}

/* --- the thread --- */

/* Does what is due.  False: no database. */
static bool
work(struct clerk *k)
{
	bool must_beat = pgconn_count(k->db) != k->session || atomic_load(&k->must_beat);

	if ((must_beat || clock_ms() >= k->next_beat_ms) && !beat(k))
		return false;
	if (is_deaf(k) && clock_ms() >= k->next_retell_ms && !begin_anew(k))
		return false;
	if (!flush(k))
		return false;
	return clock_ms() < k->next_escalate_ms || (escalate(k) && look_at_oldest(k));
}

/* One round: connects if need be, and works. */
static void
go_round(struct clerk *k)
{
	bool is_up = pgconn_ready(k->db, CONNECT_MS) && work(k);

	if (!is_up)
		turn_deaf(k); /* whatever comes meanwhile is told anew later */
	set_up(k, is_up);
}

/* Waits until it is time to write.  False: it is to end. */
static bool
wait_for_work(struct clerk *k)
{
	struct timespec until = clock_after(FLUSH_MS);
	bool goes_on;

	pthread_mutex_lock(&k->lock);
	/* Without a database haste is of no use. */
	while (!k->is_stopping && !(k->is_pressed && k->is_up)) {
		if (pthread_cond_timedwait(&k->has_work, &k->lock, &until) == ETIMEDOUT)
			break;
	}
	goes_on = !k->is_stopping;
	pthread_mutex_unlock(&k->lock);
	return goes_on;
}

/* The last facts, and off the books.  One try: what cannot be written now are hints, and the lease
 * ends by itself. */
static void
leave(struct clerk *k)
{
	const char *params[] = {k->id};

	turn_deaf(k);
	/* Twice: what was being written, and what has come since. */
	if (pgconn_ready(k->db, LAST_MS) && flush(k) && flush(k))
		ask(k, "bye", 1, params, NULL);
	metrics_set(k->metrics, METRIC_CLERK_UP, 0);
}

static void *
run(void *arg)
{
	struct clerk *k = arg;

	pthread_setname_np(pthread_self(), "clerk");
	do
		go_round(k);
	while (wait_for_work(k));
	leave(k);
	return NULL;
}

bool
clerk_start(struct clerk *k)
{
	k->is_running = pthread_create(&k->thread, NULL, run, k) == 0;
	return k->is_running;
}

void
clerk_stop(struct clerk *k)
{
	if (!k->is_running)
		return;
	k->is_running = false;
	pthread_mutex_lock(&k->lock);
	k->is_stopping = true;
	pthread_cond_signal(&k->has_work);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
}

/* Another one for each run: what an earlier one left behind belongs to somebody else. */
static bool
choose_id(struct clerk *k)
{
	unsigned char bytes[ID_BYTES];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return false;
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(k->id + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

struct clerk *
clerk_new(
    const struct clerk_options *options, const struct clerk_sink *sink, struct metrics *metrics)
{
	struct clerk *k = calloc(1, sizeof *k);
	size_t changes_max = options->max_presences;

	if (k == NULL)
		return NULL;
	k->options = options;
	k->sink = sink;
	k->metrics = metrics;
	atomic_init(&k->escalate_s, options->escalate_s);
	pthread_mutex_init(&k->lock, NULL);
	clock_cond_init(&k->has_work);
	clerk_queue_init(
	    &k->queue, changes_max > CHANGES_MIN ? changes_max : CHANGES_MIN, DELIVERIES_MAX);
	k->db = pgconn_new(options->conninfo, "orderbell-clerk", session_sql, statements);
	if (k->db != NULL && choose_id(k))
		return k;
	clerk_free(k);
	return NULL;
}

void
clerk_free(struct clerk *k)
{
	if (k == NULL)
		return;
	clerk_queue_fini(&k->queue);
	clerk_batch_fini(&k->batch);
	pgconn_free(k->db);
	pthread_cond_destroy(&k->has_work);
	pthread_mutex_destroy(&k->lock);
	free(k);
}
