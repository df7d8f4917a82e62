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
	LIVENESS_MS = 5000,   /* the session is tried that often when nothing else is asked of it */
	QUERY_MS = 5000,      /* no answer within: the connection is given up */
	MERCHANTS_MAX = 1000, /* of one query */
	OPENINGS_MAX = 500,   /* merchants of a query that reads what is open */
	BEYOND_MAX = 8,       /* of one that reads what is open above the lowest: others wait */
	EVENTS_PER_MERCHANT = 250, /* of a query: see HUB_RING_ITEMS, and others wait for it */
	EVENTS_IN_ALL = 2000,
	INT64_TEXT = 21,
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
    /* The same of one merchant, which is the usual case by far: nothing but an index scan. */
    {"events of one", "select $1::bigint, " EVENT_ROW_COLUMNS " from orderbell.order_event e"
		      " where e.merchant_id = $1::bigint and e.seq > $2::bigint"
		      " order by e.seq limit $3::bigint"},
    /* The same as "streams", with what is open and whose tokens hold: null where no terminal has
       one. */
    {"openings",
	"select s.merchant_id, s.epoch || '-' || t.timeline, s.seq,"
	" array_to_string(array(select o.seq from orderbell.order_event o"
	"  where o.merchant_id = s.merchant_id and o.acked_at is null and o.seq is not null"
	"  order by o.seq limit $2::bigint), ' '),"
	" k.ids, s.kept_from from orderbell.stream s"
	" cross join (select orderbell.timeline() as timeline offset 0) t"
	" left join (select k.merchant_id, coalesce(string_agg(k.id::text, ' ')"
	"   filter (where k.revoked_at is null), '') as ids"
	"  from unnest($1::bigint[]) as w(merchant_id)"
	"  join orderbell.terminal k on k.merchant_id = w.merchant_id group by k.merchant_id) k"
	"  on k.merchant_id = s.merchant_id"
	" where s.merchant_id = any($1::bigint[])"},
    /* What is open behind one seq up to another.  A row for each that is asked for. */
    {"beyond",
	"select w.merchant_id, s.epoch || '-' || t.timeline, s.seq,"
	" array_to_string(array(select o.seq from orderbell.order_event o"
	"  where o.merchant_id = w.merchant_id and o.seq > w.after and o.seq <= w.upto"
	"  and o.acked_at is null order by o.seq limit $4::bigint), ' ')"
	" from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as w(merchant_id, after, upto)"
	" cross join (select orderbell.timeline() as timeline offset 0) t"
	" left join orderbell.stream s on s.merchant_id = w.merchant_id"},
    /* Of events that may be acked those that are.  If $3, they are known to have been there: then
       one that is not there any more counts as well.  If $4, only those that were acked just now.
     */
    {"acked", "select w.merchant_id, w.seq,"
	      " case when e.id is null then 'deleted' else coalesce(e.acked_by, '') end as by"
	      " from unnest($1::bigint[], $2::bigint[]) as w(merchant_id, seq)"
	      " left join orderbell.order_event e"
	      "  on e.merchant_id = w.merchant_id and e.seq = w.seq"
	      " where (e.acked_at is not null"
	      "   and (not $4::boolean or e.acked_at > now() - interval '5 minutes'))"
	      "  or (e.id is null and $3::boolean)"
	      " order by w.merchant_id, by, w.seq"},
    {"alive", "select 1"}, {NULL, NULL}};

/* Of "streams", and of "openings" all; of "beyond" the first four. */
enum {
	COLUMN_MERCHANT,
	COLUMN_EPOCH,
	COLUMN_TOP,
	COLUMN_OPEN,
	COLUMN_TERMINALS,
	COLUMN_KEPT_FROM,
};

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
	return res;
}

/* --- streams --- */

static bool
is_other(const struct watch *w, const char *epoch, int64_t top)
{
	return w->is_known && (strcmp(w->epoch, epoch) != 0 || top < w->last);
}

