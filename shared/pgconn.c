#include "shared/pgconn.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/log.h"

enum { BACKOFF_BASE_MS = 100, BACKOFF_CAP_MS = 5000, SESSION_MS = 5000, LAST_WORDS_MAX = 8 };

struct pgconn {
	char *conninfo, *application_name;
	const char *session_sql;
	const struct pgconn_statement *statements;
	PGconn *raw;
	struct backoff backoff;
	int64_t retry_at_ms;
	char error[256];
};

struct pgconn *
pgconn_new(const char *conninfo, const char *application_name, const char *session_sql,
    const struct pgconn_statement *statements)
{
	struct pgconn *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->conninfo = strdup(conninfo);
	c->application_name = strdup(application_name);
	c->session_sql = session_sql;
	c->statements = statements;
	c->backoff = (struct backoff){.base_ms = BACKOFF_BASE_MS, .cap_ms = BACKOFF_CAP_MS};
	if (c->conninfo != NULL && c->application_name != NULL)
		return c;
	pgconn_free(c);
	return NULL;
}

void
pgconn_drop(struct pgconn *c)
{
	if (c->raw != NULL)
		PQfinish(c->raw);
	c->raw = NULL;
}

void
pgconn_free(struct pgconn *c)
{
	if (c == NULL)
		return;
	pgconn_drop(c);
	free(c->conninfo);
	free(c->application_name);
	free(c);
}

PGconn *
pgconn_raw(struct pgconn *c)
{
	return c->raw;
}

const char *
pgconn_error(const struct pgconn *c)
{
	return c->error;
}

int
pgconn_retry_ms(const struct pgconn *c)
{
	int64_t wait = c->raw != NULL ? 0 : c->retry_at_ms - clock_ms();

	return wait > 0 ? (int)wait : 0;
}

/* Keeps the reason as one line. */
static void
set_error(struct pgconn *c, const char *reason)
{
	size_t n;

	snprintf(c->error, sizeof c->error, "%s", reason);
	for (char *at = c->error; *at != '\0'; at++) {
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	}
	n = strlen(c->error);
	while (n > 0 && c->error[n - 1] == ' ')
		c->error[--n] = '\0';
}

static void
log_notice(void *arg, const PGresult *res)
{
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	(void)arg;
	if (text != NULL)
		log_debug("database says: \"%s\"", text);
}

/* Waits for the socket; false when the deadline has passed. */
static bool
await(PGconn *raw, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd fd = {.fd = PQsocket(raw), .events = events};
		int64_t left = deadline_ms - clock_ms();
		int rc;

		if (left <= 0 || fd.fd < 0)
			return false;
		rc = poll(&fd, 1, (int)left);
		if (rc > 0)
			return true;
		if (rc < 0 && errno != EINTR)
			return false;
	}
}

/* --- one statement --- */

/* Sends what libpq still holds back, and waits for a whole result.  False: the deadline passed or
 * the connection broke. */
static bool
await_result(PGconn *raw, int64_t deadline_ms)
{
	int unsent;

	while ((unsent = PQflush(raw)) != 0 || PQisBusy(raw)) {
		if (unsent < 0 || !await(raw, unsent > 0 ? POLLIN | POLLOUT : POLLIN, deadline_ms))
			return false;
		if (PQconsumeInput(raw) == 0)
			return false;
	}
	return true;
}

/* Gives the last result of what was sent; NULL when it did not come in time. */
static PGresult *
collect(struct pgconn *c, int64_t deadline_ms)
{
	PGresult *last = NULL, *next;

	for (;;) {
		if (!await_result(c->raw, deadline_ms)) {
			set_error(c, PQstatus(c->raw) == CONNECTION_OK ? "no answer in time"
								       : PQerrorMessage(c->raw));
			PQclear(last);
			return NULL;
		}
		next = PQgetResult(c->raw);
		if (next == NULL)
			break;
		/* Of several statements the first that failed is the answer. */
		if (last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR) {
			PQclear(next);
			continue;
		}
		PQclear(last);
		last = next;
	}
	if (last == NULL || PQstatus(c->raw) != CONNECTION_OK) {
		set_error(c, PQerrorMessage(c->raw));
		PQclear(last);
		return NULL;
	}
	return last;
}

static PGresult *
finish(struct pgconn *c, int was_sent, int64_t deadline_ms)
{
	PGresult *res = NULL;

	if (was_sent)
		res = collect(c, deadline_ms);
	else
		set_error(c, PQerrorMessage(c->raw));
	if (res == NULL)
		pgconn_drop(c);
	return res;
}

