#include "notifier/metrics.h"

#include <inttypes.h>
#include <string.h>

/* Rows of one name stand together: help and type are written once for them. */
static const struct row {
	enum metric metric;
	const char *name, *label, *type, *help;
} rows[] = {
    {METRIC_CONNECTIONS, "orderbell_connections", "", "gauge", "Terminals connected here now."},
    {METRIC_TERMINALS_HELLO, "orderbell_terminals", "state=\"hello\"", "gauge",
	"Terminals by how far they are: the hello is awaited, the token is being proved, they are"
	" let in, or hear events; counted every few seconds."},
    {METRIC_TERMINALS_CLAIM, "orderbell_terminals", "state=\"claim\"", NULL, NULL},
    {METRIC_TERMINALS_ENTER, "orderbell_terminals", "state=\"enter\"", NULL, NULL},
    {METRIC_TERMINALS_LIVE, "orderbell_terminals", "state=\"live\"", NULL, NULL},
    {METRIC_PENDING, "orderbell_gate_pending", "", "gauge",
	"Sockets whose request has not wholly arrived yet."},
    {METRIC_ADOPTED_PLAIN, "orderbell_connections_total", "kind=\"plain\"", "counter",
	"Connections taken over by the carrier since the start, by kind."},
    {METRIC_ADOPTED_V1, "orderbell_connections_total", "kind=\"v1\"", NULL, NULL},
    {METRIC_ADOPTED_SSE, "orderbell_connections_total", "kind=\"sse\"", NULL, NULL},
    {METRIC_ADOPTED_POLL, "orderbell_connections_total", "kind=\"poll\"", NULL, NULL},
    {METRIC_ADOPTED_ACK, "orderbell_connections_total", "kind=\"ack\"", NULL, NULL},
    {METRIC_REFUSED_BAD_REQUEST, "orderbell_refusals_total", "reason=\"bad_request\"", "counter",
	"Requests that were refused, by reason."},
    {METRIC_REFUSED_UNAUTHORIZED, "orderbell_refusals_total", "reason=\"unauthorized\"", NULL,
	NULL},
    {METRIC_REFUSED_FORBIDDEN, "orderbell_refusals_total", "reason=\"forbidden\"", NULL, NULL},
    {METRIC_REFUSED_CAPACITY, "orderbell_refusals_total", "reason=\"capacity\"", NULL, NULL},
    {METRIC_REFUSED_RATE, "orderbell_refusals_total", "reason=\"rate\"", NULL, NULL},
    {METRIC_REFUSED_NOT_FOUND, "orderbell_refusals_total", "reason=\"not_found\"", NULL, NULL},
    {METRIC_GATE_TIMED_OUT, "orderbell_gate_dropped_total", "reason=\"timeout\"", "counter",
	"Sockets dropped before their request had arrived, by reason."},
    {METRIC_GATE_TOO_LONG, "orderbell_gate_dropped_total", "reason=\"header_too_long\"", NULL,
	NULL},
    {METRIC_GATE_EVICTED, "orderbell_gate_dropped_total", "reason=\"evicted\"", NULL, NULL},
    {METRIC_GATE_ACCEPT_FAILED, "orderbell_accept_failures_total", "", "counter",
	"Times accept() failed, mostly for want of descriptors."},
    {METRIC_EVENTS, "orderbell_events_total", "", "counter",
	"Events read from the database for merchants with terminals here."},
    {METRIC_BROADCASTS, "orderbell_broadcasts_total", "", "counter",
	"Live-only notices from a NOTIFY typed by hand."},
    {METRIC_DELIVERIES, "orderbell_deliveries_total", "", "counter",
	"Events and broadcasts written to terminals' sockets."},
    {METRIC_REPLAYED, "orderbell_replayed_total", "", "counter",
	"Deliveries that were read from the table: terminals that came back, or fell behind."},
    {METRIC_ACKED, "orderbell_acks_heard_total", "", "counter",
	"Acked events that terminals here were told of."},
    {METRIC_ACKS_UNHEARD, "orderbell_acks_unheard_total", "", "counter",
	"Those of them that no notification told of, found by reading what is still open."},
    {METRIC_BELLS, "orderbell_bells_total", "", "counter", "Notifications heard on order_events."},
    {METRIC_BELLS_BAD, "orderbell_bells_bad_total", "", "counter",
	"Notifications that were no bell and no broadcast."},
    {METRIC_CONTROL_UNKNOWN, "orderbell_control_unknown_total", "", "counter",
	"Notifications on order_control that said nothing known."},
    {METRIC_EPOCHS, "orderbell_epoch_changes_total", "", "counter",
	"Streams whose numbers started anew while watched."},
    {METRIC_CLOSED_BY_CLIENT, "orderbell_closed_total", "reason=\"client\"", "counter",
	"Terminals gone, by reason."},
    {METRIC_CLOSED_PROTOCOL, "orderbell_closed_total", "reason=\"websocket_protocol\"", NULL, NULL},
    {METRIC_CLOSED_SLOW, "orderbell_closed_total", "reason=\"slow\"", NULL, NULL},
    {METRIC_CLOSED_DEAD, "orderbell_closed_total", "reason=\"no_pong\"", NULL, NULL},
    {METRIC_CLOSED_UNAUTHORIZED, "orderbell_closed_total", "reason=\"unauthorized\"", NULL, NULL},
    {METRIC_CLOSED_UNPROVEN, "orderbell_closed_total", "reason=\"unproven\"", NULL, NULL},
    {METRIC_CLOSED_FORBIDDEN, "orderbell_closed_total", "reason=\"forbidden\"", NULL, NULL},
    {METRIC_CLOSED_BAD_PROTOCOL, "orderbell_closed_total", "reason=\"bad_protocol\"", NULL, NULL},
    {METRIC_CLOSED_GOING_AWAY, "orderbell_closed_total", "reason=\"going_away\"", NULL, NULL},
    {METRIC_CLOSED_OTHER, "orderbell_closed_total", "reason=\"other\"", NULL, NULL},
    {METRIC_LISTENER_UP, "orderbell_listener_up", "", "gauge",
	"1 while listening and caught up with the database."},
    {METRIC_LISTENER_RECONNECTS, "orderbell_listener_connects_total", "", "counter",
	"Connections made to the database by the listener."},
    {METRIC_LISTENER_POLL_ONLY, "orderbell_listener_poll_only", "", "gauge",
	"1 where notifications do not arrive (a pooler in transaction mode?) and polling must do."},
    {METRIC_WATCHED, "orderbell_merchants_watched", "", "gauge",
	"Merchants that have, or just had, terminals here."},
    {METRIC_CLERK_UP, "orderbell_clerk_up", "", "gauge",
	"1 while presence, first deliveries and alerts are written to the database."},
    {METRIC_PRESENCE_PENDING, "orderbell_presence_pending", "", "gauge",
	"Changes of who is connected that are not written yet."},
    {METRIC_PRESENCE_DROPPED, "orderbell_presence_dropped_total", "", "counter",
	"Changes of who is connected that had no room; all of it was told anew later."},
    {METRIC_PRESENCE_GAVE_WAY, "orderbell_presence_gave_way_total", "", "counter",
	"Terminals that poll, off the books as 1000 of their merchant did so later."},
    {METRIC_DELIVERY_FACTS_WRITTEN, "orderbell_delivery_facts_total", "result=\"written\"",
	"counter", "Facts of first delivery, written to the database or dropped."},
    {METRIC_DELIVERY_FACTS_DROPPED, "orderbell_delivery_facts_total", "result=\"dropped\"", NULL,
	NULL},
    {METRIC_ALERTS, "orderbell_alerts_total", "", "counter",
	"Alerts that this notifier raised for events that nobody acked."},
    {METRIC_OLDEST_UNACKED_S, "orderbell_oldest_unacked_seconds", "", "gauge",
	"Age of the oldest event that nobody has acked, of all merchants; 0: there is none."},
    {METRIC_RELOADS, "orderbell_reloads_total", "result=\"done\"", "counter",
	"Times the settings were read again, and taken or refused."},
    {METRIC_RELOADS_REFUSED, "orderbell_reloads_total", "result=\"refused\"", NULL, NULL},
};
_Static_assert(sizeof rows / sizeof *rows == METRIC_COUNT, "each metric has its row");

