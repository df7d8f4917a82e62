#include "fcgi-order/pg_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/pgconn.h"

/* A gateway waits 5 s: connecting, the statement and the bell stay below 4 s together. */
enum { CONNECT_MS = 700, MARGIN_MS = 250, RING_MS = 300, PING_MS = 1000 };

enum { STUCK_MS = 500 }; /* what failed after that long has kept a thread from other requests */

/* Each gives a verdict, an id, and the merchant whose bell is to be rung when that is news.
 * The shop's currency goes with the payment: a setting of the session's is lost behind a pooler in
 * transaction mode. */
static const struct pgconn_statement statements[] = {
    {"pay", "select case when p.ask_again then 'unknown_yet' else p.verdict end, p.order_id,"
	    " p.merchant_id"
	    " from orderbell.pay(p_number => $1, p_amount => $2::numeric, p_currency => case"
	    " when set_config('orderbell.currency', $9, true) is not null then $3 end,"
	    " p_gateway => $4, p_transaction_id => $5, p_bell => 'alone', p_pay_method => $6::int,"
	    " p_notification_id => $7, p_state => $8) as p"},
    {"note", "select 'noted', null::bigint, null::bigint from orderbell.note_callback("
	     "p_gateway => $1, p_notification_id => $2, p_verdict => $3, p_number => $4,"
	     " p_transaction_id => $5, p_state => $6, p_detail => $7)"},
    {"pay_own", "select verdict, order_id, merchant_id from orderbell.pay(p_number => $1,"
		" p_amount => null, p_gateway => 'sandbox', p_bell => 'alone',"
		" p_user_id => $2::bigint, p_pay_method => $3::int)"},
    {"remind", "select case when is_new then 'paid' else 'already_paid' end, event_id, merchant_id"
	       " from orderbell.remind(p_order_id => $1::bigint, p_user_id => $2::bigint,"
	       " p_bell => 'later')"},
    {"ring", "select orderbell.ring($1::bigint)"}, {"ping", "select 1"}, {NULL, NULL}};

struct pg_store {
	struct pgconn *db;
	struct counters *counters;
	struct valve *valve;
	struct ringer *ringer; /* or NULL */
	const char *currency;  /* the shop's */
	int statement_ms;
	bool is_down; /* and that was told */
	char session_sql[120];
	struct order_store interface;
};

static const struct verdict {
	const char *name; /* as statements give it, or a SQLSTATE of orderbell's */
	enum store_status status;
} verdicts[] = {
    {"paid", STORE_OK},
    {"noted", STORE_OK},
    {"already_paid", STORE_ALREADY_PAID},
    {"paid_twice", STORE_PAID_TWICE},
    {"unknown_yet", STORE_UNKNOWN_YET},
    {"unknown_order", STORE_UNKNOWN_ORDER},
    {"amount_differs", STORE_AMOUNT_DIFFERS},
    {"cancelled", STORE_CANCELLED},
    {"refunded", STORE_REFUNDED},
    {"OB404", STORE_UNKNOWN_ORDER},
    {"OB409", STORE_NOT_WAITING},
};

static enum store_status
status_of_name(const char *name)
{
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
		if (strcmp(verdicts[i].name, name) == 0)
			return verdicts[i].status;
	}
	return STORE_DOWN;
}

/* The database is newer than we are: who asks again may meet a program that knows it. */
static enum store_status
status_of_verdict(const char *name)
{
	enum store_status status = status_of_name(name);

	if (status == STORE_DOWN)
		log_err("unknown verdict, answered 503: verdict=%s", name);
	return status;
}

/* True for what passes: deadlocks, timeouts, a server that shuts down or has run out of room. */
static bool
will_pass(const char *sqlstate)
{
	static const char *const classes[] = {"40", "53", "55", "57"};

	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}

/* An error that no verdict is for: logged; the caller will be asked to try again. */
static void
tell_error(struct pg_store *s, const char *statement, const char *sqlstate, const PGresult *res)
{
	const char *reason = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	if (will_pass(sqlstate)) {
		log_warn("statement failed: statement=%s sqlstate=%s reason=\"%s\"", statement,
		    sqlstate, reason != NULL ? reason : "");
		return;
	}
	log_err("statement failed: statement=%s sqlstate=%s reason=\"%s\"", statement, sqlstate,
	    reason != NULL ? reason : "");
	/* A new session may find another server, or functions that were changed meanwhile. */
	pgconn_drop(s->db);
}

/* What a result says. */
static enum store_status
status_of(struct pg_store *s, const char *statement, const PGresult *res)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	enum store_status status;

	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1)
		return status_of_verdict(PQgetvalue(res, 0, 0));
	status = status_of_name(sqlstate != NULL ? sqlstate : "");
	if (status == STORE_DOWN)
		tell_error(s, statement, sqlstate != NULL ? sqlstate : "none", res);
	return status;
}

/* Once per loss and return, not once per request. */
static void
note(struct pg_store *s, bool is_down)
{
	if (is_down && !s->is_down)
		log_warn("no database, requests are answered 503: retry_ms=%d reason=\"%s\"",
		    pgconn_retry_ms(s->db), pgconn_error(s->db));
	if (!is_down && s->is_down)
		log_info("the database is back");
	s->is_down = is_down;
}

static bool
connect_in_time(struct pg_store *s)
{
	bool ok;

	if (pgconn_heard_ms(s->db) < valve_lost_at_ms(s->valve))
		pgconn_drop(s->db);
	ok = pgconn_ready(s->db, CONNECT_MS);
	note(s, !ok);
	return ok;
}

