/* metrics.h - what the notifier counts, as Prometheus reads it (text format 0.0.4).  Any thread. */
#ifndef NOTIFIER_METRICS_H
#define NOTIFIER_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One row of metrics.c's table each. */
enum metric {
	METRIC_CONNECTIONS,
	METRIC_TERMINALS_HELLO, /* these in the order of enum session_state */
	METRIC_TERMINALS_CLAIM,
	METRIC_TERMINALS_ENTER,
	METRIC_TERMINALS_LIVE,
	METRIC_PENDING,
	METRIC_ADOPTED_PLAIN, /* these in the order of enum session_kind */
	METRIC_ADOPTED_V1,
	METRIC_ADOPTED_SSE,
	METRIC_ADOPTED_POLL,
	METRIC_ADOPTED_ACK,
	METRIC_REFUSED_BAD_REQUEST,
	METRIC_REFUSED_UNAUTHORIZED,
	METRIC_REFUSED_FORBIDDEN,
	METRIC_REFUSED_CAPACITY,
	METRIC_REFUSED_RATE,
	METRIC_REFUSED_NOT_FOUND,
	METRIC_GATE_TIMED_OUT,
	METRIC_GATE_TOO_LONG,
	METRIC_GATE_EVICTED,
	METRIC_GATE_ACCEPT_FAILED,
	METRIC_EVENTS,
	METRIC_BROADCASTS,
	METRIC_DELIVERIES,
	METRIC_REPLAYED,
	METRIC_ACKED,
	METRIC_ACKS_UNHEARD,
	METRIC_BELLS,
	METRIC_BELLS_BAD,
	METRIC_CONTROL_UNKNOWN,
	METRIC_EPOCHS,
	METRIC_CLOSED_BY_CLIENT,
	METRIC_CLOSED_PROTOCOL,
	METRIC_CLOSED_SLOW,
	METRIC_CLOSED_DEAD,
	METRIC_CLOSED_UNAUTHORIZED,
	METRIC_CLOSED_UNPROVEN,
	METRIC_CLOSED_FORBIDDEN,
	METRIC_CLOSED_BAD_PROTOCOL,
	METRIC_CLOSED_GOING_AWAY,
	METRIC_CLOSED_OTHER,
	METRIC_LISTENER_UP,
	METRIC_LISTENER_RECONNECTS,
	METRIC_LISTENER_POLL_ONLY,
	METRIC_WATCHED,
	METRIC_CLERK_UP,
	METRIC_PRESENCE_PENDING,
	METRIC_PRESENCE_DROPPED,
	METRIC_PRESENCE_GAVE_WAY,
	METRIC_DELIVERY_FACTS_WRITTEN,
	METRIC_DELIVERY_FACTS_DROPPED,
	METRIC_ALERTS,
	METRIC_OLDEST_UNACKED_S,
	METRIC_RELOADS,
	METRIC_RELOADS_REFUSED,
	METRIC_COUNT
};

enum { METRICS_DELAY_BOUNDS = 12 };

struct metrics {
	atomic_int_fast64_t values[METRIC_COUNT];
	/* How long events took from their commit to a terminal's socket: how many up to each bound,
	 * then those beyond all. */
	atomic_int_fast64_t delays[METRICS_DELAY_BOUNDS + 1], delay_sum_ms;
};

void metrics_add(struct metrics *m, enum metric metric, int64_t n);
void metrics_set(struct metrics *m, enum metric metric, int64_t value);
/* A live event was sent for the first time, so long after its commit (less than 0 counts as 0: two
 * machines' clocks). */
void metrics_delay(struct metrics *m, int64_t delay_ms);
int64_t metrics_get(const struct metrics *m, enum metric metric);
void metrics_write(const struct metrics *m, FILE *out);

#endif