void
metrics_add(struct metrics *m, enum metric metric, int64_t n)
{
	atomic_fetch_add_explicit(&m->values[metric], n, memory_order_relaxed);
}

void
metrics_set(struct metrics *m, enum metric metric, int64_t value)
{
	atomic_store_explicit(&m->values[metric], value, memory_order_relaxed);
}

int64_t
metrics_get(const struct metrics *m, enum metric metric)
{
	return atomic_load_explicit(&m->values[metric], memory_order_relaxed);
}

static const int delay_bounds_ms[METRICS_DELAY_BOUNDS] = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};

void
metrics_delay(struct metrics *m, int64_t delay_ms)
{
	int i = 0;

	if (delay_ms < 0)
		delay_ms = 0;
	while (i < METRICS_DELAY_BOUNDS && delay_ms > delay_bounds_ms[i])
		i++;
	atomic_fetch_add_explicit(&m->delays[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->delay_sum_ms, delay_ms, memory_order_relaxed);
}

static void
write_delays(const struct metrics *m, FILE *out)
{
	static const char name[] = "orderbell_commit_to_send_seconds";
	int64_t n = 0;

	fprintf(out,
	    "# HELP %s From an event's commit, as the database's clock says, to the first"
	    " terminal's socket; live events.\n# TYPE %s histogram\n",
	    name, name);
	for (int i = 0; i < METRICS_DELAY_BOUNDS; i++) {
		n += atomic_load_explicit(&m->delays[i], memory_order_relaxed);
		fprintf(out, "%s_bucket{le=\"%g\"} %" PRId64 "\n", name,
		    delay_bounds_ms[i] / 1000.0, n);
	}
	n += atomic_load_explicit(&m->delays[METRICS_DELAY_BOUNDS], memory_order_relaxed);
	fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n", name, n);
	fprintf(out, "%s_sum %.3f\n%s_count %" PRId64 "\n", name,
	    (double)atomic_load_explicit(&m->delay_sum_ms, memory_order_relaxed) / 1000, name, n);
}

void
metrics_write(const struct metrics *m, FILE *out)
{
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct row *row = &rows[i];

		if (row->help != NULL)
			fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help,
			    row->name, row->type);
		fprintf(out, *row->label ? "%s{%s} %" PRId64 "\n" : "%s%s %" PRId64 "\n", row->name,
		    row->label, metrics_get(m, row->metric));
	}
	write_delays(m, out);
}
