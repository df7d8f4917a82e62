#include "fcgi-order/order_store.h"

int
store_http_status(enum store_status status)
{
	switch (status) {
	case STORE_OK: return 200;
	case STORE_ALREADY_PAID: return 200; /* a gateway repeats itself: same answer, no event */
	case STORE_PAID_TWICE: return 200;   /* the order is paid; the money is kept for a person */
	case STORE_UNKNOWN_YET: return 404;
	case STORE_UNKNOWN_ORDER: return 404;
	case STORE_AMOUNT_DIFFERS: return 409;
	case STORE_CANCELLED: return 409;
	case STORE_REFUNDED: return 409;
	case STORE_NOT_WAITING: return 409;
	case STORE_DOWN: return 503; /* the gateway will try again */
	}
	return 500;
}

const char *
store_message(enum store_status status)
{
	switch (status) {
	case STORE_OK: return "SUCCESS";
	case STORE_ALREADY_PAID: return "SUCCESS";
	case STORE_PAID_TWICE: return "the order had been paid by another payment";
	case STORE_UNKNOWN_YET: return "there is no such order yet";
	case STORE_UNKNOWN_ORDER: return "there is no such order";
	case STORE_AMOUNT_DIFFERS: return "the amount is not that of the order";
	case STORE_CANCELLED: return "the order was cancelled";
	case STORE_REFUNDED: return "the order was refunded";
	case STORE_NOT_WAITING: return "the order is not waiting";
	case STORE_DOWN: return "the database does not answer, try again";
	}
	return "error";
}
