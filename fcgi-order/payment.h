/* payment.h - what a verified callback says: the same for every gateway. */
#ifndef FCGI_ORDER_PAYMENT_H
#define FCGI_ORDER_PAYMENT_H

#include <stdbool.h>

enum {
	PAYMENT_NUMBER_MAX = 50,
	PAYMENT_AMOUNT_MAX = 16, /* characters of a decimal number */
	PAYMENT_TRANSACTION_MAX = 128,
	PAYMENT_CURRENCY_MAX = 3,
};

struct payment {
	char number[PAYMENT_NUMBER_MAX + 1];     /* of the order */
	char amount[PAYMENT_AMOUNT_MAX + 1];     /* decimal, major units, as text: never a double */
	char currency[PAYMENT_CURRENCY_MAX + 1]; /* ISO 4217 */
	char transaction_id[PAYMENT_TRANSACTION_MAX + 1]; /* the gateway's own */
};

/* Copy into the struct; false when the text is not what the field may hold: a number is
 * [A-Za-z0-9_-]{1,50}, an amount digits with at most two after a point, a currency three capitals,
 * a transaction id printable ASCII. */
bool payment_set_number(struct payment *p, const char *text);
bool payment_set_amount(struct payment *p, const char *text);
bool payment_set_currency(struct payment *p, const char *text);
bool payment_set_transaction_id(struct payment *p, const char *text);

#endif
