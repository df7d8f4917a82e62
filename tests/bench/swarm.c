#include "tests/bench/swarm.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "shared/clock.h"

enum {
	BATCH = 512,
	BUFFER_BYTES = 256 << 10,
	DRIP_MS = 1000,
	PACE_MS = 5,     /* between two looks at the clock while there is more to open */
	IDLE_MS = 100,   /* the same when there is not */
	DRAIN_MS = 3000, /* at the end, for what the stuck ones were told */
};

struct swarm {
	const struct swarm_plan *plan;
	struct tally *tally;
	int epoll_fd;
	uint8_t *buffer;
	struct terminal *terminals; /* those that stay, then those that come and go */
	int64_t n_staying, n_coming;
	int64_t n_opened;      /* of those that stay, for the first time */
	int64_t n_pending;     /* those that stay, not live yet and not gone */
	int64_t n_shaking;     /* handshakes under way, of all */
	int64_t n_cycles_left; /* to be begun */
	int64_t n_cycles_on;
	int64_t n_started; /* openings, for the pace */
	int64_t n_away;    /* those that come back when their time has come */
	int64_t n_readers, n_satisfied;
	int64_t start_ms, now_ms, next_drip_ms, next_report_ms;
	bool is_ready, is_stopped;
};

static const struct terminal *
end_of_staying(const struct swarm *s)
{
	return s->terminals + s->n_staying;
}

/* --- kinds --- */

/* Silent ones first, so that the terminals must come past them. */
static enum terminal_kind
kind_of(const struct swarm_plan *plan, int64_t i)
{
	int kind = 0;

	while (kind < TERMINAL_CYCLE && i >= plan->n[kind])
		i -= plan->n[kind++];
	return (enum terminal_kind)kind;
}

static void
make_terminals(struct swarm *s)
{
	const struct swarm_plan *plan = s->plan;

	for (int64_t i = 0; i < s->n_staying + s->n_coming; i++) {
		struct terminal *t = &s->terminals[i];

		t->fd = -1;
		t->number = i;
		t->kind = i < s->n_staying ? (uint8_t)kind_of(plan, i) : TERMINAL_CYCLE;
	}
	s->n_readers = plan->n[TERMINAL_READER];
	s->n_pending = s->n_staying;
	s->n_cycles_left = plan->n[TERMINAL_CYCLE];
}

/* --- changes of state --- */

static bool
is_shaking(const struct terminal *t, int state)
{
	return t->kind >= TERMINAL_STUCK && state >= TERMINAL_CONNECTING &&
	       state <= TERMINAL_GREETED;
}

static bool
is_satisfied(const struct swarm *s, const struct terminal *t)
{
	return s->plan->n_events > 0 && t->n_events >= s->plan->n_events;
}

static bool
resumes(const struct swarm *s, const struct terminal *t)
{
	return s->plan->target.resumes && t->kind == TERMINAL_READER;
}

/* How a terminal was before something happened to it. */
struct before {
	int state;
	bool was_live, was_satisfied;
};

static struct before
before(const struct swarm *s, const struct terminal *t)
{
	return (struct before){
	    .state = t->state, .was_live = t->was_live, .was_satisfied = is_satisfied(s, t)};
}

/* True when one that stays has just become live for the first time, or never will. */
static bool
has_arrived(const struct swarm *s, const struct terminal *t, const struct before *b)
{
	if (resumes(s, t))
		return !b->was_live &&
		       (t->was_live || (t->state == TERMINAL_GONE && t->is_refused));
	return b->state < TERMINAL_LIVE && b->state != TERMINAL_GONE &&
	       (t->state >= TERMINAL_LIVE || t->state == TERMINAL_GONE);
}

/* It is gone: will it come back? */
static void
plan_return(struct swarm *s, struct terminal *t)
{
	int wait_ms = resumes(s, t) ? terminal_wait_ms(t) : -1;

	if (wait_ms >= 0) {
		t->back_ms = s->now_ms + wait_ms;
		s->n_away++;
	} else if (t->kind == TERMINAL_READER && !is_satisfied(s, t)) {
		s->n_readers--; /* nobody waits for it any more */
	}
}

