#include "notifier/clerk_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "notifier/event_row.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/pgconn.h"

enum {
	QUERY_MS = 5000,
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

struct clerk_store {
	struct pgconn *db;
	const char *name;
	char id[2 * ID_BYTES + 1];
};

/* --- life --- */

static bool
choose_id(struct clerk_store *s)
{
	unsigned char bytes[ID_BYTES];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return false;
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(s->id + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

struct clerk_store *
clerk_store_new(const char *conninfo, const char *name)
{
	struct clerk_store *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->name = name;
	s->db = pgconn_new(conninfo, "orderbell-clerk", session_sql, statements);
	if (s->db != NULL && choose_id(s))
		return s;
	clerk_store_free(s);
	return NULL;
}

void
clerk_store_free(struct clerk_store *s)
{
	if (s == NULL)
		return;
	pgconn_free(s->db);
	free(s);
}

const char *
clerk_store_id(const struct clerk_store *s)
{
	return s->id;
}

bool
clerk_store_ready(struct clerk_store *s, int wait_ms)
{
	return pgconn_ready(s->db, wait_ms);
}

bool
clerk_store_is_up(const struct clerk_store *s)
{
	return pgconn_raw(s->db) != NULL;
}

unsigned
clerk_store_session(const struct clerk_store *s)
{
	return pgconn_count(s->db);
}

const char *
clerk_store_error(const struct clerk_store *s)
{
	return pgconn_error(s->db);
}

/* --- statements --- */

/* Runs a statement.  *res, where somebody wants it, is the caller's when the answer is OK. */
static enum clerk_answer
ask(struct clerk_store *s, const char *statement, int n, const char *const *params, PGresult **res)
{
	PGresult *got = pgconn_exec(s->db, statement, n, params, QUERY_MS);
	enum clerk_answer answer = CLERK_OK;

	if (got == NULL)
		return CLERK_LOST;
	if (PQresultStatus(got) != PGRES_TUPLES_OK) {
		log_warn("the clerk was refused: statement=%s sqlstate=%s reason=\"%s\"", statement,
		    PQresultErrorField(got, PG_DIAG_SQLSTATE),
		    PQresultErrorField(got, PG_DIAG_MESSAGE_PRIMARY));
		answer = CLERK_REFUSED;
	}
	if (answer == CLERK_OK && res != NULL)
		*res = got;
	else
		PQclear(got);
	return answer;
}

/* The same for one that gives a number. */
static enum clerk_answer
ask_int(
    struct clerk_store *s, const char *statement, int n, const char *const *params, int64_t *number)
{
	PGresult *res;
	enum clerk_answer answer = ask(s, statement, n, params, &res);

	if (answer == CLERK_OK) {
		*number = row_int(res, 0, 0);
		PQclear(res);
	}
	return answer;
}

enum clerk_answer
clerk_store_beat(struct clerk_store *s, bool is_poll_only, bool *is_new)
{
	char now_ms[NUMBER_TEXT];
	const char *params[] = {
	    s->id, s->name, PACKAGE_VERSION, is_poll_only ? "poll" : "listen", now_ms};
	PGresult *res;
	enum clerk_answer answer;

	snprintf(now_ms, sizeof now_ms, "%" PRId64, clock_unix_ms());
	answer = ask(s, "beat", 5, params, &res);
	if (answer == CLERK_OK) {
		*is_new = strcmp(PQgetvalue(res, 0, 0), "t") == 0;
		PQclear(res);
	}
	return answer;
}

enum clerk_answer
clerk_store_bye(struct clerk_store *s)
{
	const char *params[] = {s->id};

	return ask(s, "bye", 1, params, NULL);
}

enum clerk_answer
clerk_store_forget(struct clerk_store *s)
{
	const char *params[] = {s->id};

	return ask(s, "forget", 1, params, NULL);
}

enum clerk_answer
clerk_store_presence(
    struct clerk_store *s, const struct clerk_change *changes, size_t n, int64_t *n_gave_way)
{
	struct clerk_sheet *sheet = malloc(sizeof *sheet);
	enum clerk_answer answer = CLERK_REFUSED; /* without memory it is no better */

	if (sheet != NULL) {
		clerk_sheet_fill(sheet, changes, n);
		answer = ask_int(s, "presence", 8,
		    (const char *[]){s->id, sheet->connections, sheet->merchants, sheet->terminals,
			sheet->kinds, sheet->audios, sheet->sinces, sheet->gones},
		    n_gave_way);
	}
	free(sheet);
	return answer;
}

enum clerk_answer
clerk_store_delivered(struct clerk_store *s, const struct clerk_delivery *told, size_t n)
{
	struct clerk_slip *slip = malloc(sizeof *slip);
	enum clerk_answer answer = CLERK_REFUSED; /* the same */

	if (slip != NULL) {
		clerk_slip_fill(slip, told, n);
		answer = ask(s, "delivered", 3,
		    (const char *[]){slip->events, slip->times, slip->names}, NULL);
	}
	free(slip);
	return answer;
}

enum clerk_answer
clerk_store_escalate(struct clerk_store *s, int64_t after_s, int most, int64_t *n_alerts)
{
	char after_text[NUMBER_TEXT], most_text[NUMBER_TEXT];
	const char *params[] = {after_text, most_text};

	snprintf(after_text, sizeof after_text, "%" PRId64, after_s);
	snprintf(most_text, sizeof most_text, "%d", most);
	return ask_int(s, "escalate", 2, params, n_alerts);
}

enum clerk_answer
clerk_store_oldest(struct clerk_store *s, int64_t *age_s)
{
	return ask_int(s, "oldest", 0, NULL, age_s);
}
