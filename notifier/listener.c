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

#include "notifier/ear.h"
#include "notifier/reader.h"
#include "notifier/watches.h"
#include "shared/clock.h"
#include "shared/log.h"

enum {
	POLL_MS = 1000, /* streams are compared that often, bell or no bell */
	CONNECT_MS = 5000,
};

/* What other threads ask for: +merchant to watch it, -merchant to unwatch. */
struct wishes {
	int64_t *ids;
	size_t n, room;
};

struct listener {
	const struct listener_sink *sink;
	struct metrics *metrics;
	struct watches watches;
	struct reader reader;
	struct ear ear;
	int64_t next_poll_ms;
	bool is_connected, must_compare;
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

/* --- the thread --- */

static void
start_watch(struct listener *l, int64_t merchant)
{
	const struct watch *w = watches_start(&l->watches, merchant);

	if (w->is_known)
		l->sink->stream(l->sink->arg, merchant, w->epoch, w->last);
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
			watches_end(&l->watches, -taken.ids[i]);
	}
	free(taken.ids);
	metrics_set(l->metrics, METRIC_WATCHED, (int64_t)watches_count(&l->watches));
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
		log_warn("listener has no database, will repeat: reason=\"%s\"",
		    pgconn_error(l->reader.db));
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

	if (!ear_hear(&l->ear))
		return false;
	if (l->must_compare || now >= l->next_poll_ms) {
		l->next_poll_ms = now + POLL_MS;
		if (!reader_streams(&l->reader, false))
			return false;
		l->must_compare = false;
	} else if (l->watches.has_unknown && !reader_streams(&l->reader, true)) {
		return false;
	}
	while (l->watches.n_dirty > 0 && !atomic_load(&l->is_stopping)) {
		if (!reader_events(&l->reader))
			return false;
		l->sink->flush(l->sink->arg);
		if (!ear_hear(&l->ear))
			return false;
	}
	return reader_alive(&l->reader);
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
	l->sink = sink;
	l->metrics = metrics;
	watches_init(&l->watches);
	pthread_mutex_init(&l->wishes_lock, NULL);
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->ear = (struct ear){options, &l->reader};
	if (reader_init(&l->reader, options, sink, &l->watches, metrics) && l->wake_fd >= 0)
		return l;
	listener_free(l);
	return NULL;
}

void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	reader_fini(&l->reader);
	watches_fini(&l->watches);
	free(l->wishes.ids);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	pthread_mutex_destroy(&l->wishes_lock);
	free(l);
}