/* Keeps the counts after something happened to a terminal. */
static void
note_change(struct swarm *s, struct terminal *t, const struct before *b)
{
	bool is_staying = t < end_of_staying(s);

	s->n_shaking += is_shaking(t, t->state) - is_shaking(t, b->state);
	if (t->kind == TERMINAL_READER)
		s->n_satisfied += is_satisfied(s, t) - b->was_satisfied;
	if (b->state == t->state)
		return;
	if (is_staying && has_arrived(s, t, b))
		s->n_pending--;
	if (t->state != TERMINAL_GONE)
		return;
	if (!is_staying) {
		s->n_cycles_on--;
		s->tally->n_cycles++;
	}
	plan_return(s, t);
}

/* Opens a socket; true when it is under way. */
static bool
open_one(struct swarm *s, struct terminal *t)
{
	struct epoll_event ev = {
	    .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = t};
	struct before b = before(s, t);
	bool ok = terminal_open(t, &s->plan->target, s->tally);

	s->n_started++;
	t->back_ms = 0;
	if (ok && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, t->fd, &ev) != 0) {
		terminal_close(t);
		s->tally->n_no_connection++;
		ok = false;
	}
	/* As if it had connected and gone, so that the counts are right. */
	if (!ok)
		b.state = TERMINAL_CONNECTING;
	note_change(s, t, &b);
	if (!ok && is_shaking(t, TERMINAL_CONNECTING))
		s->n_shaking++;
	return ok;
}

static void
begin_cycle(struct swarm *s)
{
	const struct swarm_plan *plan = s->plan;
	int64_t turn = plan->n[TERMINAL_CYCLE] - s->n_cycles_left;
	struct terminal *t = s->terminals + s->n_staying;

	while (t->state != TERMINAL_GONE)
		t++;
	t->number = s->n_staying + turn;
	t->goodbye =
	    (uint8_t)(plan->goodbye == GOODBYE_COUNT ? turn % GOODBYE_COUNT : plan->goodbye);
	s->n_cycles_left--;
	s->n_cycles_on++;
	open_one(s, t);
}

/* How many may be opened now. */
static int64_t
allowance(const struct swarm *s)
{
	int64_t by_pace = INT64_MAX, by_parallel = s->plan->parallel - s->n_shaking;

	if (s->plan->rate > 0)
		by_pace = (s->now_ms - s->start_ms) * s->plan->rate / 1000 + 1 - s->n_started;
	return by_pace < by_parallel ? by_pace : by_parallel;
}

static bool
has_more_to_open(const struct swarm *s)
{
	return s->n_opened < s->n_staying || (s->n_cycles_left > 0 && s->n_cycles_on < s->n_coming);
}

static void
open_some(struct swarm *s)
{
	/* A bounded number, so that what happens to the others is seen in time. */
	for (int i = 0; i < BATCH && has_more_to_open(s) && allowance(s) > 0; i++) {
		if (s->n_opened < s->n_staying)
			open_one(s, &s->terminals[s->n_opened++]);
		else
			begin_cycle(s);
	}
}

