#include "notifier/clerk.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "notifier/clerk_store.h"
#include "notifier/clerk_tray.h"
#include "shared/clock.h"
#include "shared/log.h"

enum {
	CONNECT_MS = 5000,
	FLUSH_MS = 1000, /* what came in is written that often */
	BEAT_MS = 10000, /* the lease, of 30 s, is renewed that often */
	ESCALATE_MS = 5000,
	ESCALATE_MAX = 500, /* alerts of one call */
	LAST_MS = 3000,     /* to connect once more when the program ends */
};

struct clerk {
	const struct clerk_sink *sink;
	struct metrics *metrics;
	struct clerk_store *store;
	pthread_t thread;
	bool is_running;

	/* The thread's. */
	struct clerk_batch batch; /* being written */
	size_t n_written;         /* facts of it */
	unsigned session;         /* that of the last beat */
	int64_t next_beat_ms, next_escalate_ms, next_retell_ms;
	bool is_up, is_up_known;

	atomic_bool is_poll_only, must_beat;
	atomic_int_fast64_t escalate_s;

	struct clerk_tray tray;
};

/* --- what other threads call --- */

void
clerk_present(struct clerk *k, const struct clerk_presence *p)
{
	clerk_tray_present(&k->tray, p);
}

void
clerk_gone(struct clerk *k, int64_t connection)
{
	clerk_tray_gone(&k->tray, connection);
}

void
clerk_delivered(struct clerk *k, const struct clerk_delivery *told, size_t n)
{
	clerk_tray_delivered(&k->tray, told, n);
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

/* --- how it is --- */

static void
turn_deaf(struct clerk *k)
{
	clerk_tray_turn_deaf(&k->tray);
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
		log_info("the clerk keeps books: notifier=%s", clerk_store_id(k->store));
	else
		log_warn("the clerk has no database, will repeat: reason=\"%s\"",
		    clerk_store_error(k->store));
}

/* --- the lease, and presence told anew --- */

/* False: no database. */
static bool
beat(struct clerk *k)
{
	bool is_new;

	atomic_store(&k->must_beat, false);
	k->session = clerk_store_session(k->store);
	k->next_beat_ms = clock_ms() + BEAT_MS;
	switch (clerk_store_beat(k->store, atomic_load(&k->is_poll_only), &is_new)) {
	case CLERK_LOST: return false;
	case CLERK_REFUSED: return true;
	case CLERK_OK: break;
	}
	if (is_new)
		turn_deaf(k); /* what was written of our connections is gone too */
	return true;
}

/* Wipes presence out and has all of it told again.  False: no database. */
static bool
begin_anew(struct clerk *k)
{
	k->next_retell_ms = clock_ms() + FLUSH_MS;
	switch (clerk_store_forget(k->store)) {
	case CLERK_LOST: return false;
	case CLERK_REFUSED: k->next_retell_ms = clock_ms() + BEAT_MS; return true;
	case CLERK_OK: break;
	}
	clerk_tray_listen(&k->tray);
	if (k->sink->retell != NULL)
		k->sink->retell(k->sink->arg);
	return true;
}

/* --- writing --- */

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
	enum clerk_answer answer = CLERK_OK;

	for (size_t at = 0; at < k->batch.n_changes && answer == CLERK_OK; at += CLERK_ROWS_MAX) {
		int64_t n_gave_way = 0;

		answer = clerk_store_presence(k->store, k->batch.changes + at,
		    smaller(k->batch.n_changes - at, CLERK_ROWS_MAX), &n_gave_way);
		metrics_add(k->metrics, METRIC_PRESENCE_GAVE_WAY, n_gave_way);
	}
	if (answer != CLERK_OK)
		turn_deaf(k);
	if (answer == CLERK_REFUSED)
		k->next_retell_ms = clock_ms() + BEAT_MS;
	clerk_batch_clear_changes(&k->batch);
	return answer != CLERK_LOST;
}

/* Writes the facts of the batch, as far as it comes; a fact may be told twice.  False: no database.
 */
