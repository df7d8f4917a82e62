#include "fcgi-order/ringer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "fcgi-order/bells.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/pgconn.h"

enum { CONNECT_MS = 700, RING_MS = 1000 };

enum { REST_NS = 1000000 }; /* from the beginning of one ring to that of the next, at least */

static const struct pgconn_statement statements[] = {
    {"ring_all", "select orderbell.ring_all($1::bigint[])"}, {NULL, NULL}};

static const char session_sql[] = "set statement_timeout = 1000; set lock_timeout = 1000";

struct ringer {
	struct pgconn *db; /* the thread's */
	struct counters *counters;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t has_work;
	struct bells waiting;
	bool is_ending;
};

static void
tell_lost(struct ringer *r, size_t n, const char *reason)
{
	for (size_t i = 0; i < n; i++)
		counters_add(r->counters, COUNTER_BELLS_FAILED);
	if (counters_may_tell(r->counters, (int64_t)time(NULL)))
		log_warn("bells not rung, the poll will deliver: merchants=%zu reason=\"%s\"", n,
		    reason);
}

static void
ring(struct ringer *r, const struct bells *bells)
{
	char text[BELLS_TEXT_MAX];
	const char *params[] = {text};
	PGresult *res;

	if (!pgconn_ready(r->db, CONNECT_MS)) {
		tell_lost(r, bells->n, pgconn_error(r->db));
		return;
	}
	bells_text(bells, text);
	res = pgconn_exec(r->db, "ring_all", 1, params, RING_MS);
	if (PQresultStatus(res) == PGRES_TUPLES_OK)
		counters_add(r->counters, COUNTER_RINGS);
	else
		tell_lost(r, bells->n,
		    res != NULL ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)
				: pgconn_error(r->db));
	PQclear(res);
}

/* Waits for bells and takes all; false when it is to end and there are none. */
static bool
take(struct ringer *r, struct bells *bells)
{
	pthread_mutex_lock(&r->lock);
	while (r->waiting.n == 0 && !r->is_ending)
		pthread_cond_wait(&r->has_work, &r->lock);
	*bells = r->waiting;
	r->waiting.n = 0;
	pthread_mutex_unlock(&r->lock);
	return bells->n > 0;
}

static void *
run_thread(void *arg)
{
	struct ringer *r = arg;
	struct bells bells;
	struct timespec next;

	pgconn_ready(r->db, CONNECT_MS); /* the first bell need not wait for it */
	while (take(r, &bells)) {
		clock_gettime(CLOCK_MONOTONIC, &next);
		next.tv_nsec += REST_NS;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		ring(r, &bells);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return NULL;
}

struct ringer *
ringer_new(const struct options *options, struct counters *counters)
{
	struct ringer *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->counters = counters;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->has_work, NULL);
	r->db = pgconn_new(options->database, "fcgi-order", session_sql, statements);
	if (r->db != NULL && pthread_create(&r->thread, NULL, run_thread, r) == 0)
		return r;
	pgconn_free(r->db);
	free(r);
	return NULL;
}

void
ringer_free(struct ringer *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->is_ending = true;
	pthread_cond_signal(&r->has_work);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	pgconn_free(r->db);
	pthread_cond_destroy(&r->has_work);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void
ringer_ring(struct ringer *r, int64_t merchant_id)
{
	bool has_room, was_empty;

	pthread_mutex_lock(&r->lock);
	was_empty = r->waiting.n == 0;
	has_room = bells_add(&r->waiting, merchant_id);
	pthread_mutex_unlock(&r->lock);
	if (was_empty)
		pthread_cond_signal(&r->has_work);
	if (!has_room)
		tell_lost(r, 1, "too many wait");
}
