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
#include "shared/pghosts.h"

enum { BACKOFF_BASE_MS = 100, BACKOFF_CAP_MS = 5000, LAST_WORDS_MAX = 8 };

struct pgconn {
	struct pghosts *hosts; /* NULL: libpq does not understand the connection string */
	size_t host;           /* the one to try first */
	char *application_name;
	const char *session_sql;
	const struct pgconn_statement *statements;
	PGconn *raw;
	struct backoff backoff;
	int64_t retry_at_ms;
	unsigned n_made; /* connections */
	char error[256];
};

struct pgconn *
pgconn_new(const char *conninfo, const char *application_name, const char *session_sql,
    const struct pgconn_statement *statements)
{
	struct pgconn *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->hosts = pghosts_new(conninfo);
	c->application_name = strdup(application_name);
	c->session_sql = session_sql;
	c->statements = statements;
	c->backoff = (struct backoff){.base_ms = BACKOFF_BASE_MS, .cap_ms = BACKOFF_CAP_MS};
	if (c->application_name != NULL && (c->hosts != NULL || !pghosts_understands(conninfo)))
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
	pghosts_free(c->hosts);
	free(c->application_name);
	free(c);
}

PGconn *
pgconn_raw(struct pgconn *c)
{
	return c->raw;
}

unsigned
pgconn_count(const struct pgconn *c)
{
	return c->n_made;
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

/* Ours come first, so that what the conninfo says wins. */
static PGconn *
start_connect(const struct pgconn *c, size_t host)
{
	const char *keywords[PGHOSTS_KEYWORDS_MAX] = {"keepalives", "keepalives_idle",
	    "keepalives_interval", "keepalives_count", "tcp_user_timeout", "target_session_attrs",
	    "fallback_application_name", "client_encoding"};
	const char *values[PGHOSTS_KEYWORDS_MAX] = {
	    "1", "5", "3", "3", "10000", "read-write", c->application_name, "UTF8"};

	pghosts_fill(c->hosts, host, keywords, values, 8);
	return PQconnectStartParams(keywords, values, 0);
}

/* False: refused, or the time is up; the reason is kept. */
static bool
finish_connect(struct pgconn *c, int64_t deadline_ms)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
		short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;

		if (!await(c->raw, events, deadline_ms)) {
			char reason[sizeof c->error];

			/* libpq has begun to say which server it is about. */
			snprintf(
			    reason, sizeof reason, "%sno answer in time", PQerrorMessage(c->raw));
			set_error(c, reason);
			return false;
		}
		status = PQconnectPoll(c->raw);
	}
	if (status == PGRES_POLLING_FAILED)
		set_error(c, PQerrorMessage(c->raw));
	return status == PGRES_POLLING_OK;
}

/* True when it is no error; else keeps what failed and why.  Clears it. */
static bool
succeeded(struct pgconn *c, PGresult *res, const char *what)
{
	ExecStatusType status = PQresultStatus(res);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	if (res != NULL && !ok) {
		const char *reason = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

		snprintf(c->error, sizeof c->error, "%s: %s", what,
		    reason != NULL ? reason : "no answer");
	}
	PQclear(res);
	return ok;
}

/* Settings of the session and prepared statements. */
static bool
furnish(struct pgconn *c, int64_t deadline_ms)
{
	if (c->session_sql != NULL &&
	    !succeeded(c, finish(c, PQsendQuery(c->raw, c->session_sql), deadline_ms),
		"the session's settings"))
		return false;
	for (const struct pgconn_statement *s = c->statements; s != NULL && s->name != NULL; s++) {
		char what[80];

		snprintf(what, sizeof what, "cannot prepare \"%s\"", s->name);
		if (!succeeded(c,
			finish(c, PQsendPrepare(c->raw, s->name, s->sql, 0, NULL), deadline_ms),
			what))
			return false;
	}
	return true;
}

static bool
connect_to(struct pgconn *c, size_t host, int64_t deadline_ms)
{
	c->raw = start_connect(c, host);
	if (c->raw == NULL) {
		set_error(c, "out of memory");
		return false;
	}
	PQsetNoticeReceiver(c->raw, log_notice, NULL);
	if (PQstatus(c->raw) == CONNECTION_BAD) {
		set_error(c, PQerrorMessage(c->raw));
		return false;
	}
	if (!finish_connect(c, deadline_ms))
		return false;
	if (PQsetnonblocking(c->raw, 1) != 0) {
		set_error(c, PQerrorMessage(c->raw));
		return false;
	}
	return furnish(c, deadline_ms);
}

/* Each host gets its share of the time that is left: a silent one must not hide the next. */
static bool
connect_to_any(struct pgconn *c, int64_t deadline_ms)
{
	size_t n = c->hosts == NULL ? 0 : pghosts_count(c->hosts);

	if (n == 0)
		set_error(c, "this is no libpq connection string");
	for (size_t tried = 0; tried < n; tried++) {
		int64_t now = clock_ms();

		if (connect_to(c, c->host, now + (deadline_ms - now) / (int64_t)(n - tried)))
			return true;
		pgconn_drop(c);
		c->host = (c->host + 1) % n;
	}
	/* So that the next round begins with another one. */
	c->host = n == 0 ? 0 : (c->host + 1) % n;
	return false;
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
	if (connect_to_any(c, clock_ms() + wait_ms)) {
		backoff_reset(&c->backoff);
		c->retry_at_ms = 0;
		c->n_made++;
		return 1;
	}
	c->retry_at_ms = clock_ms() + backoff_next_ms(&c->backoff);
	return 0;
}
