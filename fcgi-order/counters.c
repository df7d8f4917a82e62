#include "fcgi-order/counters.h"

#include <stddef.h>

static const char *const names[COUNTER_COUNT] = {
    [COUNTER_PAID] = "paid",
    [COUNTER_ALREADY_PAID] = "already_paid",
    [COUNTER_EXCEPTIONS] = "payment_exceptions",
    [COUNTER_IGNORED] = "ignored",
    [COUNTER_NOT_SIGNED] = "not_signed",
    [COUNTER_MALFORMED] = "malformed",
    [COUNTER_REMINDERS] = "reminders",
    [COUNTER_STORE_DOWN] = "database_failures",
    [COUNTER_BELLS_FAILED] = "bells_failed",
};

void
counters_add(struct counters *c, enum counter counter)
{
	atomic_fetch_add_explicit(&c->values[counter], 1, memory_order_relaxed);
}

long
counters_get(const struct counters *c, enum counter counter)
{
	return atomic_load_explicit(&c->values[counter], memory_order_relaxed);
}

bool
counters_may_tell(struct counters *c, int64_t now)
{
	return atomic_exchange_explicit(&c->told_at, now, memory_order_relaxed) != now;
}

json_object *
counters_json(const struct counters *c)
{
	json_object *object = json_object_new_object();

	for (size_t i = 0; i < COUNTER_COUNT; i++)
		json_object_object_add(
		    object, names[i], json_object_new_int64(counters_get(c, (enum counter)i)));
	return object;
}
