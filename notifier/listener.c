#include "notifier/listener.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "notifier/bell.h"
#include "notifier/event_row.h"
#include "notifier/hub.h"
#include "notifier/idmap.h"
#include "notifier/pgarray.h"
#include "shared/clock.h"
#include "shared/json.h"
#include "shared/log.h"
#include "shared/pgconn.h"

enum {
	POLL_MS = 1000,      /* streams are compared that often, bell or no bell */
	LIVENESS_MS = 10000, /* the session is tried that often when nothing else is asked of it */
	QUERY_MS = 5000,     /* no answer within: the connection is given up */
	CONNECT_MS = 5000,
	MERCHANTS_MAX = 1000, /* of one query */
	EVENTS_PER_MERCHANT = 1000,
	CONTROL_SEQS_MAX = 1000,
	EVENTS_MAX = 5000, /* of one query */
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
    /* Of the seqs that somebody says were acked, those that are.  Without seqs: the latest. */
    {"acked",
	"select e.seq, e.acked_by from orderbell.order_event e where e.merchant_id = $1::bigint"
	" and e.acked_at is not null and (e.seq = any($2::bigint[]) or ($2::bigint[] = '{}'"
	" and e.acked_at > clock_timestamp() - interval '10 seconds'))"
	" order by e.acked_by, e.seq limit 1000"},
    {"alive", "select 1"}, {NULL, NULL}};

/* A merchant that is watched. */
struct watch {
	int64_t merchant;
	int64_t last; /* seq of the last event passed on */
	char epoch[HUB_EPOCH_MAX + 1];
	unsigned n_watchers;
	bool is_known;      /* its stream was read */
	bool is_dirty;      /* may have events beyond `last`: is in the list of those */
	bool was_asked;     /* somebody waits to hear where the stream stands */
	bool has_no_stream; /* there was no row for it when it was read last */
};

/* What other threads ask for: +merchant to watch it, -merchant to unwatch. */
struct wishes {
	int64_t *ids;
	size_t n, room;
};

struct listener {
	const struct listener_options *options;
	const struct listener_sink *sink;
	struct metrics *metrics;
	struct pgconn *db;
	struct idmap watches;
	struct watch **dirty; /* room for all watches */
	size_t n_dirty, dirty_room;
	int64_t next_poll_ms, next_alive_ms;
	bool is_connected, must_compare, has_unknown;
	pthread_t thread;
	bool is_running;
	int wake_fd;
	atomic_bool is_stopping, is_ready;
	pthread_mutex_t wishes_lock;
	struct wishes wishes;
};

/* --- what other threads call --- */

static void
wake(struct listener *l)
{
	uint64_t one = 1;

	/* A full counter wakes as well. */
	if (write(l->wake_fd, &one, sizeof one) < 0)
		assert(errno == EAGAIN);
}

static void
wish(struct listener *l, int64_t id)
{
	struct wishes *w = &l->wishes;

	pthread_mutex_lock(&l->wishes_lock);
	if (w->n == w->room) {
		size_t room = w->room == 0 ? 64 : w->room * 2;
		int64_t *ids = realloc(w->ids, room * sizeof *ids);

		if (ids == NULL)
			abort(); /* a watch that is forgotten would lose orders in silence */
		w->ids = ids;
		w->room = room;
	}
	w->ids[w->n++] = id;
	pthread_mutex_unlock(&l->wishes_lock);
	wake(l);
}

void
listener_watch(struct listener *l, int64_t merchant)
{
	wish(l, merchant);
}

void
listener_unwatch(struct listener *l, int64_t merchant)
{
	wish(l, -merchant);
}

bool
listener_is_ready(const struct listener *l)
{
	return atomic_load(&l->is_ready);
}

/* --- watches --- */

static void
mark_dirty(struct listener *l, struct watch *w)
{
	if (w->is_dirty || !w->is_known)
		return;
	w->is_dirty = true;
	l->dirty[l->n_dirty++] = w;
}

