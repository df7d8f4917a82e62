#include "notifier/listener.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "notifier/caller.h"
#include "notifier/ear.h"
#include "notifier/probe.h"
#include "notifier/reader.h"
#include "notifier/watches.h"
#include "shared/clock.h"
#include "shared/log.h"

enum {
	POLL_MS = 1000, /* streams are compared that often, bell or no bell */
	CONNECT_MS = 5000,
	REREAD_MS = 30000,          /* what is open is read that often */
	REREAD_POLL_ONLY_MS = 2000, /* where nothing is heard of acks */
	TELL_AGAIN_MS = 10000,      /* that there is no database */
};

/* What other threads ask for. */
enum wish_kind { WISH_WATCH, WISH_UNWATCH, WISH_HOLD, WISH_RELEASE };

struct wish {
	enum wish_kind kind;
	int watcher; /* of a watch, and its end */
	int64_t merchant;
};

struct wishes {
	struct wish *wishes;
	size_t n, room;
};

struct listener {
	const struct listener_sink *sink;
	struct metrics *metrics;
	struct watches watches;
	struct reader reader;
	struct ear ear;
	struct probe probe;
	struct caller *caller;
	struct pulse_place *pulse;
	int64_t next_poll_ms, tell_at_ms;
	bool is_connected;
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
wish(struct listener *l, enum wish_kind kind, int watcher, int64_t merchant)
{
	struct wishes *w = &l->wishes;

	pthread_mutex_lock(&l->wishes_lock);
	if (w->n == w->room) {
		size_t room = w->room == 0 ? 64 : w->room * 2;
		struct wish *wishes = realloc(w->wishes, room * sizeof *wishes);

		if (wishes == NULL)
			abort(); /* a watch that is forgotten would lose orders in silence */
		w->wishes = wishes;
		w->room = room;
	}
	w->wishes[w->n++] = (struct wish){kind, watcher, merchant};
	pthread_mutex_unlock(&l->wishes_lock);
	wake(l);
}

void
listener_watch(struct listener *l, int watcher, int64_t merchant)
{
	wish(l, WISH_WATCH, watcher, merchant);
}

void
listener_unwatch(struct listener *l, int watcher, int64_t merchant)
{
	wish(l, WISH_UNWATCH, watcher, merchant);
}

void
listener_hold(struct listener *l, int64_t merchant)
{
	wish(l, WISH_HOLD, 0, merchant);
}

void
listener_release(struct listener *l, int64_t merchant)
{
	wish(l, WISH_RELEASE, 0, merchant);
}

bool
listener_is_ready(const struct listener *l)
{
	return atomic_load(&l->is_ready);
}

/* --- the thread --- */

static void
start_watch(struct listener *l, int watcher, int64_t merchant)
{
	struct watch *w = watches_start(&l->watches, merchant, watcher);
	const struct stand stand = watch_stand(w);

	if (!w->is_known)
		return;
	l->sink->stream(l->sink->arg, UINT64_C(1) << watcher, merchant, &stand);
	/* A token that it took for good may have been revoked before it watched. */
	if (w->has_terminals)
		watches_mark_due(&l->watches, w);
}

static void
take_wish(struct listener *l, const struct wish *w)
{
	switch (w->kind) {
	case WISH_WATCH: start_watch(l, w->watcher, w->merchant); break;
	case WISH_UNWATCH: watches_end(&l->watches, w->merchant, w->watcher); break;
	case WISH_HOLD: watches_hold(&l->watches, w->merchant); break;
	case WISH_RELEASE: watches_release(&l->watches, w->merchant); break;
	}
}

static void
take_wishes(struct listener *l)
{
	struct wishes taken;

	pthread_mutex_lock(&l->wishes_lock);
	taken = l->wishes;
	l->wishes = (struct wishes){0};
	pthread_mutex_unlock(&l->wishes_lock);
	for (size_t i = 0; i < taken.n; i++)
		take_wish(l, &taken.wishes[i]);
	free(taken.wishes);
	metrics_set(l->metrics, METRIC_WATCHED, (int64_t)watches_count(&l->watches));
}

/* What is un-acked is read anew. */
static void
doubt(struct listener *l)
{
	watches_doubt_all(&l->watches);
	if (l->sink->doubt != NULL)
		l->sink->doubt(l->sink->arg);
}

static void
lost(struct listener *l)
{
	if (!l->is_connected)
		return;
	l->is_connected = false;
	atomic_store(&l->is_ready, false);
	metrics_set(l->metrics, METRIC_LISTENER_UP, 0);
	log_warn("database lost, will reconnect: watched=%zu reason=\"%s\"",
	    watches_count(&l->watches), pgconn_error(l->reader.db));
	pgconn_drop(l->reader.db);
	doubt(l);
}

/* Connects when it is time to.  False while there is no connection. */
static bool
connect_again(struct listener *l)
{
	if (l->is_connected)
		return true;
	if (pgconn_retry_ms(l->reader.db) > 0)
		return false;
	if (!pgconn_ready(l->reader.db, CONNECT_MS)) {
		if (clock_ms() >= l->tell_at_ms) {
			log_warn("listener has no database, will repeat: reason=\"%s\"",
			    pgconn_error(l->reader.db));
			l->tell_at_ms = clock_ms() + TELL_AGAIN_MS;
		}
		return false;
	}
	l->is_connected = true;
	l->tell_at_ms = 0;
	/* What was rung and said while nobody listened. */
	l->watches.must_compare = true;
	doubt(l);
	probe_reset(&l->probe, clock_ms());
	metrics_add(l->metrics, METRIC_LISTENER_RECONNECTS, 1);
	log_info("listening: channel=order_events");
	return true;
}

/* --- whether notifications arrive --- */

static void
start_probe(struct listener *l)
{
	char nonce[PROBE_NONCE_MAX + 1];
	uint64_t random;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
		random = (uint64_t)clock_ns();
	snprintf(nonce, sizeof nonce, "%016" PRIx64, random);
	probe_begin(&l->probe, nonce);
	if (!caller_start(l->caller, nonce))
		probe_called(&l->probe, false, clock_ms());
}

static void
take_verdict(struct listener *l)
{
	bool is_deaf = l->probe.is_deaf;

	if (l->sink->mode != NULL)
		l->sink->mode(l->sink->arg, is_deaf);
	metrics_set(l->metrics, METRIC_LISTENER_POLL_ONLY, is_deaf);
	l->reader.reread_ms = is_deaf ? REREAD_POLL_ONLY_MS : REREAD_MS;
	l->reader.is_deaf = is_deaf;
	doubt(l);
	if (is_deaf)
		log_warn("notifications do not arrive, probably there is a pooler in transaction"
			 " mode: polling every second; let `database` name the server itself, or a"
			 " pool in session mode: waited_ms=%d",
		    PROBE_HEAR_MS);
	else
		log_info("notifications arrive again: no more polling alone");
}

/* To be called when all that had come by `now_ms` was heard. */
static void
look_after_probe(struct listener *l, int64_t now_ms)
{
	switch (caller_look(l->caller)) {
	case CALLER_IDLE:
	case CALLER_BUSY: break;
	case CALLER_DONE: probe_called(&l->probe, true, clock_ms()); break;
	case CALLER_FAILED: probe_called(&l->probe, false, clock_ms()); break;
	}
	if (probe_judge(&l->probe, now_ms))
		take_verdict(l);
	if (probe_is_due(&l->probe, now_ms))
		start_probe(l);
}

/* --- work --- */

/* Does what can be done with the database now, not too much of anything.  False: the connection was
 * lost. */
static bool
work(struct listener *l)
{
	struct watches *ws = &l->watches;
	int64_t now = clock_ms();

	if (!ear_hear(&l->ear))
		return false;
	look_after_probe(l, now);
	if (ws->must_compare || now >= l->next_poll_ms) {
		l->next_poll_ms = now + POLL_MS;
		if (!reader_compare(&l->reader))
			return false;
		ws->must_compare = false;
		ws->has_due = true; /* worth a look */
	}
	/* Before events: one whose numbers start anew is told so first. */
	if (ws->has_unknown && !reader_unknown(&l->reader))
		return false;
	if (ws->n_dirty > 0) {
		if (!reader_events(&l->reader))
			return false;
		l->sink->flush(l->sink->arg); /* they do not wait for the rest of the round */
	}
	if (ws->has_due && !reader_reread(&l->reader))
		return false;
	if (ws->has_beyond && !reader_beyond(&l->reader))
		return false;
	if (!reader_alive(&l->reader))
		return false;
	/* A bell that came along with an answer is in libpq's queue: the socket would not tell. */
	return ear_hear(&l->ear);
}

static bool
has_more_to_do(const struct listener *l)
{
	const struct watches *ws = &l->watches;

	return ws->n_dirty > 0 || ws->has_due || ws->has_beyond || ws->has_unknown ||
	       ws->must_compare;
}

static void
wait_for_something(struct listener *l)
{
	PGconn *raw = l->is_connected ? pgconn_raw(l->reader.db) : NULL;
	int64_t wait_ms =
	    raw != NULL ? l->next_poll_ms - clock_ms() : pgconn_retry_ms(l->reader.db);
	struct pollfd fds[2] = {
	    {.fd = l->wake_fd, .events = POLLIN},
	    {.fd = raw != NULL ? PQsocket(raw) : -1, .events = POLLIN},
	};
	uint64_t count;

	if (wait_ms < 0 || (raw != NULL && has_more_to_do(l)))
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
		pulse_beat(l->pulse);
		take_wishes(l);
		if (connect_again(l)) {
			if (!work(l)) {
				lost(l);
			} else if (l->watches.n_dirty == 0) {
				atomic_store(&l->is_ready, true);
				metrics_set(l->metrics, METRIC_LISTENER_UP, 1);
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
	caller_stop(l->caller); /* its socket is read through the gate's recv() as well */
}

struct listener *
listener_new(const struct listener_options *options, const struct listener_sink *sink,
    struct metrics *metrics)
{
	struct listener *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->sink = sink;
	l->metrics = metrics;
	l->pulse = pulse_join(options->pulse, "listener");
	watches_init(&l->watches);
	pthread_mutex_init(&l->wishes_lock, NULL);
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->ear = (struct ear){options, &l->reader, &l->probe};
	l->caller = caller_new(options->conninfo);
	if (reader_init(&l->reader, options, sink, &l->watches, metrics) && l->wake_fd >= 0 &&
	    l->caller != NULL) {
		l->reader.reread_ms = REREAD_MS;
		return l;
	}
	listener_free(l);
	return NULL;
}

void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	caller_free(l->caller);
	reader_fini(&l->reader);
	watches_fini(&l->watches);
	free(l->wishes.wishes);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	pthread_mutex_destroy(&l->wishes_lock);
	free(l);
}