/* The numbers of a stream mean something else than they did: it is read as if for the first time,
 * with what is open. */
static void
start_anew(struct reader *r, struct watch *w, const char *epoch, int64_t top)
{
	log_warn("stream starts anew: merchant=%" PRId64 " epoch=%s top=%" PRId64
		 " old_epoch=%s old_top=%" PRId64,
	    w->merchant, epoch, top, w->epoch, w->last);
	metrics_add(r->metrics, METRIC_EPOCHS, 1);
	watch_forget_open(w);
	w->is_known = false;
	w->was_asked = true;
	r->watches->has_unknown = true;
}

/* Now it is known where a stream stands (and what is open there).  What was passed on of it already
 * is not again; of one that was made while it was watched, all is. */
static void
become_known(struct reader *r, struct watch *w, const char *epoch, int64_t top)
{
	struct stand stand;

	snprintf(w->epoch, sizeof w->epoch, "%s", epoch);
	if (top < w->last)
		w->last = top;
	w->is_known = true;
	w->was_asked = false;
	w->has_no_stream = false;
	if (w->open.is_cut)
		beyond_begin(&w->beyond, watch_lowest_end(w) + 1, w->last);
	stand = watch_stand(w);
	r->sink->stream(r->sink->arg, w->watchers, w->merchant, &stand);
}

/* Takes in where a stream stands. */
static void
take_stream(struct reader *r, const PGresult *res, int row)
{
	struct watch *w = watches_get(r->watches, row_int(res, row, COLUMN_MERCHANT));
	const char *epoch = PQgetvalue(res, row, COLUMN_EPOCH);
	int64_t top = row_int(res, row, COLUMN_TOP);

	if (w == NULL)
		return;
	if (is_other(w, epoch, top))
		start_anew(r, w, epoch, top);
	else if (w->has_no_stream)
		become_known(r, w, epoch, top); /* nothing was open there */
	if (top > w->last)
		watches_mark_dirty(r->watches, w);
}

bool
reader_compare(struct reader *r)
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
			if (!w->is_known && !w->has_no_stream)
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
		for (int row = 0; row < PQntuples(res); row++)
			take_stream(r, res, row);
		PQclear(res);
	}
	return true;
}

/* --- what is open --- */

/* Tells the terminals that some events of a merchant, rows in a row, were acked by somebody. */
static void
pass_on_acked(struct reader *r, const PGresult *res, int row, int n)
{
	int64_t merchant = row_int(res, row, 0), seqs[READER_ACKS_MAX];
	struct watch *w = watches_get(r->watches, merchant);

	for (int i = 0; i < n; i++) {
		seqs[i] = row_int(res, row + i, 1);
		if (w != NULL)
			watch_note_acked(w, seqs[i]);
	}
	reader_pass_on(r, item_new_acked(merchant, seqs, (size_t)n, PQgetvalue(res, row, 2)));
	metrics_add(r->metrics, METRIC_ACKED, n);
}

/* Why it is looked up whether events are acked. */
enum suspicion {
	SAID,  /* somebody says so */
	OPEN,  /* they were un-acked and are not any more */
	OTHER, /* they are not un-acked, and perhaps were so before anybody was told of them */
};

/* Looks up what was noted, all of it for the same reason. */
static bool
look_up(struct reader *r, enum suspicion why)
{
	struct reader_acks *a = &r->acks;
	const char *params[] = {NULL, NULL, why == OPEN ? "t" : "f", why == OTHER ? "t" : "f"};
	PGresult *res;

	if (a->n == 0)
		return true;
	params[0] = pgarray_end(&a->merchants);
	params[1] = pgarray_end(&a->seqs);
	a->n = 0;
	res = ask(r, "acked", 4, params);
	if (res == NULL)
		return false; /* after the reconnect all that is open is read anew */
	if (why == OPEN)
		metrics_add(r->metrics, METRIC_ACKS_UNHEARD, PQntuples(res));
	/* An item for each merchant and `by`: the rows are ordered by them. */
	for (int row = 0, n; row < PQntuples(res); row += n) {
		for (n = 1; row + n < PQntuples(res); n++) {
			if (strcmp(PQgetvalue(res, row, 0), PQgetvalue(res, row + n, 0)) != 0 ||
			    strcmp(PQgetvalue(res, row, 2), PQgetvalue(res, row + n, 2)) != 0)
				break;
		}
		pass_on_acked(r, res, row, n);
	}
	PQclear(res);
	return true;
}

