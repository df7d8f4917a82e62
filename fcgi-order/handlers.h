/* handlers.h - from a request to its answer: routes, gateways, customers.  No I/O: the database is
 * behind an order_store.  Any thread, each with a store of its own. */
#ifndef FCGI_ORDER_HANDLERS_H
#define FCGI_ORDER_HANDLERS_H

#include "fcgi-order/context.h"
#include "fcgi-order/request.h"

/* Answers a request.  `reply` is zeroed; reply_fini() it. */
void handle_request(const struct context *context, const struct request *r, struct reply *reply);

/* Answers one whose body was not read to its end: 413, longer than body_max; 400, it ended early or
 * did not come in time. */
void handle_unread(
    const struct context *context, const struct request *r, int status, struct reply *reply);

#endif
