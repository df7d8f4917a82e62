/* orderbell-notifier - hears of paid orders from PostgreSQL and rings at the merchants' terminals.
 */
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "notifier/access.h"
#include "notifier/carrier.h"
#include "notifier/census.h"
#include "notifier/clerk.h"
#include "notifier/door.h"
#include "notifier/ledger.h"
#include "notifier/listener.h"
#include "notifier/metrics.h"
#include "notifier/options.h"
#include "notifier/pace.h"
#include "notifier/pulse.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/program.h"
#include "shared/service.h"

enum {
	DRAIN_GRACE_MS = 6000,
	STOP_MS = 10000,          /* to end the threads once that is over */
	STATUS_MS = 5000,         /* how often the manager is told how it goes */
	MAPPED_BYTES = 128 << 10, /* what is as large as this has memory of its own */
};

/* All parts, in the order in which they are made; unmade in reverse. */
struct notifier {
	const struct program_start *started_as;
	const struct options *options; /* those of the start: the parts borrow the fixed ones */
	const struct options *current; /* those that hold now: the same, or: */
	struct options reloaded;
	int64_t n_descriptors;
	struct access *access;
	struct metrics metrics;
	struct pulse pulse;
	const char *still; /* the thread that stood still when last looked at, or NULL */
	struct census *census;
	struct pace *pace;
	struct listener_options listener_options;
	struct listener_sink sink;
	struct carrier_options carrier_options;
	struct carrier_needs needs;
	struct ledger_options ledger_options;
	struct ledger_sink ledger_sink;
	struct clerk_options clerk_options;
	struct clerk_sink clerk_sink;
	struct door_options door_options;
	struct door_answers answers;
	struct listener *listener;
	struct ledger *ledger;
	struct clerk *clerk;
	struct carrier *carrier;
	struct door *door;
};

/* --- the parts know each other only through these --- */

static void
sink_stream(void *arg, uint64_t loops, int64_t merchant, const struct stand *stand)
{
	carrier_post_stream(((struct notifier *)arg)->carrier, loops, merchant, stand);
}

static void
sink_open(void *arg, uint64_t loops, int64_t merchant, const struct stand *stand)
{
	carrier_post_open(((struct notifier *)arg)->carrier, loops, merchant, stand);
}

static void
sink_doubt(void *arg)
{
	carrier_post_doubt(((struct notifier *)arg)->carrier);
}

static void
sink_item(void *arg, uint64_t loops, struct item *it)
{
	carrier_post_item(((struct notifier *)arg)->carrier, loops, it);
}

static void
sink_item_to_all(void *arg, struct item *it)
{
	carrier_post_item_to_all(((struct notifier *)arg)->carrier, it);
}

static void
sink_terminals(void *arg, uint64_t loops, int64_t merchant, const int64_t *ids, size_t n)
{
	carrier_post_terminals(((struct notifier *)arg)->carrier, loops, merchant, ids, n);
}

static void
sink_mode(void *arg, bool is_poll_only)
{
	clerk_set_mode(((struct notifier *)arg)->clerk, is_poll_only);
}

static void
sink_flush(void *arg)
{
	carrier_flush(((struct notifier *)arg)->carrier);
}

static void
watch(void *arg, int loop, int64_t merchant)
{
	listener_watch(((struct notifier *)arg)->listener, loop, merchant);
}

static void
unwatch(void *arg, int loop, int64_t merchant)
{
	listener_unwatch(((struct notifier *)arg)->listener, loop, merchant);
}

static void
hold(void *arg, int64_t merchant)
{
	listener_hold(((struct notifier *)arg)->listener, merchant);
}

static void
release(void *arg, int64_t merchant)
{
	listener_release(((struct notifier *)arg)->listener, merchant);
}

static void
ask(void *arg, int loop, enum page_kind kind, int64_t merchant, int64_t after)
{
	ledger_ask(((struct notifier *)arg)->ledger, loop, kind, merchant, after);
}

