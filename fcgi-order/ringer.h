/* ringer.h - rings the bells of all payers of the process, in a thread with a database connection
 * of its own.
 * What a bell costs PostgreSQL is its transaction, so bells that come while one is under way are
 * rung together by the next, and there are a thousand of these a second at most: a bell that has
 * nobody before it is rung at once, the others within a millisecond.  One that is lost (no
 * database, no room) is counted and logged; the notifiers' poll delivers without it. */
#ifndef FCGI_ORDER_RINGER_H
#define FCGI_ORDER_RINGER_H

#include <stdint.h>

#include "fcgi-order/counters.h"
#include "fcgi-order/options.h"

struct ringer;

/* Starts the thread.  Borrows both.  NULL: it could not be started, for want of memory or threads.
 */
struct ringer *ringer_new(const struct options *options, struct counters *counters);

/* Rings what still waits, as far as that does not take long, and ends.  Accepts NULL. */
void ringer_free(struct ringer *r);

/* Lets the bell of a merchant be rung, whose events are committed.  Never waits.  Any thread. */
void ringer_ring(struct ringer *r, int64_t merchant_id);

#endif
