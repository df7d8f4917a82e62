/* valve.h - how many threads may wait for the database at the same time.
 * Where it does not answer (somebody locks the table), all threads would wait for it, and what
 * comes behind them would wait for a thread, longer than any gateway does.  Each that got stuck
 * halves their number, down to one that goes on trying; each that did not lets one more in.  Any
 * thread. */
#ifndef FCGI_ORDER_VALVE_H
#define FCGI_ORDER_VALVE_H

#include <stdatomic.h>
#include <stdbool.h>

struct valve {
	int most; /* set once by the owner, as is `allowed`, to the same */
	atomic_int allowed, n_inside;
};

/* False: not now.  True: valve_leave() must follow. */
bool valve_enter(struct valve *v);
void valve_leave(struct valve *v, bool was_stuck);

#endif
