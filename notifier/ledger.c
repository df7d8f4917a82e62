#include "notifier/ledger.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "notifier/ackqueue.h"
#include "notifier/ledger_store.h"
#include "notifier/questions.h"
#include "shared/clock.h"

enum {
	IDLE_MS = 1000,
	RETRY_MS = 250,      /* at least between two tries */
	RECORDS_MAX = 65536, /* questions waiting when a further one for a record is refused */
	LAST_ACKS_MS = 3000, /* to write them when the program ends */
};

struct ledger {
	const struct ledger_options *options;
	const struct ledger_sink *sink;
	struct ledger_store *store;
	struct pulse_place *pulse;
	pthread_t thread;
	bool is_running;
	atomic_bool is_stopping;

	pthread_mutex_t lock;
	pthread_cond_t has_work;
	struct questions questions;
	struct ackqueue acks;
};

/* --- what other threads call --- */

/* False: there are `most` already. */
static bool
add_question(struct ledger *l, const struct question *question, size_t most)
{
	bool is_taken;

	pthread_mutex_lock(&l->lock);
	is_taken = questions_add(&l->questions, question, most);
	pthread_cond_signal(&l->has_work);
	pthread_mutex_unlock(&l->lock);
	return is_taken;
}

void
ledger_ask(struct ledger *l, int loop, enum page_kind kind, int64_t merchant, int64_t after)
{
	const struct question question = {.sort = QUESTION_PAGE,
	    .kind = kind,
	    .merchant = merchant,
	    .after = after,
	    .ticket.loop = loop};

	/* A loop asks one of a kind at a time for each of its merchants: that is their bound. */
	add_question(l, &question, SIZE_MAX);
}

bool
ledger_prove(struct ledger *l, struct ticket ticket, int64_t terminal)
{
	const struct question question = {
	    .sort = QUESTION_RECORD, .ticket = ticket, .terminal = terminal};

	return add_question(l, &question, RECORDS_MAX);
}

bool
ledger_ack(struct ledger *l, struct ticket ticket, int64_t merchant, const int64_t *seqs, size_t n,
    const char *by)
{
	struct ack *a = ack_new(ticket, merchant, seqs, n, by);
	bool is_taken;

	if (a == NULL)
		return false;
	pthread_mutex_lock(&l->lock);
	is_taken = ackqueue_add(&l->acks, a);
	pthread_cond_signal(&l->has_work);
	pthread_mutex_unlock(&l->lock);
	if (!is_taken)
		free(a);
	return is_taken;
}

/* --- the thread --- */

static void
tell_page(void *arg, const struct question *q, struct page *p)
{
	struct ledger *l = arg;

	l->sink->page(l->sink->arg, q->ticket.loop, p);
}

static void
tell_record(void *arg, const struct question *q, const struct terminal_record *record)
{
	struct ledger *l = arg;

	l->sink->record(l->sink->arg, q->ticket, record);
}

/* False: they could not be answered. */
static bool
answer_some(struct ledger *l)
{
	const struct ledger_answers answers = {l, tell_page, tell_record};
	struct question *taken[QUESTIONS_BATCH];
	bool is_answered;
	size_t n;

	pthread_mutex_lock(&l->lock);
	n = questions_take(&l->questions, taken);
	pthread_mutex_unlock(&l->lock);
	if (n == 0)
		return true;
	is_answered = ledger_store_answer(
	    l->store, taken, n, atomic_load(&l->options->plain_escape_html), &answers);
	if (!is_answered) {
		pthread_mutex_lock(&l->lock);
		questions_return(&l->questions, taken, n);
		pthread_mutex_unlock(&l->lock);
	}
	for (size_t i = 0; is_answered && i < n; i++)
		free(taken[i]);
	return is_answered;
}

