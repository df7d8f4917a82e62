/* order_store.h - what the handlers ask of the database.  An interface, so that they can be tested
 * without one; pg_store.h is the real one. */
#ifndef FCGI_ORDER_ORDER_STORE_H
#define FCGI_ORDER_ORDER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi-order/callback.h"

enum store_status {
	STORE_OK,
	STORE_ALREADY_PAID, /* a success: nothing had to be done */
	STORE_PAID_TWICE,   /* another payment has paid it; this one is kept for a person */
	STORE_UNKNOWN_YET,  /* no such order, but it may be on its way: to be asked again */
	STORE_UNKNOWN_ORDER,
	STORE_AMOUNT_DIFFERS,
	STORE_CANCELLED,
	STORE_REFUNDED,
	STORE_NOT_WAITING, /* a reminder of an order that is not paid, or done */
	STORE_DOWN,        /* the database did not answer in time: nobody knows what was done */
};

/* The same in HTTP, and in words. */
int store_http_status(enum store_status status);
const char *store_message(enum store_status status);

/* One caller at a time.  `arg` is each function's first argument. */
struct order_store {
	void *arg;
	/* Pays an order, idempotently, and rings; what the callback said is kept, and so, for a
	 * person, is money that fits no order.  pay_method 0: the order keeps its own.  *order_id
	 * is 0 when it is not known. */
	enum store_status (*pay)(void *arg, const char *gateway, int pay_method,
	    const struct callback *callback, int64_t *order_id);
	/* Keeps a callback that pays nothing, with that verdict.  STORE_OK or STORE_DOWN. */
	enum store_status (*note)(
	    void *arg, const char *gateway, const struct callback *callback, const char *verdict);
	/* The same for an order of that user, whatever its amount (sandbox). */
	enum store_status (*pay_own)(
	    void *arg, const char *number, int64_t user_id, int pay_method, int64_t *order_id);
	/* Reminds the merchant of an order of that user, at most once a minute. */
	enum store_status (*remind)(void *arg, int64_t order_id, int64_t user_id);
	bool (*is_up)(void *arg);
};

#endif
