#include "fcgi-order/valve.h"

bool
valve_enter(struct valve *v)
{
	if (atomic_fetch_add(&v->n_inside, 1) < atomic_load(&v->allowed))
		return true;
	atomic_fetch_sub(&v->n_inside, 1);
	return false;
}

void
valve_leave(struct valve *v, bool was_stuck)
{
	int allowed = atomic_load(&v->allowed), then;

	do {
		if (was_stuck)
			then = allowed > 1 ? allowed / 2 : 1;
		else
			then = allowed < v->most ? allowed + 1 : v->most;
	} while (!atomic_compare_exchange_weak(&v->allowed, &allowed, then));
	/* Only now: who waits behind us meets the new number. */
	atomic_fetch_sub(&v->n_inside, 1);
}

void
valve_lost(struct valve *v, int64_t now_ms)
{
	atomic_store(&v->lost_at_ms, now_ms);
}

int64_t
valve_lost_at_ms(const struct valve *v)
{
	return atomic_load(&v->lost_at_ms);
}