static bool
note(struct reader *r, int64_t merchant, int64_t seq, enum suspicion why)
{
	struct reader_acks *a = &r->acks;

	if (a->n == 0) {
		pgarray_start(&a->merchants, a->merchants_text, sizeof a->merchants_text);
		pgarray_start(&a->seqs, a->seqs_text, sizeof a->seqs_text);
	}
	pgarray_add(&a->merchants, merchant);
	pgarray_add(&a->seqs, seq);
	return ++a->n < READER_ACKS_MAX || look_up(r, why);
}

bool
reader_note_ack(struct reader *r, int64_t merchant, int64_t seq)
{
	return note(r, merchant, seq, SAID);
}

bool
reader_look_up_acks(struct reader *r)
{
	return look_up(r, SAID);
}

/* Of what terminals hold for un-acked, that which is not any more, is told.  What is known stays as
 * it is until then: if the connection is lost meanwhile, nothing is forgotten. */
static bool
tell_gone(struct reader *r, const PGresult *res)
{
	int64_t gone[OPENSET_MAX];

	for (int row = 0; row < PQntuples(res); row++) {
		const struct watch *w = watches_get(r->watches, row_int(res, row, COLUMN_MERCHANT));
		size_t n;

		if (w == NULL || !w->is_known ||
		    is_other(w, PQgetvalue(res, row, COLUMN_EPOCH), row_int(res, row, COLUMN_TOP)))
			continue;
		opening_read(&r->now, PQgetvalue(res, row, COLUMN_OPEN));
		n = openset_gone(&w->open, &r->now, gone);
		for (size_t i = 0; i < n; i++) {
			if (!note(r, w->merchant, gone[i], OPEN))
				return false;
		}
	}
	return look_up(r, OPEN);
}

/* Reads "3 4 9" into r->ids; gives how many. */
static size_t
read_ids(struct reader *r, const char *text)
{
	size_t n = 0;

	for (int64_t id; pgarray_next(&text, &id);) {
		if (n == r->ids_room) {
			r->ids_room = n == 0 ? 16 : n * 2;
			r->ids = realloc(r->ids, r->ids_room * sizeof *r->ids);
			if (r->ids == NULL)
				abort(); /* one that is left out would be taken for revoked */
		}
		r->ids[n++] = id;
	}
	return n;
}

static void
tell_terminals(struct reader *r, struct watch *w, const PGresult *res, int row)
{
	bool has_terminals = !PQgetisnull(res, row, COLUMN_TERMINALS);
	size_t n = read_ids(r, PQgetvalue(res, row, COLUMN_TERMINALS));

	if (r->sink->terminals != NULL && (has_terminals || w->has_terminals))
		r->sink->terminals(r->sink->arg, w->watchers, w->merchant, r->ids, n);
	w->has_terminals = has_terminals;
}

/* Takes in what is open.  False: all that was known, and told. */
static bool
take_open(struct reader *r, struct watch *w, const PGresult *res, int row)
{
	int64_t kept_from = row_int(res, row, COLUMN_KEPT_FROM);
	bool was_known = w->is_open_sure && w->kept_from == kept_from;

	opening_read(&r->now, PQgetvalue(res, row, COLUMN_OPEN));
	was_known = was_known && openset_is(&w->open, &r->now);
	watch_set_open(w, &r->now);
	if (w->beyond.is_looking)
		r->watches->has_beyond = true;
	w->kept_from = kept_from;
	w->is_open_sure = !r->is_deaf;
	return !was_known;
}

