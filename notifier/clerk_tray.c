#include "notifier/clerk_tray.h"

#include <errno.h>
#include <time.h>

#include "shared/clock.h"

void
clerk_tray_init(struct clerk_tray *t, size_t changes_max, struct metrics *metrics)
{
	*t = (struct clerk_tray){.metrics = metrics};
	pthread_mutex_init(&t->lock, NULL);
	clock_cond_init(&t->has_work);
	clerk_queue_init(&t->queue,
	    changes_max > CLERK_CHANGES_MIN ? changes_max : CLERK_CHANGES_MIN,
	    CLERK_DELIVERIES_MAX);
}

void
clerk_tray_fini(struct clerk_tray *t)
{
	clerk_queue_fini(&t->queue);
	pthread_cond_destroy(&t->has_work);
	pthread_mutex_destroy(&t->lock);
}

/* --- these are called with the lock held --- */

static void
count(struct clerk_tray *t, enum metric lost, size_t n_lost)
{
	metrics_set(t->metrics, METRIC_PRESENCE_PENDING, (int64_t)t->queue.batch.n_changes);
	if (n_lost > 0)
		metrics_add(t->metrics, lost, (int64_t)n_lost);
}

static void
press_if(struct clerk_tray *t, bool is_much)
{
	if (!is_much || t->is_pressed)
		return;
	t->is_pressed = true;
	pthread_cond_signal(&t->has_work);
}

/* --- any thread --- */

void
clerk_tray_present(struct clerk_tray *t, const struct clerk_presence *p)
{
	pthread_mutex_lock(&t->lock);
	count(t, METRIC_PRESENCE_DROPPED, clerk_queue_present(&t->queue, p));
	press_if(t, t->queue.batch.n_changes >= CLERK_CHANGES_MUCH);
	pthread_mutex_unlock(&t->lock);
}

void
clerk_tray_gone(struct clerk_tray *t, int64_t connection)
{
	pthread_mutex_lock(&t->lock);
	count(t, METRIC_PRESENCE_DROPPED, clerk_queue_gone(&t->queue, connection));
	press_if(t, t->queue.batch.n_changes >= CLERK_CHANGES_MUCH);
	pthread_mutex_unlock(&t->lock);
}

void
clerk_tray_delivered(struct clerk_tray *t, const struct clerk_delivery *told, size_t n)
{
	pthread_mutex_lock(&t->lock);
	count(t, METRIC_DELIVERY_FACTS_DROPPED, clerk_queue_delivered(&t->queue, told, n));
	press_if(t, t->queue.batch.n_deliveries >= CLERK_DELIVERIES_MUCH);
	pthread_mutex_unlock(&t->lock);
}

void
clerk_tray_stop(struct clerk_tray *t)
{
	pthread_mutex_lock(&t->lock);
	t->is_stopping = true;
	pthread_cond_signal(&t->has_work);
	pthread_mutex_unlock(&t->lock);
}

/* --- the clerk's --- */

void
clerk_tray_turn_deaf(struct clerk_tray *t)
{
	pthread_mutex_lock(&t->lock);
	clerk_queue_turn_deaf(&t->queue);
	count(t, METRIC_PRESENCE_DROPPED, 0);
	pthread_mutex_unlock(&t->lock);
}

void
clerk_tray_listen(struct clerk_tray *t)
{
	pthread_mutex_lock(&t->lock);
	clerk_queue_listen(&t->queue);
	pthread_mutex_unlock(&t->lock);
}

bool
clerk_tray_is_deaf(struct clerk_tray *t)
{
	bool is_deaf;

	pthread_mutex_lock(&t->lock);
	is_deaf = t->queue.is_deaf;
	pthread_mutex_unlock(&t->lock);
	return is_deaf;
}

void
clerk_tray_take(struct clerk_tray *t, struct clerk_batch *empty)
{
	pthread_mutex_lock(&t->lock);
	clerk_queue_take(&t->queue, empty);
	t->is_pressed = false;
	count(t, METRIC_PRESENCE_DROPPED, 0);
	pthread_mutex_unlock(&t->lock);
}

bool
clerk_tray_is_stopping(struct clerk_tray *t)
{
	bool is_stopping;

	pthread_mutex_lock(&t->lock);
	is_stopping = t->is_stopping;
	pthread_mutex_unlock(&t->lock);
	return is_stopping;
}

bool
clerk_tray_wait(struct clerk_tray *t, int wait_ms, bool makes_haste)
{
	struct timespec until = clock_after(wait_ms);
	bool goes_on;

	pthread_mutex_lock(&t->lock);
	while (!t->is_stopping && !(t->is_pressed && makes_haste)) {
		if (pthread_cond_timedwait(&t->has_work, &t->lock, &until) == ETIMEDOUT)
			break;
	}
	goes_on = !t->is_stopping;
	pthread_mutex_unlock(&t->lock);
	return goes_on;
}
