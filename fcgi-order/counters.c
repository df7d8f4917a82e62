#include "fcgi-order/counters.h"

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

void
counters_add_callback(struct counters *c, size_t gateway, enum outcome outcome)
{
	atomic_fetch_add_explicit(&c->callbacks[gateway].values[outcome], 1, memory_order_relaxed);
}

long
counters_get_callbacks(const struct counters *c, size_t gateway, enum outcome outcome)
{
	return atomic_load_explicit(&c->callbacks[gateway].values[outcome], memory_order_relaxed);
}

static bool
may_tell(atomic_llong *told_at, int64_t now)
{
	return atomic_exchange_explicit(told_at, now, memory_order_relaxed) != now;
}

bool
counters_may_tell(struct counters *c, int64_t now)
{
	return may_tell(&c->told_at, now);
}

bool
counters_may_tell_callback(struct counters *c, size_t gateway, enum outcome outcome, int64_t now)
{
	return may_tell(&c->callbacks[gateway].told_at[outcome], now);
}
