#include "notifier/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/event_row.h"
#include "notifier/pgarray.h"
#include "shared/clock.h"
#include "shared/log.h"

enum {
	LIVENESS_MS = 10000,  /* the session is tried that often when nothing else is asked of it */
	QUERY_MS = 5000,      /* no answer within: the connection is given up */
	MERCHANTS_MAX = 1000, /* of one query */
	EVENTS_PER_MERCHANT = 1000,
	ACKED_MAX = 1000, /* rows of one answer */
};

static const char session_sql[] =
    "set client_encoding = 'UTF8'; set statement_timeout = 5000; set default_transaction_read_only"
    " = off; listen order_events; listen order_control";

static const struct pgconn_statement statements[] = {
    {"streams",
	/* The timeline is asked for once and not for each row. */
	"select s.merchant_id, s.epoch || '-' || t.timeline, s.seq from orderbell.stream s"
	" cross join (select orderbell.timeline() as timeline offset 0) t"
	" where s.merchant_id = any($1::bigint[])"},
    {"events", "select w.merchant_id, " EVENT_ROW_COLUMNS
	       " from unnest($1::bigint[], $2::bigint[]) as w(merchant_id, last)"
	       " cross join lateral (select " EVENT_ROW_SOURCE " from orderbell.order_event o"
	       "  where o.merchant_id = w.merchant_id and o.seq > w.last"
	       "  order by o.seq limit $3::bigint) e"
	       " limit $4::bigint"},
    {"acked",
	"select e.seq, e.acked_by from orderbell.order_event e where e.merchant_id = $1::bigint"
	" and e.acked_at is not null and (e.seq = any($2::bigint[]) or ($2::bigint[] = '{}'"
	" and e.acked_at > clock_timestamp() - interval '10 seconds'))"
	" order by e.acked_by, e.seq limit 1000"},
    {"alive", "select 1"}, {NULL, NULL}};

