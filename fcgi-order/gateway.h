/* gateway.h - payment gateways: one row of gateway.c's table, one file each.
 * A gateway reads and verifies its callback; what then happens is the same for all. */
#ifndef FCGI_ORDER_GATEWAY_H
#define FCGI_ORDER_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#include "fcgi-order/options.h"
#include "fcgi-order/payment.h"
#include "fcgi-order/request.h"

enum gateway_verdict {
	GATEWAY_PAYMENT,    /* genuine: *payment is what was paid */
	GATEWAY_IGNORED,    /* genuine, but of no payment: nothing to be done */
	GATEWAY_NOT_SIGNED, /* no, wrong, or stale signature */
	GATEWAY_MALFORMED,  /* genuine, but not readable */
};

struct gateway {
	const char *name; /* as recorded in the database */
	const char *path;
	/* True when its keys are in the settings; else its path answers 404. */
	bool (*is_configured)(const struct options *o);
	/* What is wrong with its settings; NULL: nothing. */
	const char *(*problem)(const struct options *o);
	/* Judges a callback at `now` (Unix seconds).  *reason: what is wrong, for the log and the
	 * gateway.  Nothing unverified is believed: the signature comes first. */
	enum gateway_verdict (*read)(const struct options *o, const struct request *r, int64_t now,
	    struct payment *payment, const char **reason);
	/* Words the answer: 2xx is a success. */
	void (*answer)(struct reply *reply, int status, const char *message);
};

extern const struct gateway gateways[];
extern const size_t n_gateways;

/* What is wrong with the settings of any configured gateway; NULL: nothing. */
const char *gateways_problem(const struct options *o);

#endif