static void
start_watch(struct listener *l, int64_t merchant)
{
	struct watch *w = idmap_get(&l->watches, merchant);

	if (w == NULL) {
		w = calloc(1, sizeof *w);
		if (w == NULL || !idmap_put(&l->watches, merchant, w))
			abort();
		w->merchant = merchant;
	}
	if (l->watches.n > l->dirty_room) {
		l->dirty_room = l->watches.n * 2;
		l->dirty = realloc(l->dirty, l->dirty_room * sizeof(struct watch *));
		if (l->dirty == NULL)
			abort();
	}
	w->n_watchers++;
	if (w->is_known) {
		l->sink->stream(l->sink->arg, merchant, w->epoch, w->last);
		return;
	}
	w->was_asked = true;
	l->has_unknown = true;
}

static void
end_watch(struct listener *l, int64_t merchant)
{
	struct watch *w = idmap_get(&l->watches, merchant);

	if (w == NULL || --w->n_watchers > 0)
		return;
	for (size_t i = 0; w->is_dirty && i < l->n_dirty; i++) {
		if (l->dirty[i] == w) {
			l->dirty[i] = l->dirty[--l->n_dirty];
			break;
		}
	}
	idmap_remove(&l->watches, merchant);
	free(w);
}

static void
take_wishes(struct listener *l)
{
	struct wishes taken;

	pthread_mutex_lock(&l->wishes_lock);
	taken = l->wishes;
	l->wishes = (struct wishes){0};
	pthread_mutex_unlock(&l->wishes_lock);
	for (size_t i = 0; i < taken.n; i++) {
		if (taken.ids[i] > 0)
			start_watch(l, taken.ids[i]);
		else
			end_watch(l, -taken.ids[i]);
	}
	free(taken.ids);
	metrics_set(l->metrics, METRIC_WATCHED, (int64_t)l->watches.n);
}

/* --- queries --- */

