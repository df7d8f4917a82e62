/* callback.h - what a gateway's callback says, once it is proven to be the gateway's: the same for
 * every gateway.  Pure. */
#ifndef FCGI_ORDER_CALLBACK_H
#define FCGI_ORDER_CALLBACK_H

#include <stdbool.h>

#include "fcgi-order/payment.h"

enum { CALLBACK_ID_MAX = 256, CALLBACK_STATE_MAX = 64 };

/* What is not known is empty. */
struct callback {
	char id[CALLBACK_ID_MAX + 1];       /* of the notification, the gateway's own */
	char state[CALLBACK_STATE_MAX + 1]; /* what happened, in the gateway's words */
	struct payment payment;
	const char *reason; /* a constant text: what is wrong or odd, for the log and the gateway */
};

/* Copy into the struct; false, and nothing is copied, when the text is not what the field may hold:
 * printable ASCII, not empty, not too long. */
bool callback_set_id(struct callback *c, const char *text);
bool callback_set_state(struct callback *c, const char *text);

#endif