PGresult *
pgconn_exec(
    struct pgconn *c, const char *statement, int n_params, const char *const *params, int wait_ms)
{
	int64_t deadline_ms = clock_ms() + wait_ms;

	if (c->raw == NULL)
		return NULL;
	return finish(c, PQsendQueryPrepared(c->raw, statement, n_params, params, NULL, NULL, 0),
	    deadline_ms);
}

PGresult *
pgconn_query(struct pgconn *c, const char *sql, int wait_ms)
{
	int64_t deadline_ms = clock_ms() + wait_ms;

	return c->raw == NULL ? NULL : finish(c, PQsendQuery(c->raw, sql), deadline_ms);
}

/* --- connecting --- */

/* Ours come first, so that what the conninfo (dbname, expanded) says wins. */
static PGconn *
start_connect(const struct pgconn *c)
{
	const char *keywords[] = {"keepalives", "keepalives_idle", "keepalives_interval",
	    "keepalives_count", "tcp_user_timeout", "connect_timeout", "target_session_attrs",
	    "fallback_application_name", "client_encoding", "dbname", NULL};
	const char *values[] = {"1", "5", "3", "3", "10000", "5", "read-write", c->application_name,
	    "UTF8", c->conninfo, NULL};

	return PQconnectStartParams(keywords, values, 1);
}

/* The time is up or there is an answer. */
static bool
finish_connect(PGconn *raw, int64_t deadline_ms)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK) {
		if (status == PGRES_POLLING_FAILED ||
		    !await(raw, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms))
			return false;
		status = PQconnectPoll(raw);
	}
	return true;
}

/* Keeps the error of a result that is one; true when it was none.  Clears it. */
static bool
succeeded(struct pgconn *c, PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	if (res != NULL && !ok)
		set_error(c, PQresultErrorMessage(res));
	PQclear(res);
	return ok;
}

/* Settings of the session and prepared statements. */
static bool
furnish(struct pgconn *c)
{
	if (c->session_sql != NULL && !succeeded(c, pgconn_query(c, c->session_sql, SESSION_MS)))
		return false;
	for (const struct pgconn_statement *s = c->statements; s != NULL && s->name != NULL; s++) {
		int64_t deadline_ms = clock_ms() + SESSION_MS;

		if (c->raw == NULL ||
		    !succeeded(
			c, finish(c, PQsendPrepare(c->raw, s->name, s->sql, 0, NULL), deadline_ms)))
			return false;
	}
	return true;
}

static bool
connect_now(struct pgconn *c, int wait_ms)
{
	int64_t deadline_ms = clock_ms() + wait_ms;

	c->raw = start_connect(c);
	if (c->raw == NULL) {
		set_error(c, "out of memory");
		return false;
	}
	PQsetNoticeReceiver(c->raw, log_notice, NULL);
	if (PQstatus(c->raw) == CONNECTION_BAD || !finish_connect(c->raw, deadline_ms)) {
		const char *reason = PQerrorMessage(c->raw);

		set_error(c, *reason != '\0' ? reason : "no answer in time");
		return false;
	}
	if (PQsetnonblocking(c->raw, 1) != 0) {
		set_error(c, PQerrorMessage(c->raw));
		return false;
	}
	return furnish(c);
}

/* True while the server has not hung up.  It may have since the last statement (a restart): better
 * to see that before the next is sent, when nothing is in doubt yet. */
static bool
is_alive(PGconn *raw)
{
	/* What is to be read can be the server's last words; the end comes right behind them. */
	for (int i = 0; i < LAST_WORDS_MAX && PQstatus(raw) == CONNECTION_OK; i++) {
		struct pollfd fd = {.fd = PQsocket(raw), .events = POLLIN};

		if (poll(&fd, 1, 0) <= 0)
			return true;
		if (PQconsumeInput(raw) == 0)
			return false;
	}
	return PQstatus(raw) == CONNECTION_OK;
}

int
pgconn_ready(struct pgconn *c, int wait_ms)
{
	if (c->raw != NULL && is_alive(c->raw))
		return 1;
	pgconn_drop(c);
	if (clock_ms() < c->retry_at_ms)
		return 0;
	if (connect_now(c, wait_ms)) {
		backoff_reset(&c->backoff);
		c->retry_at_ms = 0;
		return 1;
	}
	pgconn_drop(c);
	c->retry_at_ms = clock_ms() + backoff_next_ms(&c->backoff);
	return 0;
}
