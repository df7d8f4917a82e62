#include "notifier/ledger_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/acksheet.h"
#include "notifier/event_row.h"
#include "notifier/pgarray.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/pgconn.h"

enum {
	CONNECT_MS = 5000,
	QUERY_MS = 5000,
	LIVENESS_MS = 5000, /* the session is tried that often when nothing else is asked of it */
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
    /* A row for the stream, with the acked ones of so many events. */
    {"acked", "select " STREAM_COLUMNS ", array_to_string(e.acked, ' '), e.n, e.last"
	      " from orderbell.stream s cross join lateral (select"
	      "  array_agg(o.seq order by o.seq) filter (where o.acked_at is not null) as acked,"
	      "  count(*) as n, max(o.seq) as last"
	      "  from (select o.seq, o.acked_at from orderbell.order_event o"
	      "   where o.merchant_id = s.merchant_id and o.seq > $2::bigint"
	      "   order by o.seq limit 10000) o) e"
	      " where s.merchant_id = $1::bigint"},
    {"records",
	"select t.id, t.merchant_id, t.name, encode(t.token_hash, 'hex')"
	" from orderbell.terminal t where t.id = any($1::bigint[]) and t.revoked_at is null"},
    {"acks", "select count(*) from unnest($1::bigint[], $2::text[], $3::text[])"
	     " as a(merchant_id, seqs, by)"
	     " cross join lateral orderbell.ack(a.merchant_id, a.seqs::bigint[], a.by)"},
    {"alive", "select 1"}, {NULL, NULL}};

enum { COLUMN_MERCHANT, COLUMN_EPOCH, COLUMN_TOP, COLUMN_KEPT_FROM, COLUMN_REST };
enum { ACKED_N = COLUMN_REST + 1, ACKED_LAST, ACKED_EVENTS = 10000 /* as the statement says */ };
enum { RECORD_ID, RECORD_MERCHANT, RECORD_NAME, RECORD_HASH };

struct ledger_store {
	struct pgconn *db;
};

struct ledger_store *
ledger_store_new(const char *conninfo)
{
	struct ledger_store *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->db = pgconn_new(conninfo, "orderbell-ledger", session_sql, statements);
	if (s->db != NULL)
		return s;
	free(s);
	return NULL;
}

void
ledger_store_free(struct ledger_store *s)
{
	if (s == NULL)
		return;
	pgconn_free(s->db);
	free(s);
}

bool
ledger_store_is_up(const struct ledger_store *s)
{
	return pgconn_raw(s->db) != NULL;
}

int
ledger_store_retry_ms(const struct ledger_store *s)
{
	return pgconn_retry_ms(s->db);
}

/* Gives the rows, or NULL: then either the connection is gone, or the statement was refused. */
static PGresult *
ask(struct ledger_store *s, const char *statement, int n, const char *const *params)
{
	PGresult *res;

	if (!pgconn_ready(s->db, CONNECT_MS)) {
		log_warn("ledger has no database, will repeat: reason=\"%s\"", pgconn_error(s->db));
		return NULL;
	}
	res = pgconn_exec(s->db, statement, n, params, QUERY_MS);
	if (res != NULL && PQresultStatus(res) != PGRES_TUPLES_OK) {
		log_warn("query failed: statement=%s sqlstate=%s reason=\"%s\"", statement,
		    PQresultErrorField(res, PG_DIAG_SQLSTATE),
		    PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
		PQclear(res);
		return NULL;
	}
	return res;
}

void
ledger_store_keep_up(struct ledger_store *s)
{
	if (!ledger_store_is_up(s))
		(void)pgconn_ready(s->db, CONNECT_MS);
	else if (clock_ms() >= pgconn_heard_ms(s->db) + LIVENESS_MS)
		PQclear(ask(s, "alive", 0, NULL));
}

/* --- what a page is made of --- */

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
	while (p->n_open <= STAND_OPEN_MAX && pgarray_next(&seqs, &p->open[p->n_open]))
		p->n_open++;
}

/* Takes "3 4 9"; who acked them is not told. */
static void
take_acked(struct page *p, const char *seqs)
{
	int64_t some[ITEM_ACKS_MAX];

	for (;;) {
		size_t n = 0;

		while (n < ITEM_ACKS_MAX && pgarray_next(&seqs, &some[n]))
			n++;
		if (n == 0)
			return;
		p->items[p->n_items] = item_new_acked(p->merchant, some, n, "");
		if (p->items[p->n_items++] == NULL)
			abort();
	}
}

