/* orderbell-notifier - hears of paid orders from PostgreSQL and rings at the merchants' terminals.
 */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "notifier/notifier.h"
#include "notifier/options.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/program.h"
#include "shared/service.h"

enum {
	STOP_MS = 10000,          /* to end the threads once all is drained */
	STATUS_MS = 5000,         /* how often the manager is told how it goes */
	MAPPED_BYTES = 128 << 10, /* what is as large as this has memory of its own */
};

/* --- the manager that runs it --- */

/* Feeds the watchdog where every thread turns.  `was_still`: what this gave before. */
static const char *
feed_watchdog(struct notifier *n, const char *was_still)
{
	const char *still = notifier_still(n);

	if (still == NULL)
		service_feed();
	if (still != NULL && was_still == NULL)
		log_err("a thread stands still, the watchdog is not fed: thread=%s", still);
	if (still == NULL && was_still != NULL)
		log_warn("all threads turn again: thread=%s", was_still);
	return still;
}

static void
tell_status(const struct notifier *n)
{
	struct notifier_state state = notifier_state(n);

	service_status("%s; %" PRId64 " terminals of %" PRId64 " merchants", state.words,
	    state.n_terminals, state.n_merchants);
}

/* Waits for a signal, at most until the manager wants to hear something (0: it does not).  Gives
 * 0 when that is so. */
static int
wait_for_signal(const sigset_t *signals, int64_t wait_ms)
{
	const struct timespec wait = {wait_ms / 1000, wait_ms % 1000 * 1000000};
	int got = wait_ms == 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &wait);

	return got > 0 ? got : 0;
}

/* Until a signal asks for the end. */
static void
wait_for_the_end(struct notifier *n, const sigset_t *signals)
{
	int64_t feed_ms = service_feed_ms(), tell_ms = service_is_managed() ? STATUS_MS : 0;
	int64_t feed_at_ms = clock_ms() + feed_ms, tell_at_ms = 0;
	const char *still = NULL; /* the thread that stood still when last looked at */
	int got;

	do {
		int64_t now = clock_ms(), wait_ms = tell_ms;

		if (feed_ms > 0 && now >= feed_at_ms) {
			still = feed_watchdog(n, still);
			feed_at_ms = now + feed_ms;
		}
		if (tell_ms > 0 && now >= tell_at_ms) {
			tell_status(n);
			tell_at_ms = now + tell_ms;
		}
		if (feed_ms > 0 && feed_at_ms - now < wait_ms)
			wait_ms = feed_at_ms - now;
		got = wait_for_signal(signals, wait_ms);
		if (got == SIGHUP) {
			service_reloading();
			notifier_reload(n);
			service_ready();
		}
	} while (got == 0 || got == SIGHUP);
}

static void
drain(struct notifier *n)
{
	service_stopping(notifier_drain_ms(n) + NOTIFIER_DRAIN_GRACE_MS + STOP_MS);
	service_status("draining");
	notifier_drain(n);
}

/* --- the process --- */

/* Raises the limit of open files as far as it goes, and gives it. */
static int64_t
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > 1000000 ? 1000000 : (int64_t)limit.rlim_cur;
}

/* Threads inherit it: every signal is for main alone. */
static void
block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int
run(void *settings, const struct program_start *started_as)
{
	const struct options *options = settings;
	int64_t n_descriptors = raise_descriptor_limit();
	struct notifier *n;
	sigset_t signals;
	bool is_started;

	/* Else malloc() takes what is large, and comes and goes with a crowd, from among the small
	 * things that stay, once it has seen one go: and cannot give it back. */
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	block_signals(&signals);
	n = notifier_new(options, started_as, n_descriptors);
	if (n == NULL)
		log_err("cannot start: out of memory");
	is_started = n != NULL && notifier_start(n);
	if (is_started) {
		log_info("started: version=%s listen=%s auth=%s open_files=%" PRId64,
		    PACKAGE_VERSION, options->listen, options_auths[options->auth], n_descriptors);
		service_ready();
		wait_for_the_end(n, &signals);
		drain(n);
	}
	notifier_free(n);
	if (is_started)
		log_info("stopped");
	return is_started ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- command line --- */

static const char *
conflict(const void *options)
{
	return options_conflict(options);
}

static const struct program program = {
    .name = "orderbell-notifier",
    .usage = "usage: orderbell-notifier [--config FILE] [--check-config]\n"
	     "       orderbell-notifier --sample-config | --help | --version\n\n"
	     "Rings at the merchants' terminals when PostgreSQL tells of a paid order.\n",
    .settings = options_table,
    .conflict = conflict,
    .changeable = options_changeable,
    .run = run,
    .log_level_offset = offsetof(struct options, log_level),
    .log_format_offset = offsetof(struct options, log_format),
};

int
main(int argc, char **argv)
{
	struct options options = {0};

	return program_main(&program, &options, argc, argv);
}
