/* handlers.h - from a request to its answer: routes, gateways, customers.  No I/O: the database is
 * behind an order_store.  Any thread, each with a store of its own. */
#ifndef FCGI_ORDER_HANDLERS_H
#define FCGI_ORDER_HANDLERS_H

#include <stdint.h>

#include "fcgi-order/counters.h"
#include "fcgi-order/options.h"
#include "fcgi-order/order_store.h"
#include "fcgi-order/request.h"

/* What a handler works with; all borrowed. */
struct context {
	const struct options *options;
	const struct order_store *store;
	struct counters *counters;
	int64_t now; /* Unix seconds */
};

/* Answers a request.  `reply` is zeroed; reply_fini() it. */
void handle_request(const struct context *context, const struct request *r, struct reply *reply);

/* Answers one whose body was longer than body_max and was not read. */
void handle_too_long(const struct context *context, const struct request *r, struct reply *reply);

#endif