/* --- answers --- */

/* The ids that the questions name, as an array in `text`. */
static const char *
ids_of(struct question *const *asked, size_t n, char *text, size_t size)
{
	struct pgarray ids;

	pgarray_start(&ids, text, size);
	for (size_t i = 0; i < n; i++)
		pgarray_add(&ids,
		    asked[i]->sort == QUESTION_RECORD ? asked[i]->terminal : asked[i]->merchant);
	return pgarray_end(&ids);
}

/* Answers all those of the list that ask for an opening, in one query.  False: no database. */
static bool
answer_openings(struct ledger_store *s, struct question *const *asked, size_t n,
    const struct ledger_answers *answers)
{
	char text[PGARRAY_ROOM(QUESTIONS_BATCH)];
	const char *params[] = {ids_of(asked, n, text, sizeof text)};
	PGresult *res = ask(s, "opening", 1, params);

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
		answers->page(answers->arg, asked[i], p);
	}
	PQclear(res);
	return true;
}

/* The same for those that ask for a terminal's record. */
static bool
answer_records(struct ledger_store *s, struct question *const *asked, size_t n,
    const struct ledger_answers *answers)
{
	char text[PGARRAY_ROOM(QUESTIONS_BATCH)];
	const char *params[] = {ids_of(asked, n, text, sizeof text)};
	PGresult *res = ask(s, "records", 1, params);

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
		answers->record(answers->arg, asked[i], &record);
	}
	PQclear(res);
	return true;
}

static PGresult *
ask_for_page(struct ledger_store *s, const char *statement, const struct question *q)
{
	char merchant[ID_TEXT + 1], after[ID_TEXT + 1];
	const char *params[] = {merchant, after};

	snprintf(merchant, sizeof merchant, "%" PRId64, q->merchant);
	snprintf(after, sizeof after, "%" PRId64, q->after);
	return ask(s, statement, 2, params);
}

static bool
answer_acked(struct ledger_store *s, const struct question *q, const struct ledger_answers *answers)
{
	PGresult *res = ask_for_page(s, "acked", q);
	struct page *p;

	if (res == NULL)
		return false;
	p = new_page(q);
	p->last = q->after;
	if (PQntuples(res) > 0) {
		take_stream(p, res, 0);
		take_acked(p, PQgetvalue(res, 0, COLUMN_REST));
		p->is_last = row_int(res, 0, ACKED_N) < ACKED_EVENTS;
		p->last = p->is_last ? p->top : row_int(res, 0, ACKED_LAST);
	}
	PQclear(res);
	answers->page(answers->arg, q, p);
	return true;
}

static bool
answer_page(struct ledger_store *s, const struct question *q, bool plain_escape_html,
    const struct ledger_answers *answers)
{
	struct event_owner owner = {
	    .merchant = q->merchant, .plain_escape_html = plain_escape_html};
	PGresult *res = ask_for_page(s, q->kind == PAGE_UNACKED ? "unacked" : "events", q);
	struct page *p;

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
	answers->page(answers->arg, q, p);
	return true;
}

bool
ledger_store_answer(struct ledger_store *s, struct question *const *asked, size_t n,
    bool plain_escape_html, const struct ledger_answers *answers)
{
	if (asked[0]->sort == QUESTION_RECORD)
		return answer_records(s, asked, n, answers);
	if (asked[0]->kind == PAGE_OPENING)
		return answer_openings(s, asked, n, answers);
	if (asked[0]->kind == PAGE_ACKED)
		return answer_acked(s, asked[0], answers);
	return answer_page(s, asked[0], plain_escape_html, answers);
}

/* --- acks --- */

bool
ledger_store_ack(struct ledger_store *s, const struct ack *list)
{
	struct acksheet sheet;
	PGresult *res = NULL;
	bool is_kept;

	if (acksheet_init(&sheet, list)) {
		const char *params[] = {sheet.merchants, sheet.seqs, sheet.by};

		res = ask(s, "acks", 3, params);
	}
	is_kept = res != NULL;
	acksheet_fini(&sheet);
	PQclear(res);
	return is_kept;
}
