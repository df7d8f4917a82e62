/* counters.h - what the process has done since its start.  Any thread. */
#ifndef FCGI_ORDER_COUNTERS_H
#define FCGI_ORDER_COUNTERS_H

#include <json-c/json.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum counter {
	COUNTER_PAID,
	COUNTER_ALREADY_PAID,
	COUNTER_EXCEPTIONS, /* genuine callbacks that could not be booked */
	COUNTER_IGNORED,
	COUNTER_NOT_SIGNED,
	COUNTER_MALFORMED,
	COUNTER_REMINDERS,
	COUNTER_STORE_DOWN,
	COUNTER_BELLS_FAILED, /* committed, but the bell could not be rung: the poll delivers */
	COUNTER_COUNT
};

struct counters {
	atomic_long values[COUNTER_COUNT];
	atomic_llong told_at; /* see counters_may_tell() */
};

void counters_add(struct counters *c, enum counter counter);
long counters_get(const struct counters *c, enum counter counter);

/* True once per second, whoever asks: whether to log what strangers can make happen. */
bool counters_may_tell(struct counters *c, int64_t now);

/* {"paid":3,…} with every counter; the caller puts it. */
json_object *counters_json(const struct counters *c);

#endif
