/* counters.h - what the process has done since its start.  Any thread. */
#ifndef FCGI_ORDER_COUNTERS_H
#define FCGI_ORDER_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi-order/outcome.h"

/* Beside callbacks.  One row of metrics.c's table each. */
enum counter {
	COUNTER_SANDBOX_PAID,
	COUNTER_REMINDERS,
	COUNTER_REFUSED_NOT_FOUND,
	COUNTER_REFUSED_METHOD,
	COUNTER_REFUSED_NOT_READ, /* too long, or it did not come */
	COUNTER_REFUSED_UNAUTHORIZED,
	COUNTER_REFUSED_MALFORMED,
	COUNTER_REFUSED_RULES, /* what a customer asked in vain */
	COUNTER_STORE_DOWN,    /* the database did not answer in time, or was not asked */
	COUNTER_BELLS_FAILED,  /* committed, but the bell could not be rung: the poll delivers */
	COUNTER_RINGS,         /* statements that rang, for one merchant or several */
	COUNTER_RELOADS,
	COUNTER_RELOADS_REFUSED,
	COUNTER_COUNT
};

struct counters {
	atomic_long values[COUNTER_COUNT];
	atomic_llong told_at; /* see counters_may_tell() */
	/* By the gateway's place in gateways[]. */
	struct {
		atomic_long values[OUTCOME_COUNT];
		atomic_llong told_at[OUTCOME_COUNT];
	} callbacks[GATEWAYS_MAX];
};

void counters_add(struct counters *c, enum counter counter);
long counters_get(const struct counters *c, enum counter counter);

void counters_add_callback(struct counters *c, size_t gateway, enum outcome outcome);
long counters_get_callbacks(const struct counters *c, size_t gateway, enum outcome outcome);

/* True once per second, whoever asks: whether to log what strangers can make happen. */
bool counters_may_tell(struct counters *c, int64_t now);

/* The same, once per second for each gateway and outcome. */
bool counters_may_tell_callback(
    struct counters *c, size_t gateway, enum outcome outcome, int64_t now);

#endif
