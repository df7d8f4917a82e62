/* A loop of the carrier, seen from the thread that brings it items.  Its own thread is not there:
 * the loop has run, has let some terminals in, and now is as one that sleeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "notifier/loop.h"

enum { MERCHANT = 7, FEW = 2, MANY = 100 };

struct at_work {
	struct loop loop;
	struct metrics metrics;
	struct census *census;
	struct access *access;
	struct carrier_options options;
	struct carrier_needs needs;
	struct loop_shared shared;
	int peers[MANY];
	int n_peers;
	int64_t seq;
};

/* --- the needs: nobody is there --- */

static void
nobody_watches(void *arg, int loop, int64_t merchant)
{
	(void)arg, (void)loop, (void)merchant;
}

static void
nobody_holds(void *arg, int64_t merchant)
{
	(void)arg, (void)merchant;
}

static void
nobody_keeps_books(void *arg, const struct clerk_presence *presence)
{
	(void)arg, (void)presence;
}

static void
nobody_crosses_out(void *arg, int64_t connection)
{
	(void)arg, (void)connection;
}

static void
nobody_notes(void *arg, const struct clerk_delivery *facts, size_t n)
{
	(void)arg, (void)facts, (void)n;
}

/* --- arranging --- */

static void
post_terminal(struct at_work *w)
{
	const struct grant grant = {.merchant = MERCHANT};
	int fds[2];
	struct conn *c;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	c = conn_new(fds[0], "till", SESSION_PLAIN, &grant);
	assert_non_null(c);
	assert_true(census_enter(w->census, c->address_key));
	assert_true(inbox_post(&w->loop.inbox, &(struct note){.kind = NOTE_ADOPT, .conn = c}));
	w->peers[w->n_peers++] = fds[1];
}

/* The loop runs until it has done all that was posted. */
static void
run_once(struct at_work *w)
{
	assert_true(inbox_post(&w->loop.inbox, &(struct note){.kind = NOTE_STOP}));
	poller_wake(&w->loop.poller);
	loop_run(&w->loop);
	w->loop.is_stopping = false;
}

static void
set_up(struct at_work *w, int n_terminals)
{
	const struct stand stand = {.epoch = "e-1", .kept_from = 1, .knows_open = true};
	const struct access access = {.auth = ACCESS_NONE, .allow_origin = "", .trusted_proxy = ""};
	const struct census_bounds bounds = {0};

	*w = (struct at_work){
	    .options =
		{.n_loops = 1, .heartbeat_s = 25, .slow_s = 30, .hello_s = 10, .max_unproven = 100},
	    .needs = {.watch = nobody_watches,
		.unwatch = nobody_watches,
		.hold = nobody_holds,
		.release = nobody_holds,
		.present = nobody_keeps_books,
		.gone = nobody_crosses_out,
		.delivered = nobody_notes},
	};
	w->census = census_new(&bounds);
	w->access = access_new(&access);
	w->shared = (struct loop_shared){&w->options, w->access, &w->needs, w->census, &w->metrics};
	assert_true(loop_init(&w->loop, 0, &w->shared));
	for (int i = 0; i < n_terminals; i++)
		post_terminal(w);
	assert_true(inbox_post(&w->loop.inbox,
	    &(struct note){.kind = NOTE_STREAM, .stand = stand_note_new(MERCHANT, &stand)}));
	run_once(w);
}

static void
tear_down(struct at_work *w)
{
	for (int i = 0; i < w->n_peers; i++)
		close(w->peers[i]);
	loop_fini(&w->loop);
	census_free(w->census);
	access_release(w->access);
}

static void
post_item(struct at_work *w)
{
	const struct event ev = {.merchant = MERCHANT,
	    .epoch = "e-1",
	    .seq = ++w->seq,
	    .type = 1,
	    .content = "rice",
	    .at = "2026-01-01T00:00:00.000Z",
	    .id = w->seq};
	struct item *it = item_new(&ev, false);

	assert_non_null(it);
	assert_true(inbox_post(&w->loop.inbox, &(struct note){.kind = NOTE_ITEM, .item = it}));
}

/* How many of the terminals have something to read. */
static int
count_reached(const struct at_work *w)
{
	char bytes[4096];
	int n = 0;

	for (int i = 0; i < w->n_peers; i++)
		n += recv(w->peers[i], bytes, sizeof bytes, MSG_DONTWAIT) > 0;
	return n;
}

/* --- tests --- */

static void
a_few_items_for_a_few_terminals_are_sent_by_who_brings_them(void **state)
{
	static struct at_work w;

	(void)state;
	set_up(&w, FEW);
	for (int i = 0; i < 3; i++) {
		post_item(&w);
		post_item(&w);
		assert_true(loop_help(&w.loop));
		assert_int_equal(count_reached(&w), FEW);
	}
	assert_int_equal(metrics_get(&w.metrics, METRIC_DELIVERIES), 6 * FEW);
	assert_false(loop_help(&w.loop)); /* nothing is left */
	tear_down(&w);
}

static void
what_is_for_many_terminals_is_left_to_the_loop(void **state)
{
	static struct at_work w;

	(void)state;
	set_up(&w, MANY);
	post_item(&w);
	assert_false(loop_help(&w.loop));
	assert_int_equal(count_reached(&w), 0);
	run_once(&w);
	assert_int_equal(count_reached(&w), MANY);
	tear_down(&w);
}

static void
what_is_no_item_or_too_many_is_left_to_the_loop(void **state)
{
	static struct at_work w;

	(void)state;
	set_up(&w, FEW);
	post_item(&w);
	assert_true(inbox_post(&w.loop.inbox, &(struct note){.kind = NOTE_DOUBT}));
	assert_false(loop_help(&w.loop));
	run_once(&w);
	assert_int_equal(count_reached(&w), FEW);
	for (int i = 0; i <= INBOX_FEW; i++)
		post_item(&w);
	assert_false(loop_help(&w.loop));
	run_once(&w);
	assert_int_equal(metrics_get(&w.metrics, METRIC_DELIVERIES), (INBOX_FEW + 2) * FEW);
	tear_down(&w);
}

static void
a_loop_at_work_is_left_alone(void **state)
{
	static struct at_work w;

	(void)state;
	set_up(&w, FEW);
	post_item(&w);
	pthread_mutex_lock(&w.loop.turn);
	assert_false(loop_help(&w.loop));
	pthread_mutex_unlock(&w.loop.turn);
	w.loop.is_stopping = true;
	assert_false(loop_help(&w.loop));
	w.loop.is_stopping = false;
	assert_true(loop_help(&w.loop));
	assert_int_equal(count_reached(&w), FEW);
	tear_down(&w);
}

static void
one_that_has_gone_is_freed_by_the_loop_alone(void **state)
{
	static struct at_work w;

	(void)state;
	set_up(&w, FEW);
	close(w.peers[--w.n_peers]);
	post_item(&w);
	assert_true(loop_help(&w.loop));
	assert_non_null(w.loop.buried); /* events that the loop has in hand may name it */
	run_once(&w);
	assert_null(w.loop.buried);
	assert_int_equal(count_reached(&w), FEW - 1);
	tear_down(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_few_items_for_a_few_terminals_are_sent_by_who_brings_them),
	    cmocka_unit_test(what_is_for_many_terminals_is_left_to_the_loop),
	    cmocka_unit_test(what_is_no_item_or_too_many_is_left_to_the_loop),
	    cmocka_unit_test(a_loop_at_work_is_left_alone),
	    cmocka_unit_test(one_that_has_gone_is_freed_by_the_loop_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