/* Rings after the commit.  If it fails the notifiers' poll finds the event within a second. */
static void
ring(struct pg_store *s, const char *merchant_id)
{
	const char *params[] = {merchant_id};
	PGresult *res;

	if (s->ringer != NULL) {
		ringer_ring(s->ringer, strtoll(merchant_id, NULL, 10));
		return;
	}
	res = pgconn_exec(s->db, "ring", 1, params, RING_MS);
	if (PQresultStatus(res) == PGRES_TUPLES_OK) {
		counters_add(s->counters, COUNTER_RINGS);
	} else {
		counters_add(s->counters, COUNTER_BELLS_FAILED);
		log_warn("bell not rung, the poll will deliver: merchant=%s reason=\"%s\"",
		    merchant_id,
		    res != NULL ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)
				: pgconn_error(s->db));
	}
	PQclear(res);
}

/* Runs a statement that gives verdict, id and merchant; rings when something is new. */
static enum store_status
run_inside(struct pg_store *s, const char *statement, int n, const char *const *params, int64_t *id)
{
	PGresult *res;
	enum store_status status;

	if (!connect_in_time(s))
		return STORE_DOWN;
	res = pgconn_exec(s->db, statement, n, params, s->statement_ms + MARGIN_MS);
	if (res == NULL) {
		valve_lost(s->valve, clock_ms());
		log_warn(
		    "database lost: statement=%s reason=\"%s\"", statement, pgconn_error(s->db));
		return STORE_DOWN;
	}
	status = status_of(s, statement, res);
	if (PQntuples(res) == 1 && !PQgetisnull(res, 0, 1))
		*id = strtoll(PQgetvalue(res, 0, 1), NULL, 10);
	if (status == STORE_OK && !PQgetisnull(res, 0, 2))
		ring(s, PQgetvalue(res, 0, 2));
	PQclear(res);
	return status;
}

/* The same, where not too many wait already. */
static enum store_status
run(struct pg_store *s, const char *statement, int n, const char *const *params, int64_t *id)
{
	int64_t start_ms = clock_ms();
	enum store_status status;

	if (!valve_enter(s->valve)) {
		if (counters_may_tell(s->counters, (int64_t)time(NULL)))
			log_warn("the database is slow, requests are answered 503 unasked");
		return STORE_DOWN;
	}
	status = run_inside(s, statement, n, params, id);
	valve_leave(s->valve, status == STORE_DOWN && clock_ms() - start_ms >= STUCK_MS);
	return status;
}

/* What is empty is not known. */
static const char *
or_null(const char *text)
{
	return *text == '\0' ? NULL : text;
}

static enum store_status
pay(void *arg, const char *gateway, int pay_method, const struct callback *callback,
    int64_t *order_id)
{
	const struct pg_store *s = arg;
	const struct payment *payment = &callback->payment;
	char method[12];
	const char *params[] = {payment->number, payment->amount, payment->currency, gateway,
	    payment->transaction_id, pay_method == 0 ? NULL : method, callback->id,
	    or_null(callback->state), s->currency};

	snprintf(method, sizeof method, "%d", pay_method);
	return run(arg, "pay", 9, params, order_id);
}

static enum store_status
note_callback(void *arg, const char *gateway, const struct callback *callback, const char *verdict)
{
	const char *params[] = {gateway, callback->id, verdict, callback->payment.number,
	    or_null(callback->payment.transaction_id), or_null(callback->state), callback->reason};
	int64_t id = 0;

	return run(arg, "note", 7, params, &id);
}

static enum store_status
pay_own(void *arg, const char *number, int64_t user_id, int pay_method, int64_t *order_id)
{
	char user[24], method[12];
	const char *params[] = {number, user, method};

	snprintf(user, sizeof user, "%" PRId64, user_id);
	snprintf(method, sizeof method, "%d", pay_method);
	return run(arg, "pay_own", 3, params, order_id);
}

static enum store_status
remind(void *arg, int64_t order_id, int64_t user_id)
{
	char order[24], user[24];
	const char *params[] = {order, user};
	int64_t event_id = 0;
	enum store_status status;

	snprintf(order, sizeof order, "%" PRId64, order_id);
	snprintf(user, sizeof user, "%" PRId64, user_id);
	status = run(arg, "remind", 2, params, &event_id);
	/* Collapsed into the one of a moment ago: all is well. */
	return status == STORE_ALREADY_PAID ? STORE_OK : status;
}

static bool
is_up(void *arg)
{
	struct pg_store *s = arg;
	PGresult *res;
	bool ok;

	if (!connect_in_time(s))
		return false;
	res = pgconn_exec(s->db, "ping", 0, NULL, PING_MS);
	ok = PQresultStatus(res) == PGRES_TUPLES_OK;
	PQclear(res);
	return ok;
}

struct pg_store *
pg_store_new(const struct options *options, struct counters *counters, struct valve *valve,
    struct ringer *ringer)
{
	struct pg_store *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->counters = counters;
	s->valve = valve;
	s->ringer = ringer;
	s->currency = options->currency;
	s->statement_ms = (int)options->statement_timeout_ms;
	snprintf(s->session_sql, sizeof s->session_sql,
	    "set statement_timeout = %d; set lock_timeout = %d; set client_encoding = 'UTF8'",
	    s->statement_ms, s->statement_ms * 3 / 5);
	s->interface = (struct order_store){s, pay, note_callback, pay_own, remind, is_up};
	s->db = pgconn_new(options->database, "fcgi-order", s->session_sql, statements);
	if (s->db != NULL)
		return s;
	pg_store_free(s);
	return NULL;
}

void
pg_store_free(struct pg_store *s)
{
	if (s == NULL)
		return;
	pgconn_free(s->db);
	free(s);
}

const struct order_store *
pg_store_interface(const struct pg_store *s)
{
	return &s->interface;
}
