/* gateway.h - payment gateways: one row of gateway.c's table, one file each.
 * A gateway reads and verifies its callback; what then happens is the same for all. */
#ifndef FCGI_ORDER_GATEWAY_H
#define FCGI_ORDER_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#include "fcgi-order/callback.h"
#include "fcgi-order/options.h"
#include "fcgi-order/request.h"

enum { GATEWAYS_MAX = 8 };

enum gateway_verdict {
	GATEWAY_PAYMENT,     /* genuine: callback->payment is what was paid */
	GATEWAY_IGNORED,     /* genuine, but of no payment: kept, and nothing to be done */
	GATEWAY_MALFORMED,   /* genuine, but not readable */
	GATEWAY_SEALED,      /* genuine, but none of our keys opens it */
	GATEWAY_FOREIGN,     /* signed well, but of another shop or app */
	GATEWAY_STALE,       /* its time is too far from ours */
	GATEWAY_UNKNOWN_KEY, /* signed, it says, with a key that we do not have */
	GATEWAY_NOT_SIGNED,  /* no signature, or a wrong one */
};

/* What a gateway is told of money that fits no order and is kept for a person. */
enum gateway_kept {
	KEPT_IS_TOLD, /* what is wrong: 404 or 409 */
	KEPT_IS_DONE, /* success: it would only repeat itself for a day */
};

struct gateway {
	const char *name; /* as recorded in the database */
	const char *path;
	int pay_method; /* as orders.pay_method has it; 0: it does not say how */
	enum gateway_kept kept;
	/* True when one of its settings is there; else its path answers 404. */
	bool (*is_configured)(const struct options *o);
	/* Gives its keys, read and checked; from then on they are only read, by any thread. Borrows
	 * the options for their life.  NULL: `error` names the setting, says what is wrong, and
	 * what is allowed. */
	void *(*open)(const struct options *o, char *error, size_t error_size);
	void (*close)(void *keys);
	/* Judges a callback at `now` (Unix seconds) and fills in what it says; `callback` is
	 * zeroed. Nothing unverified is believed: the signature comes first.  Any thread. */
	enum gateway_verdict (*read)(
	    const void *keys, const struct request *r, int64_t now, struct callback *callback);
	/* Words the answer: 200 is a success. */
	void (*answer)(struct reply *reply, int status, const char *message);
};

extern const struct gateway gateways[];
extern const size_t n_gateways;

/* The keys of each gateway, by its place in gateways[]; NULL: it is not configured. */
struct gateway_keys {
	void *of[GATEWAYS_MAX];
};

/* Opens all that are configured.  False: `error` says why not; gateways_close() it all the same. */
bool gateways_open(
    struct gateway_keys *keys, const struct options *o, char *error, size_t error_size);
void gateways_close(struct gateway_keys *keys);

/* The configured gateway at a path, by its place in gateways[]; -1: none. */
int gateways_at(const struct gateway_keys *keys, const char *path);

#endif