static void
tell_open(struct reader *r, const struct watch *w)
{
	const struct stand stand = watch_stand(w);

	if (r->sink->open != NULL)
		r->sink->open(r->sink->arg, w->watchers, w->merchant, &stand);
}

static void
take_opening(struct reader *r, const PGresult *res, int row)
{
	struct watch *w = watches_get(r->watches, row_int(res, row, COLUMN_MERCHANT));
	const char *epoch = PQgetvalue(res, row, COLUMN_EPOCH);
	int64_t top = row_int(res, row, COLUMN_TOP);
	bool is_news;

	if (w == NULL)
		return;
	if (is_other(w, epoch, top))
		start_anew(r, w, epoch, top);
	is_news = take_open(r, w, res, row);
	if (!w->is_known)
		become_known(r, w, epoch, top);
	else if (is_news)
		tell_open(r, w);
	tell_terminals(r, w, res, row);
	if (top > w->last)
		watches_mark_dirty(r->watches, w);
}

static bool
read_openings(struct reader *r, struct pgarray *merchants)
{
	char most[12];
	const char *params[] = {pgarray_end(merchants), most};
	PGresult *res;
	bool ok;

	snprintf(most, sizeof most, "%d", OPENSET_MAX + 1); /* one more says: and more */
	res = ask(r, "openings", 2, params);
	if (res == NULL)
		return false;
	ok = tell_gone(r, res);
	for (int row = 0; ok && row < PQntuples(res); row++)
		take_opening(r, res, row);
	PQclear(res);
	return ok;
}

/* A merchant without a stream row (nobody made it yet): its stream is empty and has no name.  It is
 * told so, and asked about again with every poll. */
static void
answer_the_unknown(struct reader *r)
{
	const struct stand none = {.epoch = "none", .kept_from = 1, .knows_open = !r->is_deaf};
	size_t at = 0;
	struct watch *w;

	r->watches->has_unknown = false;
	while ((w = watches_next(r->watches, &at)) != NULL) {
		if (w->was_asked) {
			w->was_asked = false;
			w->has_no_stream = true;
			w->last = 0;
			watch_forget_open(w);
			w->kept_from = 1;
			w->is_open_sure = none.knows_open;
			r->sink->stream(r->sink->arg, w->watchers, w->merchant, &none);
		}
	}
}

static bool
is_unknown(const struct watch *w, int64_t now_ms)
{
	(void)now_ms;
	return !w->is_known && !w->has_no_stream;
}

static bool
is_due(const struct watch *w, int64_t now_ms)
{
	return w->is_known && now_ms >= w->reread_at_ms;
}

/* Takes the next of such watches, from *at on, as many as one query may be about; gives how many.
 */
static int
take_some(struct reader *r, bool (*is_one)(const struct watch *w, int64_t now_ms), size_t *at,
    struct pgarray *merchants)
{
	int64_t now_ms = clock_ms();
	struct watch *w;
	int n = 0;

	while (n < OPENINGS_MAX && (w = watches_next(r->watches, at)) != NULL) {
		if (!is_one(w, now_ms))
			continue;
		w->reread_at_ms = now_ms + r->reread_ms;
		pgarray_add(merchants, w->merchant);
		n++;
	}
	return n;
}

bool
reader_unknown(struct reader *r)
{
	char text[PGARRAY_ROOM(OPENINGS_MAX)];
	struct pgarray merchants;
	size_t at = 0;

	for (;;) {
		pgarray_start(&merchants, text, sizeof text);
		if (take_some(r, is_unknown, &at, &merchants) == 0)
			break;
		if (!read_openings(r, &merchants))
			return false;
	}
	answer_the_unknown(r);
	return true;
}