/* Runs a statement that gives rows.  NULL when it did not: then the connection is given up. */
static PGresult *
ask(struct listener *l, const char *statement, int n, const char *const *params)
{
	PGresult *res = pgconn_exec(l->db, statement, n, params, QUERY_MS);

	if (res != NULL && PQresultStatus(res) != PGRES_TUPLES_OK) {
		log_warn("query failed, will reconnect: statement=%s reason=\"%s\"", statement,
		    PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
		PQclear(res);
		pgconn_drop(l->db);
		return NULL;
	}
	l->next_alive_ms = clock_ms() + LIVENESS_MS;
	return res;
}

/* Takes in where a stream stands. */
static void
take_stream(struct listener *l, struct watch *w, const char *epoch, int64_t top)
{
	bool is_other = w->is_known && (strcmp(w->epoch, epoch) != 0 || top < w->last);

	if (is_other) {
		log_warn("stream starts anew: merchant=%" PRId64 " epoch=%s top=%" PRId64
			 " old_epoch=%s old_top=%" PRId64,
		    w->merchant, epoch, top, w->epoch, w->last);
		metrics_add(l->metrics, METRIC_EPOCHS, 1);
	}
	if (!w->is_known || is_other) {
		snprintf(w->epoch, sizeof w->epoch, "%s", epoch);
		/* A stream that was made while it was watched is heard from its first event on. */
		w->last = w->has_no_stream ? 0 : top;
		w->is_known = true;
	}
	if (w->was_asked || is_other || w->has_no_stream)
		l->sink->stream(l->sink->arg, w->merchant, w->epoch, w->last);
	w->was_asked = false;
	w->has_no_stream = false;
	if (top > w->last)
		mark_dirty(l, w);
}

/* Reads the streams of those watches that are `wanted`.  False: the connection was lost. */
static bool
read_streams(struct listener *l, bool only_unknown)
{
	char text[PGARRAY_ROOM(MERCHANTS_MAX)];
	size_t at = 0;

	for (struct watch *w = idmap_next(&l->watches, &at); w != NULL;) {
		struct pgarray ids;
		const char *params[1];
		PGresult *res;
		int n = 0;

		pgarray_start(&ids, text, sizeof text);
		for (; w != NULL && n < MERCHANTS_MAX; w = idmap_next(&l->watches, &at)) {
			if (only_unknown && w->is_known)
				continue;
			pgarray_add(&ids, w->merchant);
			n++;
		}
		if (n == 0)
			break;
		params[0] = pgarray_end(&ids);
		res = ask(l, "streams", 1, params);
		if (res == NULL)
			return false;
		for (int row = 0; row < PQntuples(res); row++) {
			struct watch *found = idmap_get(&l->watches, row_int(res, row, 0));

			if (found != NULL)
				take_stream(
				    l, found, PQgetvalue(res, row, 1), row_int(res, row, 2));
		}
		PQclear(res);
	}
	return true;
}

/* A merchant without a stream row (nobody made it yet): its stream is empty and has no name.  It is
 * told so, and asked about again with every poll. */
static void
answer_the_unknown(struct listener *l)
{
	size_t at = 0;
	struct watch *w;

	l->has_unknown = false;
	while ((w = idmap_next(&l->watches, &at)) != NULL) {
		if (w->was_asked) {
			w->was_asked = false;
			w->has_no_stream = true;
			l->sink->stream(l->sink->arg, w->merchant, "none", 0);
		}
	}
}

/* Passes an item on and lets go of it.  Out of memory is no reason to skip an order. */
static void
pass_on(struct listener *l, struct item *it)
{
	if (it == NULL)
		abort();
	if (item_merchant(it) == 0)
		l->sink->item_to_all(l->sink->arg, it);
	else
		l->sink->item(l->sink->arg, it);
	item_release(it);
}

static void
take_event(struct listener *l, struct watch *w, const PGresult *res, int row)
{
	const struct event_owner owner = {w->merchant, w->epoch, l->options->plain_escape_html};
	struct item *it = event_row_item(res, row, 1, &owner);

	w->last = row_int(res, row, 1);
	metrics_add(l->metrics, METRIC_EVENTS, 1);
	pass_on(l, it);
}

/* Reads the next events of the first merchants of the dirty list.  False: the connection was lost.
 */
static bool
read_events(struct listener *l)
{
	static const char per_merchant[] = "1000", in_all[] = "5000";
	char ids_text[PGARRAY_ROOM(MERCHANTS_MAX)], lasts_text[PGARRAY_ROOM(MERCHANTS_MAX)];
	struct pgarray ids, lasts;
	const char *params[4] = {NULL, NULL, per_merchant, in_all};
	size_t n = l->n_dirty < MERCHANTS_MAX ? l->n_dirty : MERCHANTS_MAX;
	struct watch *asked[MERCHANTS_MAX];
	PGresult *res;
	bool is_full;

	pgarray_start(&ids, ids_text, sizeof ids_text);
	pgarray_start(&lasts, lasts_text, sizeof lasts_text);
	/* From the front: however busy some are, each has its turn. */
	for (size_t i = 0; i < n; i++) {
		asked[i] = l->dirty[i];
		asked[i]->is_dirty = false;
		pgarray_add(&ids, asked[i]->merchant);
		pgarray_add(&lasts, asked[i]->last);
	}
	l->n_dirty -= n;
	memmove(l->dirty, l->dirty + n, l->n_dirty * sizeof(struct watch *));
	params[0] = pgarray_end(&ids);
	params[1] = pgarray_end(&lasts);
	res = ask(l, "events", 4, params);
	if (res == NULL)
		return false; /* after the reconnect every stream is compared anew */
	for (int row = 0; row < PQntuples(res); row++) {
		struct watch *w = idmap_get(&l->watches, row_int(res, row, 0));

		assert(w != NULL);
		take_event(l, w, res, row);
	}
	/* A limit was reached: there may be more. */
	is_full = PQntuples(res) >= EVENTS_PER_MERCHANT;
	for (size_t i = 0; is_full && i < n; i++)
		mark_dirty(l, asked[i]);
	PQclear(res);
	return true;
}

/* --- notifications --- */

static void
hear(struct listener *l, const char *payload)
{
	json_object *json;
	struct bell bell;
	struct watch *w;

	bell_parse(payload, &bell, &json);
	metrics_add(l->metrics, METRIC_BELLS, 1);
	w = idmap_get(&l->watches, bell.merchant);
	switch (bell.kind) {
	case BELL_RING:
		/* A seq in it can only save us a look at what we have read already. */
		if (w != NULL && (bell.seq == 0 || bell.seq > w->last))
			mark_dirty(l, w);
		break;
	case BELL_BROADCAST:
		metrics_add(l->metrics, METRIC_BROADCASTS, 1);
		if (bell.merchant != 0 || l->options->broadcast)
			pass_on(l, item_new(&bell.broadcast, l->options->plain_escape_html));
		else
			log_info("broadcast to all refused: broadcast=no");
		break;
	case BELL_BAD: {
		char text[128];

		metrics_add(l->metrics, METRIC_BELLS_BAD, 1);
		log_warn("notification is no bell and no broadcast: payload=\"%s\"",
		    log_escape(text, sizeof text, payload, strlen(payload)));
		break;
	}
	}
	json_object_put(json);
}

/* Tells the terminals, an item for each `by`: the rows are ordered by it. */
static void
pass_on_acked(struct listener *l, int64_t merchant, const PGresult *res)
{
	int64_t seqs[CONTROL_SEQS_MAX];
	size_t n = 0;

	for (int row = 0; row < PQntuples(res); row++) {
		const char *by = PQgetvalue(res, row, 1);

		seqs[n++] = row_int(res, row, 0);
		if (n < CONTROL_SEQS_MAX && row + 1 < PQntuples(res) &&
		    strcmp(by, PQgetvalue(res, row + 1, 1)) == 0)
			continue;
		pass_on(l, item_new_acked(merchant, seqs, n, by));
		metrics_add(l->metrics, METRIC_ACKED, (int64_t)n);
		n = 0;
	}
}

/* Somebody acked events: what the payload says is looked up, because anybody may NOTIFY.  False:
 * the connection was lost. */
static bool
hear_control(struct listener *l, const char *payload)
{
	json_object *json = json_read_object(payload, strlen(payload));
	char merchant[24], seqs_text[PGARRAY_ROOM(CONTROL_SEQS_MAX)];
	struct pgarray seqs;
	const char *params[2] = {merchant, NULL};
	int64_t id = 0;
	PGresult *res;

	pgarray_start(&seqs, seqs_text, sizeof seqs_text);
	if (json != NULL && json_get_int(json, "merchant", &id) &&
	    idmap_get(&l->watches, id) != NULL) {
		json_object *acked = json_object_object_get(json, "acked");
		size_t n = json_object_is_type(acked, json_type_array)
		               ? json_object_array_length(acked)
		               : 0;

		for (size_t i = 0; i < n && i < CONTROL_SEQS_MAX; i++)
			pgarray_add(
			    &seqs, json_object_get_int64(json_object_array_get_idx(acked, i)));
	} else {
		id = 0;
	}
	json_object_put(json);
	if (id == 0)
		return true; /* nobody here is concerned */
	snprintf(merchant, sizeof merchant, "%" PRId64, id);
	params[1] = pgarray_end(&seqs);
	res = ask(l, "acked", 2, params);
	if (res == NULL)
		return false;
	pass_on_acked(l, id, res);
	PQclear(res);
	return true;
}

/* False: the connection was lost. */
static bool
hear_all(struct listener *l)
{
	PGconn *raw = pgconn_raw(l->db);
	PGnotify *n;

	if (raw == NULL || PQconsumeInput(raw) == 0)
		return false;
	while ((n = PQnotifies(raw)) != NULL) {
		bool ok = true;

		if (strcmp(n->relname, "order_control") == 0)
			ok = hear_control(l, n->extra);
		else
			hear(l, n->extra);
		PQfreemem(n);
		if (!ok)
			return false;
	}
	return true;
}

/* --- the thread --- */

static void
lost(struct listener *l)
{
	if (!l->is_connected)
		return;
	l->is_connected = false;
	atomic_store(&l->is_ready, false);
	metrics_set(l->metrics, METRIC_LISTENER_UP, 0);
	log_warn("database lost, will reconnect: watched=%zu reason=\"%s\"", l->watches.n,
	    pgconn_error(l->db));
	pgconn_drop(l->db);
}

/* Connects when it is time to.  False while there is no connection. */
static bool
connect_again(struct listener *l)
{
	if (l->is_connected)
		return true;
	if (pgconn_retry_ms(l->db) > 0)
		return false;
	if (!pgconn_ready(l->db, CONNECT_MS)) {
		log_warn(
		    "listener has no database, will repeat: reason=\"%s\"", pgconn_error(l->db));
		return false;
	}
	l->is_connected = true;
	l->must_compare = true; /* what was rung while nobody listened */
	metrics_add(l->metrics, METRIC_LISTENER_RECONNECTS, 1);
	log_info("listening: channel=order_events");
	return true;
}

/* Does all that can be done with the database now.  False: the connection was lost. */
static bool
work(struct listener *l)
{
	int64_t now = clock_ms();

	if (!hear_all(l))
		return false;
	if (l->must_compare || now >= l->next_poll_ms) {
		l->next_poll_ms = now + POLL_MS;
		if (!read_streams(l, false))
			return false;
		l->must_compare = false;
		answer_the_unknown(l);
	} else if (l->has_unknown) {
		if (!read_streams(l, true))
			return false;
		answer_the_unknown(l);
	}
	while (l->n_dirty > 0 && !atomic_load(&l->is_stopping)) {
		if (!read_events(l))
			return false;
		l->sink->flush(l->sink->arg);
		if (!hear_all(l))
			return false;
	}
	if (clock_ms() >= l->next_alive_ms) {
		PGresult *res = ask(l, "alive", 0, NULL);

		if (res == NULL)
			return false;
		PQclear(res);
	}
	return true;
}

static void
wait_for_something(struct listener *l)
{
	PGconn *raw = l->is_connected ? pgconn_raw(l->db) : NULL;
	int64_t wait_ms = raw != NULL ? l->next_poll_ms - clock_ms() : pgconn_retry_ms(l->db);
	struct pollfd fds[2] = {
	    {.fd = l->wake_fd, .events = POLLIN},
	    {.fd = raw != NULL ? PQsocket(raw) : -1, .events = POLLIN},
	};
	uint64_t count;

	if (wait_ms < 0)
		wait_ms = 0;
	if (wait_ms > POLL_MS)
		wait_ms = POLL_MS;
	if (poll(fds, 2, (int)wait_ms) > 0 && (fds[0].revents & POLLIN) != 0 &&
	    read(l->wake_fd, &count, sizeof count) < 0)
		assert(errno == EAGAIN);
}

static void *
run(void *arg)
{
	struct listener *l = arg;

	pthread_setname_np(pthread_self(), "listener");
	while (!atomic_load(&l->is_stopping)) {
		take_wishes(l);
		if (connect_again(l)) {
			if (work(l)) {
				atomic_store(&l->is_ready, true);
				metrics_set(l->metrics, METRIC_LISTENER_UP, 1);
			} else {
				lost(l);
			}
		}
		l->sink->flush(l->sink->arg);
		wait_for_something(l);
	}
	return NULL;
}

bool
listener_start(struct listener *l)
{
	l->is_running = pthread_create(&l->thread, NULL, run, l) == 0;
	return l->is_running;
}

void
listener_stop(struct listener *l)
{
	if (!l->is_running)
		return;
	l->is_running = false;
	atomic_store(&l->is_stopping, true);
	wake(l);
	pthread_join(l->thread, NULL);
}

struct listener *
listener_new(const struct listener_options *options, const struct listener_sink *sink,
    struct metrics *metrics)
{
	struct listener *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->options = options;
	l->sink = sink;
	l->metrics = metrics;
	idmap_init(&l->watches);
	pthread_mutex_init(&l->wishes_lock, NULL);
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->db = pgconn_new(options->conninfo, "orderbell-notifier", session_sql, statements);
	if (l->wake_fd >= 0 && l->db != NULL)
		return l;
	listener_free(l);
	return NULL;
}

void
listener_free(struct listener *l)
{
	size_t at = 0;
	struct watch *w;

	if (l == NULL)
		return;
	while ((w = idmap_next(&l->watches, &at)) != NULL)
		free(w);
	idmap_fini(&l->watches);
	free(l->dirty);
	free(l->wishes.ids);
	pgconn_free(l->db);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	pthread_mutex_destroy(&l->wishes_lock);
	free(l);
}
