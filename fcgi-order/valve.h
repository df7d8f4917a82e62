/* valve.h - how many threads may wait for the database at the same time, and what they tell each
 * other of it.
 * Where it does not answer (somebody locks the table), all threads would wait for it, and what
 * comes behind them would wait for a thread, longer than any gateway does.  Each that got stuck
 * halves their number, down to one that goes on trying; each that did not lets one more in.
 * Where the server is gone without a word, each would have to find that out for its own connection,
 * one request after the other: the first that does tells the others.  Any thread. */
#ifndef FCGI_ORDER_VALVE_H
#define FCGI_ORDER_VALVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct valve {
	int most; /* set once by the owner, as is `allowed`, to the same */
	atomic_int allowed, n_inside;
	atomic_int_fast64_t lost_at_ms;
};

/* False: not now.  True: valve_leave() must follow. */
bool valve_enter(struct valve *v);
void valve_leave(struct valve *v, bool was_stuck);

/* A connection was lost: others that have not heard from the server since then are not to be
 * trusted.  Time is clock_ms(); 0: none ever was. */
void valve_lost(struct valve *v, int64_t now_ms);
int64_t valve_lost_at_ms(const struct valve *v);

#endif
