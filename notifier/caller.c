#include "notifier/caller.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "notifier/probe.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/pgconn.h"

enum { CALLS_MS = 2000 }; /* for connecting and all calls */

static const char call_sql[] = "select pg_notify('order_control', $1)";

struct caller {
	struct pgconn *db;
	char nonce[PROBE_NONCE_MAX + 1];
	pthread_t thread;
	bool is_running;          /* there is a thread to join */
	_Atomic int state;        /* enum caller_state, as the thread says */
	atomic_bool must_give_up; /* we end */
};

/* False: there is no time left. */
static bool
call(struct caller *c, int number, int64_t until_ms)
{
	char payload[80];
	const char *params[] = {payload};
	int64_t left_ms = until_ms - clock_ms();
	PGresult *res;
	bool ok;

	if (left_ms <= 0 || atomic_load(&c->must_give_up))
		return false;
	/* The nonce is ours: letters and digits. */
	snprintf(payload, sizeof payload, "{\"probe\":\"%s\",\"call\":%d}", c->nonce, number);
	res = pgconn_query(c->db, call_sql, 1, params, (int)left_ms);
	ok = PQresultStatus(res) == PGRES_TUPLES_OK;
	if (!ok)
		log_debug("could not call ourselves: reason=\"%s\"",
		    res != NULL ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)
				: pgconn_error(c->db));
	PQclear(res);
	return ok;
}

static void *
run(void *arg)
{
	struct caller *c = arg;
	int64_t until_ms = clock_ms() + CALLS_MS;
	bool ok;

	pthread_setname_np(pthread_self(), "caller");
	ok = pgconn_ready(c->db, CALLS_MS);
	if (!ok)
		log_debug("could not call ourselves: reason=\"%s\"", pgconn_error(c->db));
	for (int number = 1; ok && number <= PROBE_CALLS; number++) {
		/* Not all at once: one moment says little. */
		if (number > 1)
			poll(NULL, 0, PROBE_CALL_GAP_MS);
		ok = call(c, number, until_ms);
	}
	pgconn_drop(c->db);
	atomic_store(&c->state, ok ? CALLER_DONE : CALLER_FAILED);
	return NULL;
}

bool
caller_start(struct caller *c, const char *nonce)
{
	if (c->is_running)
		return false;
	snprintf(c->nonce, sizeof c->nonce, "%s", nonce);
	atomic_store(&c->state, CALLER_BUSY);
	c->is_running = pthread_create(&c->thread, NULL, run, c) == 0;
	if (!c->is_running)
		atomic_store(&c->state, CALLER_IDLE);
	return c->is_running;
}

enum caller_state
caller_look(struct caller *c)
{
	enum caller_state state = (enum caller_state)atomic_load(&c->state);

	if (state != CALLER_DONE && state != CALLER_FAILED)
		return state;
	pthread_join(c->thread, NULL);
	c->is_running = false;
	atomic_store(&c->state, CALLER_IDLE);
	return state;
}

struct caller *
caller_new(const char *conninfo)
{
	struct caller *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->db = pgconn_new(conninfo, "orderbell-probe", NULL, NULL);
	if (c->db != NULL)
		return c;
	free(c);
	return NULL;
}

void
caller_stop(struct caller *c)
{
	atomic_store(&c->must_give_up, true);
	if (c->is_running)
		pthread_join(c->thread, NULL);
	c->is_running = false;
}

void
caller_free(struct caller *c)
{
	if (c == NULL)
		return;
	caller_stop(c);
	pgconn_free(c->db);
	free(c);
}