static bool
ack(void *arg, struct ticket ticket, int64_t merchant, const int64_t *seqs, size_t n,
    const char *by)
{
	return ledger_ack(((struct notifier *)arg)->ledger, ticket, merchant, seqs, n, by);
}

static bool
prove(void *arg, struct ticket ticket, int64_t terminal)
{
	return ledger_prove(((struct notifier *)arg)->ledger, ticket, terminal);
}

static void
present(void *arg, const struct clerk_presence *presence)
{
	clerk_present(((struct notifier *)arg)->clerk, presence);
}

static void
gone(void *arg, int64_t connection)
{
	clerk_gone(((struct notifier *)arg)->clerk, connection);
}

static void
delivered(void *arg, const struct clerk_delivery *facts, size_t n)
{
	clerk_delivered(((struct notifier *)arg)->clerk, facts, n);
}

static void
sink_retell(void *arg)
{
	carrier_retell(((struct notifier *)arg)->carrier);
}

static void
sink_kept(void *arg, struct ticket ticket)
{
	carrier_post_kept(((struct notifier *)arg)->carrier, ticket);
}

static void
sink_record(void *arg, struct ticket ticket, const struct terminal_record *record)
{
	carrier_post_record(((struct notifier *)arg)->carrier, ticket, record);
}

static void
sink_page(void *arg, int loop, struct page *p)
{
	carrier_post_page(((struct notifier *)arg)->carrier, loop, p);
}

static bool
is_ready(void *arg)
{
	return listener_is_ready(((struct notifier *)arg)->listener);
}

/* --- settings --- */

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

enum { DESCRIPTORS_RESERVED = 256 }; /* for civetweb's hands, the database, files */

static struct access *
access_of(const struct options *o)
{
	struct access a = {
	    .auth = (enum access_auth)o->auth,
	    .token_in_query = o->token_in_query,
	    .allow_origin = o->allow_origin,
	    .trusted_proxy = o->trusted_proxy,
	};

	if (o->jwt_secret != NULL)
		a.keys[a.n_keys++] = (struct token_key){o->jwt_kid, o->jwt_secret};
	if (o->jwt_secret_2 != NULL)
		a.keys[a.n_keys++] = (struct token_key){o->jwt_kid_2, o->jwt_secret_2};
	return access_new(&a);
}

static struct carrier_options
carrier_options_of(const struct options *o)
{
	return (struct carrier_options){
	    .n_loops = (int)o->carrier_loops,
	    .heartbeat_s = (int)o->heartbeat_s,
	    .slow_s = (int)o->slow_s,
	    .hello_s = (int)o->hello_s,
	    .max_unproven = (int)o->max_unproven,
	};
}

static struct census_bounds
bounds_of(const struct options *o, int64_t n_descriptors)
{
	int64_t most = n_descriptors - DESCRIPTORS_RESERVED;
	struct census_bounds bounds = {
	    .in_all = o->max_connections,
	    .per_address = o->max_per_address,
	    .per_merchant = o->auth == ACCESS_NONE ? 0 : o->max_per_merchant,
	};

	if (o->max_connections == 0 || o->max_connections > most)
		bounds.in_all = most;
	if (o->max_connections > most)
		log_warn("max_connections is more than the limit of open files allows: "
			 "max_connections=%" PRId64 " open_files=%" PRId64,
		    o->max_connections, n_descriptors);
	return bounds;
}