static bool
write_deliveries(struct clerk *k)
{
	size_t n_all = k->batch.n_deliveries;

	while (k->n_written < n_all) {
		size_t n = smaller(n_all - k->n_written, CLERK_ROWS_MAX);
		enum clerk_answer answer =
		    clerk_store_delivered(k->store, k->batch.deliveries + k->n_written, n);

		if (answer == CLERK_LOST ||
		    (answer == CLERK_REFUSED && clerk_tray_is_stopping(&k->tray)))
			break; /* who is told to end does not wait for a lock again and again */
		metrics_add(k->metrics,
		    answer == CLERK_OK ? METRIC_DELIVERY_FACTS_WRITTEN
				       : METRIC_DELIVERY_FACTS_DROPPED,
		    (int64_t)n);
		k->n_written += n;
	}
	return k->n_written == n_all || clerk_store_is_up(k->store);
}

/* False: no database. */
static bool
flush(struct clerk *k)
{
	/* Facts that could not be written stay in the batch, and go first. */
	if (k->n_written == k->batch.n_deliveries) {
		clerk_batch_clear(&k->batch);
		k->n_written = 0;
		clerk_tray_take(&k->tray, &k->batch);
	}
	return write_presence(k) && write_deliveries(k);
}

/* --- alerts --- */

/* False: no database. */
static bool
escalate(struct clerk *k)
{
	int64_t n;

	k->next_escalate_ms = clock_ms() + ESCALATE_MS;
	switch (clerk_store_escalate(k->store, atomic_load(&k->escalate_s), ESCALATE_MAX, &n)) {
	case CLERK_LOST: return false;
	case CLERK_REFUSED: return true;
	case CLERK_OK: break;
	}
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
	int64_t age_s;

	switch (clerk_store_oldest(k->store, &age_s)) {
	case CLERK_LOST: return false;
	case CLERK_REFUSED: return true;
	case CLERK_OK: metrics_set(k->metrics, METRIC_OLDEST_UNACKED_S, age_s); break;
	}
	return true;
}

/* --- the thread --- */

/* Does what is due.  False: no database. */
static bool
work(struct clerk *k)
{
	bool must_beat = clerk_store_session(k->store) != k->session || atomic_load(&k->must_beat);

	if ((must_beat || clock_ms() >= k->next_beat_ms) && !beat(k))
		return false;
	if (clerk_tray_is_deaf(&k->tray) && clock_ms() >= k->next_retell_ms && !begin_anew(k))
		return false;
	if (!flush(k))
		return false;
	return clock_ms() < k->next_escalate_ms || (escalate(k) && look_at_oldest(k));
}

/* One round: connects if need be, and works. */
static void
go_round(struct clerk *k)
{
	bool is_up = clerk_store_ready(k->store, CONNECT_MS) && work(k);

	if (!is_up)
		turn_deaf(k); /* whatever comes meanwhile is told anew later */
	set_up(k, is_up);
}

/* The last facts, and off the books.  One try: what cannot be written now are hints, and the lease
 * ends by itself. */
static void
leave(struct clerk *k)
{
	turn_deaf(k);
	/* Twice: what was being written, and what has come since. */
	if (clerk_store_ready(k->store, LAST_MS) && flush(k) && flush(k))
		clerk_store_bye(k->store);
	metrics_set(k->metrics, METRIC_CLERK_UP, 0);
}

static void *
run(void *arg)
{
	struct clerk *k = arg;

	pthread_setname_np(pthread_self(), "clerk");
	do
		go_round(k);
	while (clerk_tray_wait(&k->tray, FLUSH_MS, k->is_up)); /* haste is of use with a database */
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
	clerk_tray_stop(&k->tray);
	pthread_join(k->thread, NULL);
}

struct clerk *
clerk_new(
    const struct clerk_options *options, const struct clerk_sink *sink, struct metrics *metrics)
{
	struct clerk *k = calloc(1, sizeof *k);

	if (k == NULL)
		return NULL;
	k->sink = sink;
	k->metrics = metrics;
	atomic_init(&k->escalate_s, options->escalate_s);
	clerk_tray_init(&k->tray, options->max_presences, metrics);
	k->store = clerk_store_new(options->conninfo, options->name);
	if (k->store != NULL)
		return k;
	clerk_free(k);
	return NULL;
}

void
clerk_free(struct clerk *k)
{
	if (k == NULL)
		return;
	clerk_tray_fini(&k->tray);
	clerk_batch_fini(&k->batch);
	clerk_store_free(k->store);
	free(k);
}
