/* options.h - the notifier's settings. */
#ifndef NOTIFIER_OPTIONS_H
#define NOTIFIER_OPTIONS_H

#include <stdint.h>

#include "shared/settings.h"

struct options {
	char *database;
	char *listen;
	char *console_dir;
	int auth; /* enum access_auth */
	char *jwt_secret, *jwt_secret_2;
	char *jwt_kid, *jwt_kid_2;
	char *allow_origin;
	char *trusted_proxy;
	int token_in_query, broadcast, plain_escape_html;
	int64_t max_connections, max_per_address, max_rate_per_address, max_per_merchant,
	    max_pending, max_unproven;
	int64_t heartbeat_s, slow_s, hello_s, drain_s, escalate_s;
	int64_t carrier_loops, door_threads;
	int log_level;  /* enum log_level */
	int log_format; /* enum log_format */
};

extern const struct setting options_table[];
extern const char *const options_auths[]; /* by enum access_auth */

/* Keys of those that SIGHUP can change; a NULL ends them. */
extern const char *const options_changeable[];

/* What no single setting can say: NULL when the settings go together, else why they do not. */
const char *options_conflict(const struct options *o);

#endif
