/* payment.h - what a verified callback says: the same for every gateway. */
#ifndef FCGI_ORDER_PAYMENT_H
#define FCGI_ORDER_PAYMENT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PAYMENT_NUMBER_MAX = 64, /* 50 of an order's own */
	PAYMENT_AMOUNT_MAX = 16, /* characters of a decimal number */
	PAYMENT_TRANSACTION_MAX = 128,
	PAYMENT_CURRENCY_MAX = 3,
};

struct payment {
	char number[PAYMENT_NUMBER_MAX + 1];     /* of the order, as the gateway gave it */
	char amount[PAYMENT_AMOUNT_MAX + 1];     /* decimal, major units, as text: never a double */
	char currency[PAYMENT_CURRENCY_MAX + 1]; /* ISO 4217 */
	char transaction_id[PAYMENT_TRANSACTION_MAX + 1]; /* the gateway's own */
};

/* Copy into the struct; false, and nothing is copied, when the text is not what the field may hold:
 * a number is [A-Za-z0-9_-]{1,50}, an amount digits with at most two after a point, a currency
 * three capitals, a transaction id printable ASCII. */
bool payment_set_number(struct payment *p, const char *text);
bool payment_set_amount(struct payment *p, const char *text);
bool payment_set_currency(struct payment *p, const char *text);
bool payment_set_transaction_id(struct payment *p, const char *text);

/* A number of 1 to PAYMENT_NUMBER_MAX printable ASCII characters: for gateways that know others
 * than ours.  Money that comes for one that no order can have is to be kept too. */
bool payment_set_any_number(struct payment *p, const char *text);

/* An amount in hundredths, as 3800 of "38.00"; false when it is negative or too large. */
bool payment_set_cents(struct payment *p, int64_t cents);

#endif