static void
set_parts(struct notifier *n)
{
	const struct options *o = n->options;

	n->listener_options =
	    (struct listener_options){o->database, o->broadcast, o->plain_escape_html, &n->pulse};
	n->sink = (struct listener_sink){
	    .arg = n,
	    .stream = sink_stream,
	    .open = sink_open,
	    .doubt = sink_doubt,
	    .item = sink_item,
	    .item_to_all = sink_item_to_all,
	    .terminals = sink_terminals,
	    .mode = sink_mode,
	    .flush = sink_flush,
	};
	n->carrier_options = carrier_options_of(o);
	n->carrier_options.pulse = &n->pulse;
	n->needs = (struct carrier_needs){
	    n, watch, unwatch, hold, release, ask, ack, prove, present, gone, delivered};
	n->ledger_options = (struct ledger_options){o->database, o->plain_escape_html, &n->pulse};
	n->ledger_sink = (struct ledger_sink){n, sink_page, sink_kept, sink_record};
	n->clerk_options = (struct clerk_options){
	    .conninfo = o->database,
	    .name = o->listen,
	    .escalate_s = o->escalate_s,
	    .max_presences = (size_t)n->n_descriptors,
	};
	n->clerk_sink = (struct clerk_sink){n, sink_retell};
	n->answers = (struct door_answers){n, is_ready};
	n->door_options = (struct door_options){
	    .listen = o->listen,
	    .console_dir = o->console_dir,
	    .n_threads = (int)o->door_threads,
	    .gate = {.max_pending = (int)o->max_pending,
		.max_descriptors = (int)n->n_descriptors,
		.pulse = &n->pulse},
	};
}

/* --- life --- */

static bool
start(struct notifier *n)
{
	const char *reason = "out of memory, descriptors or threads";
	struct census_bounds bounds = bounds_of(n->options, n->n_descriptors);

	set_parts(n);
	n->access = access_of(n->options);
	n->census = census_new(&bounds);
	n->pace = pace_new(n->options->max_rate_per_address);
	if (n->access == NULL || n->census == NULL || n->pace == NULL)
		goto failed;
	n->listener = listener_new(&n->listener_options, &n->sink, &n->metrics);
	n->ledger = ledger_new(&n->ledger_options, &n->ledger_sink);
	n->clerk = clerk_new(&n->clerk_options, &n->clerk_sink, &n->metrics);
	if (n->listener == NULL || n->ledger == NULL || n->clerk == NULL)
		goto failed;
	n->carrier = carrier_new(&n->carrier_options, n->access, &n->needs, n->census, &n->metrics);
	if (n->carrier == NULL || !carrier_start(n->carrier) || !listener_start(n->listener) ||
	    !ledger_start(n->ledger) || !clerk_start(n->clerk))
		goto failed;
	n->door = door_open(&n->door_options, n->access, n->carrier, &n->answers, n->census,
	    n->pace, &n->metrics, &reason);
	if (n->door == NULL)
		goto failed;
	reason = door_self_test(n->door);
	if (reason == NULL)
		return true;
failed:
	log_err("cannot start: listen=%s reason=\"%s\"", n->options->listen, reason);
	return false;
}

/* Has every part go by the settings that hold now. */
static void
reconfigure(struct notifier *n)
{
	const struct options *o = n->current;
	const struct census_bounds bounds = bounds_of(o, n->n_descriptors);
	const struct carrier_options carrier_options = carrier_options_of(o);
	struct access *access = access_of(o);

	if (access == NULL)
		abort(); /* a key that was taken back would go on opening doors */
	door_set_access(n->door, access);
	carrier_reconfigure(n->carrier, &carrier_options, access);
	access_release(n->access);
	n->access = access;
	census_set_bounds(n->census, &bounds);
	atomic_store(&n->door_options.gate.max_pending, (int)o->max_pending);
	pace_set_rate(n->pace, o->max_rate_per_address);
	atomic_store(&n->listener_options.broadcast, o->broadcast);
	atomic_store(&n->listener_options.plain_escape_html, o->plain_escape_html);
	atomic_store(&n->ledger_options.plain_escape_html, o->plain_escape_html);
	clerk_set_escalate(n->clerk, o->escalate_s);
}

