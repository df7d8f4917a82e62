#include "notifier/notifier.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "notifier/metrics.h"
#include "notifier/pace.h"
#include "notifier/partoptions.h"
#include "notifier/pulse.h"
#include "notifier/wiring.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/service.h"

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
	struct census *census;
	struct pace *pace;
	struct listener_options listener_options;
	struct ledger_options ledger_options;
	struct clerk_options clerk_options;
	struct carrier_options carrier_options;
	struct door_options door_options;
	struct wiring wiring; /* listener, ledger, clerk, carrier */
	struct door *door;
};

struct notifier *
notifier_new(
    const struct options *options, const struct program_start *started_as, int64_t n_descriptors)
{
	struct notifier *n = calloc(1, sizeof *n);

	if (n == NULL)
		return NULL;
	n->started_as = started_as;
	n->options = n->current = options;
	n->n_descriptors = n_descriptors;
	n->listener_options = partoptions_listener(options, &n->pulse);
	n->ledger_options = partoptions_ledger(options, &n->pulse);
	n->clerk_options = partoptions_clerk(options, n_descriptors);
	n->carrier_options = partoptions_carrier(options, &n->pulse);
	n->door_options = partoptions_door(options, n_descriptors, &n->pulse);
	wiring_lay(&n->wiring);
	return n;
}

/* Makes all but the door; false: out of memory or descriptors. */
static bool
make_parts(struct notifier *n)
{
	const struct census_bounds bounds = partoptions_bounds(n->options, n->n_descriptors);
	struct wiring *w = &n->wiring;

	n->access = partoptions_access(n->options);
	n->census = census_new(&bounds);
	n->pace = pace_new(n->options->max_rate_per_address);
	if (n->access == NULL || n->census == NULL || n->pace == NULL)
		return false;
	w->listener = listener_new(&n->listener_options, &w->listener_sink, &n->metrics);
	w->ledger = ledger_new(&n->ledger_options, &w->ledger_sink);
	w->clerk = clerk_new(&n->clerk_options, &w->clerk_sink, &n->metrics);
	if (w->listener == NULL || w->ledger == NULL || w->clerk == NULL)
		return false;
	w->carrier =
	    carrier_new(&n->carrier_options, n->access, &w->carrier_needs, n->census, &n->metrics);
	return w->carrier != NULL;
}

bool
notifier_start(struct notifier *n)
{
	const char *reason = "out of memory, descriptors or threads";
	struct wiring *w = &n->wiring;

	if (!make_parts(n) || !carrier_start(w->carrier) || !listener_start(w->listener) ||
	    !ledger_start(w->ledger) || !clerk_start(w->clerk))
		goto failed;
	n->door = door_open(&n->door_options, n->access, w->carrier, &w->door_answers, n->census,
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

void
notifier_free(struct notifier *n)
{
	struct wiring *w;

	if (n == NULL)
		return;
	w = &n->wiring;
	if (w->listener != NULL)
		listener_stop(w->listener); /* before the gate, which its recv() passes */
	if (w->ledger != NULL)
		ledger_stop(w->ledger);
	if (w->clerk != NULL)
		clerk_stop(w->clerk);
	door_close(n->door);
	if (w->carrier != NULL)
		carrier_stop(w->carrier);
	listener_free(w->listener);
	ledger_free(w->ledger);
	carrier_free(w->carrier);
	clerk_free(w->clerk); /* which the loops told things */
	census_free(n->census);
	pace_free(n->pace);
	access_release(n->access);
	settings_fini(options_table, &n->reloaded);
	free(n);
}

/* --- settings that change --- */

/* Has every part go by the settings that hold now. */
static void
reconfigure(struct notifier *n)
{
	const struct options *o = n->current;
	const struct census_bounds bounds = partoptions_bounds(o, n->n_descriptors);
	const struct carrier_options carrier_options = partoptions_carrier(o, &n->pulse);
	struct access *access = partoptions_access(o);

	if (access == NULL)
		abort(); /* a key that was taken back would go on opening doors */
	door_set_access(n->door, access);
	carrier_reconfigure(n->wiring.carrier, &carrier_options, access);
	access_release(n->access);
	n->access = access;
	census_set_bounds(n->census, &bounds);
	atomic_store(&n->door_options.gate.max_pending, (int)o->max_pending);
	pace_set_rate(n->pace, o->max_rate_per_address);
	atomic_store(&n->listener_options.broadcast, o->broadcast);
	atomic_store(&n->listener_options.plain_escape_html, o->plain_escape_html);
	atomic_store(&n->ledger_options.plain_escape_html, o->plain_escape_html);
	clerk_set_escalate(n->wiring.clerk, o->escalate_s);
}

void
notifier_reload(struct notifier *n)
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

/* --- the end --- */

int
notifier_drain_ms(const struct notifier *n)
{
	return (int)n->current->drain_s * 1000;
}

void
notifier_drain(struct notifier *n)
{
	int drain_ms = notifier_drain_ms(n);
	int64_t until = clock_ms() + drain_ms + NOTIFIER_DRAIN_GRACE_MS;

	log_info("draining: connections=%" PRId64 " drain_s=%" PRId64, census_count(n->census),
	    n->current->drain_s);
	door_shut(n->door);
	carrier_drain(n->wiring.carrier, drain_ms);
	for (int round = 0; census_count(n->census) > 0 && clock_ms() < until; round++) {
		if (round % 50 == 0)
			service_feed(); /* the gate is shut, and this loop ends in time */
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
}

/* --- how it is --- */

struct notifier_state
notifier_state(const struct notifier *n)
{
	const char *words = !listener_is_ready(n->wiring.listener) ? "waiting for the database"
	                    : metrics_get(&n->metrics, METRIC_LISTENER_POLL_ONLY)
	                        ? "polling, no bell is heard"
	                        : "listening";

	return (struct notifier_state){
	    .words = words,
	    .n_terminals = census_count(n->census),
	    .n_merchants = metrics_get(&n->metrics, METRIC_WATCHED),
	};
}

const char *
notifier_still(struct notifier *n)
{
	return pulse_look(&n->pulse);
}
