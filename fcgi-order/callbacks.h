/* callbacks.h - a gateway's callback, from request to answer: the same for all gateways.  No I/O
 * but through the order_store.  Any thread, each with a store of its own. */
#ifndef FCGI_ORDER_CALLBACKS_H
#define FCGI_ORDER_CALLBACKS_H

#include "fcgi-order/context.h"
#include "fcgi-order/request.h"

/* `gateway` is its place in gateways[]. */
void callbacks_handle(
    const struct context *c, size_t gateway, const struct request *r, struct reply *reply);

/* Answers one that was not even read, in the gateway's words, and counts it. */
void callbacks_refuse(
    const struct context *c, size_t gateway, int status, const char *message, struct reply *reply);

#endif
