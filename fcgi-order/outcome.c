#include "fcgi-order/outcome.h"

static const char *const names[OUTCOME_COUNT] = {
    [OUTCOME_PAID] = "paid",
    [OUTCOME_ALREADY_PAID] = "already_paid",
    [OUTCOME_PAID_TWICE] = "paid_twice",
    [OUTCOME_UNKNOWN_ORDER] = "unknown_order",
    [OUTCOME_AMOUNT_DIFFERS] = "amount_differs",
    [OUTCOME_CANCELLED] = "cancelled",
    [OUTCOME_REFUNDED] = "refunded",
    [OUTCOME_IGNORED] = "ignored",
    [OUTCOME_MALFORMED] = "malformed",
    [OUTCOME_SEALED] = "sealed",
    [OUTCOME_FOREIGN] = "foreign",
    [OUTCOME_STALE] = "stale",
    [OUTCOME_UNKNOWN_KEY] = "unknown_key",
    [OUTCOME_NOT_SIGNED] = "not_signed",
    [OUTCOME_NOT_READ] = "not_read",
    [OUTCOME_NO_DATABASE] = "no_database",
};

const char *
outcome_name(enum outcome outcome)
{
	return names[outcome];
}

enum outcome
outcome_of_status(enum store_status status)
{
	switch (status) {
	case STORE_OK: return OUTCOME_PAID;
	case STORE_ALREADY_PAID: return OUTCOME_ALREADY_PAID;
	case STORE_PAID_TWICE: return OUTCOME_PAID_TWICE;
	case STORE_UNKNOWN_YET:
	case STORE_UNKNOWN_ORDER: return OUTCOME_UNKNOWN_ORDER;
	case STORE_AMOUNT_DIFFERS: return OUTCOME_AMOUNT_DIFFERS;
	case STORE_CANCELLED: return OUTCOME_CANCELLED;
	case STORE_REFUNDED: return OUTCOME_REFUNDED;
	case STORE_NOT_WAITING: /* of reminders only */
	case STORE_DOWN: return OUTCOME_NO_DATABASE;
	}
	return OUTCOME_NO_DATABASE;
}

enum outcome
outcome_of_verdict(enum gateway_verdict verdict)
{
	switch (verdict) {
	case GATEWAY_PAYMENT: /* the database's to judge */
	case GATEWAY_IGNORED: return OUTCOME_IGNORED;
	case GATEWAY_MALFORMED: return OUTCOME_MALFORMED;
	case GATEWAY_SEALED: return OUTCOME_SEALED;
	case GATEWAY_FOREIGN: return OUTCOME_FOREIGN;
	case GATEWAY_STALE: return OUTCOME_STALE;
	case GATEWAY_UNKNOWN_KEY: return OUTCOME_UNKNOWN_KEY;
	case GATEWAY_NOT_SIGNED: return OUTCOME_NOT_SIGNED;
	}
	return OUTCOME_NOT_SIGNED;
}
