/* outcome.h - what became of a callback: as counted, and as kept in the database.  Pure. */
#ifndef FCGI_ORDER_OUTCOME_H
#define FCGI_ORDER_OUTCOME_H

#include "fcgi-order/gateway.h"
#include "fcgi-order/order_store.h"

enum outcome {
	OUTCOME_PAID,
	OUTCOME_ALREADY_PAID,
	OUTCOME_PAID_TWICE,
	OUTCOME_UNKNOWN_ORDER,
	OUTCOME_AMOUNT_DIFFERS,
	OUTCOME_CANCELLED,
	OUTCOME_REFUNDED,
	OUTCOME_IGNORED,
	OUTCOME_MALFORMED,
	OUTCOME_SEALED,
	OUTCOME_FOREIGN,
	OUTCOME_STALE,
	OUTCOME_UNKNOWN_KEY,
	OUTCOME_NOT_SIGNED,
	OUTCOME_NOT_READ, /* its body was too long, or did not come */
	OUTCOME_NO_DATABASE,
	OUTCOME_COUNT
};

const char *outcome_name(enum outcome outcome);
enum outcome outcome_of_status(enum store_status status);
enum outcome outcome_of_verdict(enum gateway_verdict verdict); /* not of a payment */

#endif
