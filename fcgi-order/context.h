/* context.h - what a request is handled with. */
#ifndef FCGI_ORDER_CONTEXT_H
#define FCGI_ORDER_CONTEXT_H

#include <stdint.h>

#include "fcgi-order/counters.h"
#include "fcgi-order/gateway.h"
#include "fcgi-order/options.h"
#include "fcgi-order/order_store.h"

/* All borrowed. */
struct context {
	const struct options *options;
	const struct gateway_keys *keys;
	const struct order_store *store;
	struct counters *counters;
	int64_t now;        /* Unix seconds */
	const char *client; /* address of who asks, as the web server says; NULL: it does not */
};

#endif