/* Runs a statement that gives rows.  NULL when it did not: then the connection is given up. */
static PGresult *
ask(struct reader *r, const char *statement, int n, const char *const *params)
{
	PGresult *res = pgconn_exec(r->db, statement, n, params, QUERY_MS);

	if (res != NULL && PQresultStatus(res) != PGRES_TUPLES_OK) {
		log_warn("query failed, will reconnect: statement=%s reason=\"%s\"", statement,
		    PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
		PQclear(res);
		pgconn_drop(r->db);
		return NULL;
	}
	r->next_alive_ms = clock_ms() + LIVENESS_MS;
	return res;
}

/* --- streams --- */

/* Takes in where a stream stands. */
static void
take_stream(struct reader *r, struct watch *w, const char *epoch, int64_t top)
{
	bool is_other = w->is_known && (strcmp(w->epoch, epoch) != 0 || top < w->last);

	if (is_other) {
		log_warn("stream starts anew: merchant=%" PRId64 " epoch=%s top=%" PRId64
			 " old_epoch=%s old_top=%" PRId64,
		    w->merchant, epoch, top, w->epoch, w->last);
		metrics_add(r->metrics, METRIC_EPOCHS, 1);
	}
	if (!w->is_known || is_other) {
		snprintf(w->epoch, sizeof w->epoch, "%s", epoch);
		/* A stream that was made while it was watched is heard from its first event on. */
		w->last = w->has_no_stream ? 0 : top;
		w->is_known = true;
	}
	if (w->was_asked || is_other || w->has_no_stream)
		r->sink->stream(r->sink->arg, w->merchant, w->epoch, w->last);
	w->was_asked = false;
	w->has_no_stream = false;
	if (top > w->last)
		watches_mark_dirty(r->watches, w);
}

/* A merchant without a stream row (nobody made it yet): its stream is empty and has no name.  It is
 * told so, and asked about again with every poll. */
static void
answer_the_unknown(struct reader *r)
{
	size_t at = 0;
	struct watch *w;

	r->watches->has_unknown = false;
	while ((w = watches_next(r->watches, &at)) != NULL) {
		if (w->was_asked) {
			w->was_asked = false;
			w->has_no_stream = true;
			r->sink->stream(r->sink->arg, w->merchant, "none", 0);
		}
	}
}

bool
reader_streams(struct reader *r, bool only_unknown)
{
	char text[PGARRAY_ROOM(MERCHANTS_MAX)];
	size_t at = 0;

	for (struct watch *w = watches_next(r->watches, &at); w != NULL;) {
		struct pgarray ids;
		const char *params[1];
		PGresult *res;
		int n = 0;

		pgarray_start(&ids, text, sizeof text);
		for (; w != NULL && n < MERCHANTS_MAX; w = watches_next(r->watches, &at)) {
			if (only_unknown && w->is_known)
				continue;
			pgarray_add(&ids, w->merchant);
			n++;
		}
		if (n == 0)
			break;
		params[0] = pgarray_end(&ids);
		res = ask(r, "streams", 1, params);
		if (res == NULL)
			return false;
		for (int row = 0; row < PQntuples(res); row++) {
			struct watch *found = watches_get(r->watches, row_int(res, row, 0));

			if (found != NULL)
				take_stream(
				    r, found, PQgetvalue(res, row, 1), row_int(res, row, 2));
		}
		PQclear(res);
	}
	answer_the_unknown(r);
	return true;
}

/* --- events --- */

void
reader_pass_on(struct reader *r, struct item *it)
{
	if (it == NULL)
		abort();
	if (item_merchant(it) == 0)
		r->sink->item_to_all(r->sink->arg, it);
	else
		r->sink->item(r->sink->arg, it);
	item_release(it);
}

static void
take_event(struct reader *r, struct watch *w, const PGresult *res, int row)
{
	const struct event_owner owner = {w->merchant, w->epoch, r->plain_escape_html};
	struct item *it = event_row_item(res, row, 1, &owner);

	w->last = row_int(res, row, 1);
	metrics_add(r->metrics, METRIC_EVENTS, 1);
	reader_pass_on(r, it);
}

bool
reader_events(struct reader *r)
{
	static const char per_merchant[] = "1000", in_all[] = "5000";
	char ids_text[PGARRAY_ROOM(MERCHANTS_MAX)], lasts_text[PGARRAY_ROOM(MERCHANTS_MAX)];
	struct pgarray ids, lasts;
	const char *params[4] = {NULL, NULL, per_merchant, in_all};
	struct watch *asked[MERCHANTS_MAX];
	size_t n = watches_take_dirty(r->watches, asked, MERCHANTS_MAX);
	PGresult *res;
	bool is_full;

	pgarray_start(&ids, ids_text, sizeof ids_text);
	pgarray_start(&lasts, lasts_text, sizeof lasts_text);
	for (size_t i = 0; i < n; i++) {
		pgarray_add(&ids, asked[i]->merchant);
		pgarray_add(&lasts, asked[i]->last);
	}
	params[0] = pgarray_end(&ids);
	params[1] = pgarray_end(&lasts);
	res = ask(r, "events", 4, params);
	if (res == NULL)
		return false; /* after the reconnect every stream is compared anew */
	for (int row = 0; row < PQntuples(res); row++) {
		struct watch *w = watches_get(r->watches, row_int(res, row, 0));

		assert(w != NULL);
		take_event(r, w, res, row);
	}
	/* A limit was reached: there may be more. */
	is_full = PQntuples(res) >= EVENTS_PER_MERCHANT;
	for (size_t i = 0; is_full && i < n; i++)
		watches_mark_dirty(r->watches, asked[i]);
	PQclear(res);
	return true;
}

/* --- acks --- */

/* Tells the terminals, an item for each `by`: the rows are ordered by it. */
static void
pass_on_acked(struct reader *r, int64_t merchant, const PGresult *res)
{
	int64_t seqs[ACKED_MAX];
	size_t n = 0;

	for (int row = 0; row < PQntuples(res); row++) {
		const char *by = PQgetvalue(res, row, 1);

		seqs[n++] = row_int(res, row, 0);
		if (n < ACKED_MAX && row + 1 < PQntuples(res) &&
		    strcmp(by, PQgetvalue(res, row + 1, 1)) == 0)
			continue;
		reader_pass_on(r, item_new_acked(merchant, seqs, n, by));
		metrics_add(r->metrics, METRIC_ACKED, (int64_t)n);
		n = 0;
	}
}

bool
reader_acked(struct reader *r, int64_t merchant, const char *seqs)
{
	char id[24];
	const char *params[2] = {id, seqs};
	PGresult *res;

	snprintf(id, sizeof id, "%" PRId64, merchant);
	res = ask(r, "acked", 2, params);
	if (res == NULL)
		return false;
	pass_on_acked(r, merchant, res);
	PQclear(res);
	return true;
}

/* --- life --- */

bool
reader_alive(struct reader *r)
{
	PGresult *res;

	if (clock_ms() < r->next_alive_ms)
		return true;
	res = ask(r, "alive", 0, NULL);
	PQclear(res);
	return res != NULL;
}

bool
reader_init(struct reader *r, const struct listener_options *options,
    const struct listener_sink *sink, struct watches *watches, struct metrics *metrics)
{
	*r = (struct reader){
	    .sink = sink,
	    .watches = watches,
	    .metrics = metrics,
	    .plain_escape_html = options->plain_escape_html,
	};
	r->db = pgconn_new(options->conninfo, "orderbell-notifier", session_sql, statements);
	return r->db != NULL;
}

void
reader_fini(struct reader *r)
{
	pgconn_free(r->db);
}