static void
reload(struct notifier *n)
{
	struct options fresh = {0};
	struct program_change change;

	if (!program_reload(n->started_as, n->current, &fresh, &change)) {
		metrics_add(&n->metrics, METRIC_RELOADS_REFUSED, 1);
		return;
	}
	settings_fini(options_table, &n->reloaded);
	n->reloaded = fresh;
	n->current = &n->reloaded;
	reconfigure(n);
	metrics_add(&n->metrics, METRIC_RELOADS, 1);
	log_info("settings read again: changed=\"%s\"", change.keys);
}

/* --- the manager that runs it --- */

/* Feeds the watchdog where every thread turns. */
static void
feed_watchdog(struct notifier *n)
{
	const char *still = pulse_look(&n->pulse);

	if (still == NULL)
		service_feed();
	if (still != NULL && n->still == NULL)
		log_err("a thread stands still, the watchdog is not fed: thread=%s", still);
	if (still == NULL && n->still != NULL)
		log_warn("all threads turn again: thread=%s", n->still);
	n->still = still;
}

static void
tell_status(struct notifier *n)
{
	const char *state = !is_ready(n) ? "waiting for the database"
	                    : metrics_get(&n->metrics, METRIC_LISTENER_POLL_ONLY)
	                        ? "polling, no bell is heard"
	                        : "listening";

	service_status("%s; %" PRId64 " terminals of %" PRId64 " merchants", state,
	    census_count(n->census), metrics_get(&n->metrics, METRIC_WATCHED));
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
	int got;

	do {
		int64_t now = clock_ms(), wait_ms = tell_ms;

		if (feed_ms > 0 && now >= feed_at_ms) {
			feed_watchdog(n);
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
			reload(n);
			service_ready();
		}
	} while (got == 0 || got == SIGHUP);
}

/* Tells the terminals to go elsewhere, and waits for that. */
static void
drain(struct notifier *n)
{
	int drain_ms = (int)n->current->drain_s * 1000;
	int64_t until = clock_ms() + drain_ms + DRAIN_GRACE_MS;

	service_stopping(drain_ms + DRAIN_GRACE_MS + STOP_MS);
	service_status("draining");
	log_info("draining: connections=%" PRId64 " drain_s=%" PRId64, census_count(n->census),
	    n->current->drain_s);
	door_shut(n->door);
	carrier_drain(n->carrier, drain_ms);
	for (int round = 0; census_count(n->census) > 0 && clock_ms() < until; round++) {
		if (round % 50 == 0)
			service_feed(); /* the gate is shut, and this loop ends in time */
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
}

static void
stop(struct notifier *n)
{
	if (n->listener != NULL)
		listener_stop(n->listener); /* before the gate, which its recv() passes */
	if (n->ledger != NULL)
		ledger_stop(n->ledger);
	if (n->clerk != NULL)
		clerk_stop(n->clerk);
	door_close(n->door);
	if (n->carrier != NULL)
		carrier_stop(n->carrier);
	listener_free(n->listener);
	ledger_free(n->ledger);
	carrier_free(n->carrier);
	clerk_free(n->clerk); /* which the loops told things */
	census_free(n->census);
	pace_free(n->pace);
	access_release(n->access);
	settings_fini(options_table, &n->reloaded);
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
run(void *options, const struct program_start *started_as)
{
	struct notifier n = {
	    .started_as = started_as,
	    .options = options,
	    .current = options,
	    .n_descriptors = raise_descriptor_limit(),
	};
	sigset_t signals;
	bool is_started;

	/* Else malloc() takes what is large, and comes and goes with a crowd, from among the small
	 * things that stay, once it has seen one go: and cannot give it back. */
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	block_signals(&signals);
	is_started = start(&n);
	if (is_started) {
		log_info("started: version=%s listen=%s auth=%s open_files=%" PRId64,
		    PACKAGE_VERSION, n.options->listen, options_auths[n.options->auth],
		    n.n_descriptors);
		service_ready();
		wait_for_the_end(&n, &signals);
		drain(&n);
	}
	stop(&n);
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
