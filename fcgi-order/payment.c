#include "fcgi-order/payment.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "fcgi-order/printable.h"

enum { ORDER_NUMBER_MAX = 50 };

static const char digits[] = "0123456789";
static const char number_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/* Copies text of 1..max characters, all of them in `allowed`. */
static bool
copy(char *to, size_t max, const char *text, const char *allowed)
{
	size_t len = strlen(text);

	if (len == 0 || len > max || strspn(text, allowed) != len)
		return false;
	memcpy(to, text, len + 1);
	return true;
}

bool
payment_set_number(struct payment *p, const char *text)
{
	return copy(p->number, ORDER_NUMBER_MAX, text, number_characters);
}

bool
payment_set_amount(struct payment *p, const char *text)
{
	size_t whole = strspn(text, digits);
	size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, digits) : 0;
	size_t len = whole + (text[whole] == '.' ? 1 + fraction : 0);

	if (whole == 0 || text[len] != '\0' ||
	    (text[whole] == '.' && (fraction < 1 || fraction > 2)))
		return false;
	return copy(p->amount, PAYMENT_AMOUNT_MAX, text, "0123456789.");
}

bool
payment_set_currency(struct payment *p, const char *text)
{
	return strlen(text) == PAYMENT_CURRENCY_MAX &&
	       copy(p->currency, PAYMENT_CURRENCY_MAX, text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

bool
payment_set_transaction_id(struct payment *p, const char *text)
{
	return printable_copy(p->transaction_id, PAYMENT_TRANSACTION_MAX, text);
}

bool
payment_set_any_number(struct payment *p, const char *text)
{
	return printable_copy(p->number, PAYMENT_NUMBER_MAX, text);
}

bool
payment_set_cents(struct payment *p, int64_t cents)
{
	char text[32];

	if (cents < 0)
		return false;
	snprintf(text, sizeof text, "%" PRId64 ".%02" PRId64, cents / 100, cents % 100);
	return payment_set_amount(p, text);
}
