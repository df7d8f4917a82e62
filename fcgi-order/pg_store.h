/* pg_store.h - an order_store on PostgreSQL: one connection, owned by one thread. */
#ifndef FCGI_ORDER_PG_STORE_H
#define FCGI_ORDER_PG_STORE_H

#include "fcgi-order/counters.h"
#include "fcgi-order/options.h"
#include "fcgi-order/order_store.h"
#include "fcgi-order/ringer.h"
#include "fcgi-order/valve.h"

struct pg_store;

/* Borrows all; `valve` and `ringer` are those of all stores of the process.  Without a ringer it
 * rings itself, before it answers.  NULL: out of memory. */
struct pg_store *pg_store_new(const struct options *options, struct counters *counters,
    struct valve *valve, struct ringer *ringer);
void pg_store_free(struct pg_store *s); /* accepts NULL */

/* The interface of it; valid as long as it. */
const struct order_store *pg_store_interface(const struct pg_store *s);

#endif
