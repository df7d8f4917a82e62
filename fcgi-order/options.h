/* options.h - fcgi-order's settings. */
#ifndef FCGI_ORDER_OPTIONS_H
#define FCGI_ORDER_OPTIONS_H

#include <stdint.h>
#include <sys/types.h>

#include "shared/settings.h"

struct options {
	char *database;
	char *socket;    /* empty: inherited */
	int socket_mode; /* as options_socket_mode() tells */
	int64_t threads;
	char *webhook_secret;
	char *wechatpay_mchid, *wechatpay_appid, *wechatpay_keys; /* NULL: not set */
	char *wechatpay_api_v3_key;
	char *alipay_app_id, *alipay_seller_id, *alipay_keys;
	char *jwt_secret;
	int sandbox_payment;
	char *currency;
	int64_t body_max;
	int64_t statement_timeout_ms;
	int log_level;  /* enum log_level */
	int log_format; /* enum log_format */
};

extern const struct setting options_table[];

/* Keys of those that SIGHUP can change; a NULL ends them. */
extern const char *const options_changeable[];

/* What no single setting can say: NULL when the settings go together, else why they do not. */
const char *options_conflict(const struct options *o);

/* The permissions of a socket at a path. */
mode_t options_socket_mode(const struct options *o);

#endif