bool
reader_reread(struct reader *r)
{
	char text[PGARRAY_ROOM(OPENINGS_MAX)];
	struct pgarray merchants;
	size_t at = 0;
	int n;

	pgarray_start(&merchants, text, sizeof text);
	n = take_some(r, is_due, &at, &merchants);
	r->watches->has_due = n == OPENINGS_MAX;
	return n == 0 || read_openings(r, &merchants);
}

/* --- what is open above the lowest --- */

/* Who has his turn, at most BEYOND_MAX; gives how many. */
static size_t
take_turns(struct reader *r, struct watch **taken)
{
	struct watches *ws = r->watches;
	struct watch *w;
	size_t n = 0;

	while (n < BEYOND_MAX && (w = watches_next(ws, &r->beyond_at)) != NULL) {
		if (w->is_known && w->beyond.is_looking)
			taken[n++] = w;
	}
	if (n < BEYOND_MAX)
		r->beyond_at = 0;
	return n;
}

/* Takes in a page of one of them. */
static bool
take_page(struct reader *r, struct watch *w, const PGresult *res, int row)
{
	int64_t gone[OPENSET_MAX];
	enum suspicion why = w->beyond.is_first ? OTHER : OPEN;
	size_t n;

	if (is_other(w, PQgetvalue(res, row, COLUMN_EPOCH), row_int(res, row, COLUMN_TOP))) {
		beyond_look_away(&w->beyond); /* it is about to start anew */
		return true;
	}
	opening_read(&r->now, PQgetvalue(res, row, COLUMN_OPEN));
	n = beyond_take(&w->beyond, &r->now, watch_lowest_end(w), w->last, gone);
	for (size_t i = 0; i < n; i++) {
		if (!note(r, w->merchant, gone[i], why))
			return false;
	}
	if (!look_up(r, why))
		return false;
	for (size_t i = 0; why == OTHER && i < n; i++)
		beyond_remove(&w->beyond, gone[i]);
	return true;
}

static PGresult *
ask_beyond(struct reader *r, struct watch *const *taken, size_t n)
{
	char texts[3][PGARRAY_ROOM(BEYOND_MAX)], most[12];
	struct pgarray merchants, afters, uptos;
	const char *params[4] = {NULL, NULL, NULL, most};

	pgarray_start(&merchants, texts[0], sizeof texts[0]);
	pgarray_start(&afters, texts[1], sizeof texts[1]);
	pgarray_start(&uptos, texts[2], sizeof texts[2]);
	for (size_t i = 0; i < n; i++) {
		pgarray_add(&merchants, taken[i]->merchant);
		pgarray_add(&afters, taken[i]->beyond.at);
		pgarray_add(&uptos, taken[i]->last);
	}
	params[0] = pgarray_end(&merchants);
	params[1] = pgarray_end(&afters);
	params[2] = pgarray_end(&uptos);
	snprintf(most, sizeof most, "%d", OPENSET_MAX + 1);
	return ask(r, "beyond", 4, params);
}

bool
reader_beyond(struct reader *r)
{
	struct watch *taken[BEYOND_MAX];
	bool was_start = r->beyond_at == 0, ok = true;
	size_t n = take_turns(r, taken);
	PGresult *res;

	/* The walk has come to its end: whoever was before has had his turn. */
	r->watches->has_beyond = n > 0 || !was_start;
	if (n == 0)
		return true;
	res = ask_beyond(r, taken, n);
	if (res == NULL)
		return false;
	for (int row = 0; ok && row < PQntuples(res); row++) {
		struct watch *w = watches_get(r->watches, row_int(res, row, COLUMN_MERCHANT));

		assert(w != NULL);
		ok = take_page(r, w, res, row);
	}
	PQclear(res);
	return ok;
}

/* --- events --- */

void
reader_pass_on(struct reader *r, struct item *it)
{
	const struct watch *w;

	if (it == NULL)
		abort();
	w = watches_get(r->watches, item_merchant(it));
	if (item_merchant(it) == 0)
		r->sink->item_to_all(r->sink->arg, it);
	else if (w != NULL)
		r->sink->item(r->sink->arg, w->watchers, it);
	item_release(it);
}

