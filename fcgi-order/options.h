/* options.h - fcgi-order's settings. */
#ifndef FCGI_ORDER_OPTIONS_H
#define FCGI_ORDER_OPTIONS_H

#include <stdint.h>

#include "shared/settings.h"

struct options {
	char *database;
	char *socket; /* NULL: inherited */
	int64_t threads;
	char *webhook_secret;
	char *jwt_secret;
	int sandbox_payment;
	char *currency;
	int64_t body_max;
	int64_t statement_timeout_ms;
	int log_level; /* enum log_level */
};

extern const struct setting options_table[];

/* What no single setting can say: NULL when the settings go together, else why they do not. */
const char *options_conflict(const struct options *o);

#endif
