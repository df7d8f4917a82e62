/* pace.h - how fast the requests of one address may come: a burst is let through, a steady flood is
 * not.  What it remembers is bounded however many addresses there are: then the one that has been
 * quiet for the longest is forgotten, which never refuses anybody.  Any thread. */
#ifndef NOTIFIER_PACE_H
#define NOTIFIER_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { PACE_BURST_S = 10 }; /* so many seconds' worth may come at once */

struct pace;

/* 0 a second: no bound.  NULL: out of memory. */
struct pace *pace_new(int64_t per_second);
void pace_free(struct pace *p); /* accepts NULL */

/* From now on. */
void pace_set_rate(struct pace *p, int64_t per_second);

/* A request of an address (census_address_key(); 0 always may) comes at now_ns (monotonic).  False:
 * too soon, and it does not count. */
bool pace_admit(struct pace *p, int64_t address_key, int64_t now_ns);

#endif
