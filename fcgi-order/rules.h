/* rules.h - what requests are handled by: settings, and the gateways' keys that were read with
 * them. When the settings are read again another set takes the place of this one; a request keeps
 * to what it began with.  Any thread. */
#ifndef FCGI_ORDER_RULES_H
#define FCGI_ORDER_RULES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "fcgi-order/gateway.h"
#include "fcgi-order/options.h"

struct rules {
	struct options options;
	struct gateway_keys keys;
	atomic_uint refs;
};

/* Gives a reference to rules that take over what *options owns (it is zeroed).  NULL: `error` says
 * why, and *options is as it was. */
struct rules *rules_new(struct options *options, char *error, size_t error_size);
struct rules *rules_hold(struct rules *r);
void rules_release(struct rules *r); /* accepts NULL */

/* Where those that hold now are found. */
struct rules_slot {
	pthread_mutex_t lock;
	struct rules *now; /* a reference */
};

/* Both take the reference. */
void rules_slot_init(struct rules_slot *slot, struct rules *first);
void rules_slot_set(struct rules_slot *slot, struct rules *next);
void rules_slot_fini(struct rules_slot *slot);

/* Gives a reference. */
struct rules *rules_slot_get(struct rules_slot *slot);

#endif