static void
take_event(struct reader *r, struct watch *w, const PGresult *res, int row)
{
	const struct event_owner owner = {w->merchant, w->epoch, r->options->plain_escape_html};
	struct item *it = event_row_item(res, row, 1, &owner);

	w->last = row_int(res, row, 1);
	/* Also one that is acked already: a terminal may have read it before it was.  So until what
	 * is open is read again it is not just that. */
	watch_note_open(w, w->last);
	if (item_is_acked(it))
		w->is_open_sure = false;
	metrics_add(r->metrics, METRIC_EVENTS, 1);
	reader_pass_on(r, it);
}

static PGresult *
ask_one(struct reader *r, const struct watch *w)
{
	char id[INT64_TEXT], last[INT64_TEXT], most[INT64_TEXT];
	const char *params[] = {id, last, most};

	snprintf(id, sizeof id, "%" PRId64, w->merchant);
	snprintf(last, sizeof last, "%" PRId64, w->last);
	snprintf(most, sizeof most, "%d", EVENTS_PER_MERCHANT);
	pgconn_hurry(r->db);
	return ask(r, "events of one", 3, params);
}

static PGresult *
ask_several(struct reader *r, struct watch *const *asked, size_t n)
{
	char ids_text[PGARRAY_ROOM(MERCHANTS_MAX)], lasts_text[PGARRAY_ROOM(MERCHANTS_MAX)];
	char most[INT64_TEXT], in_all[INT64_TEXT];
	const char *params[] = {NULL, NULL, most, in_all};
	struct pgarray ids, lasts;

	snprintf(most, sizeof most, "%d", EVENTS_PER_MERCHANT);
	snprintf(in_all, sizeof in_all, "%d", EVENTS_IN_ALL);
	pgarray_start(&ids, ids_text, sizeof ids_text);
	pgarray_start(&lasts, lasts_text, sizeof lasts_text);
	for (size_t i = 0; i < n; i++) {
		if (!asked[i]->is_known)
			continue; /* its stream is gone */
		pgarray_add(&ids, asked[i]->merchant);
		pgarray_add(&lasts, asked[i]->last);
	}
	params[0] = pgarray_end(&ids);
	params[1] = pgarray_end(&lasts);
	return ask(r, "events", 4, params);
}

bool
reader_events(struct reader *r)
{
	struct watch *asked[MERCHANTS_MAX];
	size_t n = watches_take_dirty(r->watches, asked, MERCHANTS_MAX), last = 0;
	PGresult *res;

	if (n == 0)
		return true; /* all were held */
	res = n == 1 && asked[0]->is_known ? ask_one(r, asked[0]) : ask_several(r, asked, n);
	if (res == NULL)
		return false; /* after the reconnect every stream is compared anew */
	for (int row = 0; row < PQntuples(res); row++) {
		struct watch *w = watches_get(r->watches, row_int(res, row, 0));

		assert(w != NULL);
		take_event(r, w, res, row);
		while (last + 1 < n && asked[last] != w)
			last++; /* they come as they were asked for */
	}
	/* A limit was reached: there may be more, and those behind the last have had nothing. */
	if (PQntuples(res) >= EVENTS_PER_MERCHANT)
		watches_put_back(r->watches, asked, n, last + 1);
	PQclear(res);
	return true;
}

/* --- life --- */

bool
reader_alive(struct reader *r)
{
	PGresult *res;

	if (clock_ms() < pgconn_heard_ms(r->db) + LIVENESS_MS)
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
	    .options = options,
	    .sink = sink,
	    .watches = watches,
	    .metrics = metrics,
	};
	r->db = pgconn_new(options->conninfo, "orderbell-notifier", session_sql, statements);
	if (r->db == NULL)
		return false;
	pgconn_keep_notifications(r->db);
	return true;
}

void
reader_fini(struct reader *r)
{
	pgconn_free(r->db);
	free(r->ids);
}
