#include "shared/pgconn.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/pghosts.h"
#include "shared/vigil.h"

/* The cap: once the server is back nobody waits for us much longer than a second. */
enum { BACKOFF_BASE_MS = 100, BACKOFF_CAP_MS = 1000, LAST_WORDS_MAX = 8 };

enum { NAME_MAX_LEN = 60 };

struct pgconn {
	struct pghosts *hosts; /* NULL: libpq does not understand the connection string */
	size_t host;           /* the one to try first */
	char *application_name;
	const char *session_sql;
	const struct pgconn_statement *statements;
	char (*names)[NAME_MAX_LEN + 1]; /* of the statements, for the server */
	bool is_unprepared;              /* the server does not keep them for us */
	bool is_listener;
	bool is_urgent; /* the next statement */
	struct vigil vigil;
	PGconn *raw;
	struct backoff backoff;
	int64_t retry_at_ms;
	unsigned n_made;  /* connections */
	int64_t heard_ms; /* when the server said something last */
	char error[256];
};

static size_t
count_statements(const struct pgconn_statement *statements)
{
	size_t n = 0;

	while (statements != NULL && statements[n].name != NULL)
		n++;
	return n;
}

/* FNV-1a. */
static uint64_t
hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
	return hash;
}

/* The name has the statement's text in it: behind a pooler in transaction mode a server connection
 * keeps what others have prepared there, of another program or version too, and theirs must never
 * run for ours. */
static bool
make_names(struct pgconn *c)
{
	size_t n = count_statements(c->statements);

	c->names = calloc(n + 1, sizeof *c->names);
	for (size_t i = 0; c->names != NULL && i < n; i++)
		snprintf(c->names[i], sizeof c->names[i], "%.40s_%016" PRIx64,
		    c->statements[i].name, hash_of(c->statements[i].sql));
	return c->names != NULL;
}

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
	if (make_names(c) && c->application_name != NULL &&
	    (c->hosts != NULL || !pghosts_understands(conninfo)))
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
	c->is_urgent = false;
}

void
pgconn_free(struct pgconn *c)
{
	if (c == NULL)
		return;
	pgconn_drop(c);
	pghosts_free(c->hosts);
	free(c->application_name);
	free(c->names);
	free(c);
}

void
pgconn_keep_notifications(struct pgconn *c)
{
	c->is_listener = true;
}

void
pgconn_hurry(struct pgconn *c)
{
	c->is_urgent = true;
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

int64_t
pgconn_heard_ms(const struct pgconn *c)
{
	return c->heard_ms;
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

static size_t
host_behind(const struct pgconn *c, size_t host)
{
	size_t n = c->hosts == NULL ? 0 : pghosts_count(c->hosts);

	return n == 0 ? 0 : (host + 1) % n;
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
			bool is_silent = PQstatus(c->raw) == CONNECTION_OK;

			set_error(c, is_silent ? "no answer in time" : PQerrorMessage(c->raw));
			/* It would be silent again, for a share of the time to connect. */
			if (is_silent)
				c->host = host_behind(c, c->host);
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

/* Behind a pooler in transaction mode others' notifications come here now and then; libpq would
 * keep them for ever. */
static void
drop_notifications(struct pgconn *c)
{
	PGnotify *n;

	while (!c->is_listener && (n = PQnotifies(c->raw)) != NULL)
		PQfreemem(n);
}

static PGresult *
finish(struct pgconn *c, int was_sent, int64_t deadline_ms)
{
	PGresult *res = NULL;

	if (was_sent && c->is_urgent)
		(void)vigil_keep(&c->vigil, PQsocket(c->raw)); /* else it is slept for */
	c->is_urgent = false;
	if (was_sent)
		res = collect(c, deadline_ms);
	else
		set_error(c, PQerrorMessage(c->raw));
	if (res == NULL)
		pgconn_drop(c);
	else
		drop_notifications(c);
	c->heard_ms = res == NULL ? c->heard_ms : clock_ms();
	return res;
}

/* --- prepared statements, and doing without --- */

static bool
says(const PGresult *res, int field, const char *text)
{
	const char *value = PQresultErrorField(res, field);

	return value != NULL && strcmp(value, text) == 0;
}

static void
fall_back(struct pgconn *c, const PGresult *res)
{
	if (c->is_unprepared)
		return;
	c->is_unprepared = true;
	log_warn("the server does not keep our prepared statements, probably there is a pooler in"
		 " transaction mode: going on without: program=%s sqlstate=%s",
	    c->application_name, PQresultErrorField(res, PG_DIAG_SQLSTATE));
}

/* True when the prepared statement was not there, so nothing ran.  Of a connection in such disorder
 * that a message does not fit its statement that cannot be said: it is told, and the next one does
 * without. */
static bool
was_lost(struct pgconn *c, const PGresult *res)
{
	bool is_lost = says(res, PG_DIAG_SQLSTATE, "26000");

	if (is_lost ||
	    (says(res, PG_DIAG_SQLSTATE, "08P01") && says(res, PG_DIAG_SEVERITY, "ERROR")))
		fall_back(c, res);
	return is_lost;
}

static size_t
index_of(const struct pgconn *c, const char *statement)
{
	size_t i = 0;

	while (strcmp(c->statements[i].name, statement) != 0) {
		i++;
		assert(c->statements[i].name != NULL);
	}
	return i;
}

PGresult *
pgconn_exec(
    struct pgconn *c, const char *statement, int n_params, const char *const *params, int wait_ms)
{
	int64_t deadline_ms = clock_ms() + wait_ms;
	size_t i = index_of(c, statement);
	PGresult *res;

	if (c->raw == NULL) {
		c->is_urgent = false;
		return NULL;
	}
	if (!c->is_unprepared) {
		res = finish(c,
		    PQsendQueryPrepared(c->raw, c->names[i], n_params, params, NULL, NULL, 0),
		    deadline_ms);
		if (!was_lost(c, res))
			return res;
		PQclear(res);
	}
	return finish(c,
	    PQsendQueryParams(c->raw, c->statements[i].sql, n_params, NULL, params, NULL, NULL, 0),
	    deadline_ms);
}

PGresult *
pgconn_query(
    struct pgconn *c, const char *sql, int n_params, const char *const *params, int wait_ms)
{
	int64_t deadline_ms = clock_ms() + wait_ms;

	return c->raw == NULL
	           ? NULL
	           : finish(c,
			 PQsendQueryParams(c->raw, sql, n_params, NULL, params, NULL, NULL, 0),
			 deadline_ms);
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
	for (size_t i = 0; i < count_statements(c->statements) && !c->is_unprepared; i++) {
		const struct pgconn_statement *s = &c->statements[i];
		PGresult *res =
		    finish(c, PQsendPrepare(c->raw, c->names[i], s->sql, 0, NULL), deadline_ms);
		char what[80];

		if (says(res, PG_DIAG_SQLSTATE, "42P05"))
			fall_back(c, res); /* of somebody before us on the same server connection */
		snprintf(what, sizeof what, "cannot prepare \"%s\"", s->name);
		if (c->is_unprepared)
			PQclear(res);
		else if (!succeeded(c, res, what))
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
		size_t host = c->host;

		if (connect_to(c, host, now + (deadline_ms - now) / (int64_t)(n - tried)))
			return true;
		pgconn_drop(c);
		c->host = host_behind(c, host);
	}
	/* So that the next round begins with another one. */
	c->host = host_behind(c, c->host);
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
		c->heard_ms = clock_ms();
		return 1;
	}
	c->retry_at_ms = clock_ms() + backoff_next_ms(&c->backoff);
	return 0;
}