static void
take_event(struct swarm *s, const struct epoll_event *ev)
{
	struct terminal *t = ev->data.ptr;
	struct before b = before(s, t);

	if ((ev->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		t->is_ending = true;
	terminal_go_on(t, &s->plan->target, s->tally, s->buffer, BUFFER_BYTES);
	note_change(s, t, &b);
	/* Who says nothing comes again when it is thrown out. */
	if (t->state == TERMINAL_GONE && t->kind < TERMINAL_STUCK)
		open_one(s, t);
}

/* --- the clock --- */

/* Those whose time has come are opened anew, however many they are: so it is when a server was
 * restarted. */
static void
bring_back(struct swarm *s)
{
	if (s->n_away == 0)
		return;
	for (struct terminal *t = s->terminals; t < end_of_staying(s); t++) {
		if (t->back_ms == 0 || s->now_ms < t->back_ms)
			continue;
		s->n_away--;
		open_one(s, t);
	}
}

static void
drip(struct swarm *s)
{
	if (s->now_ms < s->next_drip_ms)
		return;
	s->next_drip_ms = s->now_ms + DRIP_MS;
	for (struct terminal *t = s->terminals; t < end_of_staying(s); t++) {
		if (t->kind == TERMINAL_DRIP && t->state == TERMINAL_LIVE)
			terminal_drip(t);
	}
}

static int64_t
count_live(const struct swarm *s)
{
	int64_t n = 0;

	for (const struct terminal *t = s->terminals; t < end_of_staying(s); t++)
		n += t->state == TERMINAL_LIVE;
	return n;
}

static void
report(const struct swarm *s, const char *kind, bool with_all)
{
	struct tally_now now = {
	    .kind = kind,
	    .seconds = (double)(clock_ms() - s->start_ms) / 1000,
	    .n_open = count_live(s),
	    .events_min = -1,
	};

	if (with_all)
		now.events_min = s->plan->n[TERMINAL_READER] > 0 ? INT64_MAX : 0;
	for (const struct terminal *t = s->terminals; with_all && t < end_of_staying(s); t++) {
		if (t->kind != TERMINAL_READER)
			continue;
		if (t->n_events < now.events_min)
			now.events_min = t->n_events;
		if (t->n_events > now.events_max)
			now.events_max = t->n_events;
	}
	tally_print(s->tally, &now);
}

static void
report_in_time(struct swarm *s)
{
	if (!s->is_ready && s->n_pending == 0 && s->n_opened == s->n_staying &&
	    s->n_cycles_left + s->n_cycles_on == 0) {
		s->is_ready = true;
		report(s, "ready", true);
	}
	if (s->plan->report_s > 0 && s->now_ms >= s->next_report_ms) {
		s->next_report_ms = s->now_ms + s->plan->report_s * 1000;
		report(s, "progress", false);
	}
}

static bool
is_over(const struct swarm *s)
{
	if (s->is_stopped || s->now_ms - s->start_ms >= s->plan->seconds * 1000)
		return true;
	if (!s->is_ready)
		return false;
	if (s->plan->n_events > 0)
		return s->n_satisfied >= s->n_readers;
	return s->n_staying == 0;
}

/* --- the life of a swarm --- */

static void
step(struct swarm *s)
{
	struct epoll_event events[BATCH];
	bool is_pacing = has_more_to_open(s) || s->n_away > 0;
	int n, wait_ms = has_more_to_open(s) && allowance(s) > 0 ? 0
	                 : is_pacing                             ? PACE_MS
	                                                         : IDLE_MS;

	n = epoll_wait(s->epoll_fd, events, BATCH, wait_ms);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			s->is_stopped = true;
		else
			take_event(s, &events[i]);
	}
	s->now_ms = clock_ms();
	open_some(s);
	bring_back(s);
	drip(s);
	report_in_time(s);
}

/* What were the stuck ones told?  Reading makes room, so more may come. */
static void
drain_the_stuck(struct swarm *s)
{
	int64_t until = clock_ms() + DRAIN_MS, n_left = s->plan->n[TERMINAL_STUCK];

	while (n_left > 0 && clock_ms() < until) {
		n_left = 0;
		for (struct terminal *t = s->terminals; t < end_of_staying(s); t++) {
			if (t->kind != TERMINAL_STUCK || t->state != TERMINAL_LIVE)
				continue;
			terminal_drain(t, &s->plan->target, s->tally, s->buffer, BUFFER_BYTES);
			n_left += t->state == TERMINAL_LIVE;
		}
		usleep(20000);
	}
}

void
swarm_run(struct swarm *s)
{
	s->start_ms = s->now_ms = clock_ms();
	s->next_report_ms = s->start_ms + s->plan->report_s * 1000;
	while (!is_over(s))
		step(s);
	drain_the_stuck(s);
	report(s, "final", true);
}

struct swarm *
swarm_new(const struct swarm_plan *plan, struct tally *tally)
{
	struct swarm *s = calloc(1, sizeof *s);
	struct epoll_event ev = {.events = EPOLLIN};

	if (s == NULL)
		return NULL;
	s->plan = plan;
	s->tally = tally;
	for (int kind = 0; kind < TERMINAL_CYCLE; kind++)
		s->n_staying += plan->n[kind];
	s->n_coming =
	    plan->n[TERMINAL_CYCLE] < plan->parallel ? plan->n[TERMINAL_CYCLE] : plan->parallel;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->buffer = malloc(BUFFER_BYTES);
	s->terminals = calloc((size_t)(s->n_staying + s->n_coming) + 1, sizeof *s->terminals);
	if (s->epoll_fd < 0 || s->buffer == NULL || s->terminals == NULL ||
	    epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, plan->stop_fd, &ev) != 0) {
		swarm_free(s);
		return NULL;
	}
	make_terminals(s);
	return s;
}

void
swarm_free(struct swarm *s)
{
	if (s == NULL)
		return;
	for (int64_t i = 0; s->terminals != NULL && i < s->n_staying + s->n_coming; i++)
		terminal_close(&s->terminals[i]);
	free(s->terminals);
	free(s->buffer);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	free(s);
}