static void
give_back(struct ledger *l, struct ack *list, bool is_kept)
{
	pthread_mutex_lock(&l->lock);
	if (is_kept)
		ackqueue_kept(&l->acks, list);
	else if (ledger_store_is_up(l->store))
		ackqueue_refused(&l->acks, list, clock_ms());
	else
		ackqueue_return(&l->acks, list);
	pthread_mutex_unlock(&l->lock);
}

/* Writes acks that wait.  Those whose commit is in doubt are written again.  False: there is no
 * database. */
static bool
write_acks(struct ledger *l)
{
	struct ack *list;
	bool is_kept;

	pthread_mutex_lock(&l->lock);
	list = ackqueue_take(&l->acks, clock_ms());
	pthread_mutex_unlock(&l->lock);
	if (list == NULL)
		return true;
	is_kept = ledger_store_ack(l->store, list);
	for (const struct ack *a = list; is_kept && a != NULL; a = a->next) {
		if (a->ticket.number != 0)
			l->sink->kept(l->sink->arg, a->ticket);
	}
	give_back(l, list, is_kept);
	return ledger_store_is_up(l->store);
}

/* What is left when the program ends, for a while. */
static void
write_last_acks(struct ledger *l)
{
	int64_t until = clock_ms() + LAST_ACKS_MS;

	while (!ackqueue_is_empty(&l->acks) && clock_ms() < until) {
		if (!write_acks(l) || !ackqueue_is_due(&l->acks))
			poll(NULL, 0, ledger_store_retry_ms(l->store) + 20);
	}
}

static bool
has_work(const struct ledger *l)
{
	return !questions_is_empty(&l->questions) || ackqueue_is_due(&l->acks);
}

/* Waits for work, or for `wait_ms` to pass. */
static void
wait_for_work(struct ledger *l, int wait_ms, bool even_with_work)
{
	struct timespec until = clock_after(wait_ms);

	pthread_mutex_lock(&l->lock);
	while (!atomic_load(&l->is_stopping) && (even_with_work || !has_work(l))) {
		if (pthread_cond_timedwait(&l->has_work, &l->lock, &until) == ETIMEDOUT)
			break;
	}
	pthread_mutex_unlock(&l->lock);
}

static void *
run(void *arg)
{
	struct ledger *l = arg;

	pthread_setname_np(pthread_self(), "ledger");
	while (!atomic_load(&l->is_stopping)) {
		bool is_written, is_answered;

		pulse_beat(l->pulse);
		ledger_store_keep_up(l->store);
		wait_for_work(l, IDLE_MS, false);
		is_written = write_acks(l);
		is_answered = answer_some(l); /* whatever keeps the acks from being written */
		if (is_written && is_answered)
			continue;
		wait_for_work(l, ledger_store_retry_ms(l->store) + RETRY_MS, true);
	}
	write_last_acks(l);
	return NULL;
}

bool
ledger_start(struct ledger *l)
{
	l->is_running = pthread_create(&l->thread, NULL, run, l) == 0;
	return l->is_running;
}

void
ledger_stop(struct ledger *l)
{
	if (!l->is_running)
		return;
	l->is_running = false;
	pthread_mutex_lock(&l->lock);
	atomic_store(&l->is_stopping, true);
	pthread_cond_signal(&l->has_work);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
}

struct ledger *
ledger_new(const struct ledger_options *options, const struct ledger_sink *sink)
{
	struct ledger *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->options = options;
	l->sink = sink;
	l->pulse = pulse_join(options->pulse, "ledger");
	questions_init(&l->questions);
	ackqueue_init(&l->acks);
	pthread_mutex_init(&l->lock, NULL);
	clock_cond_init(&l->has_work);
	l->store = ledger_store_new(options->conninfo);
	if (l->store != NULL)
		return l;
	ledger_free(l);
	return NULL;
}

void
ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	questions_fini(&l->questions);
	ackqueue_fini(&l->acks);
	ledger_store_free(l->store);
	pthread_cond_destroy(&l->has_work);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
