#include "fcgi-order/gateway.h"

#include <string.h>

#include "fcgi-order/gateway_alipay.h"
#include "fcgi-order/gateway_webhook.h"
#include "fcgi-order/gateway_wechatpay.h"

/* A further gateway is one file with functions like these and one more row. */
const struct gateway gateways[] = {
    {"webhook", "/notify/webhook", 0, KEPT_IS_TOLD, webhook_is_configured, webhook_open,
	webhook_close, webhook_read, webhook_answer},
    {"wechatpay", "/notify/paySuccess", 1, KEPT_IS_DONE, wechatpay_is_configured, wechatpay_open,
	wechatpay_close, wechatpay_read, wechatpay_answer},
    {"alipay", "/notify/alipay", 2, KEPT_IS_DONE, alipay_is_configured, alipay_open, alipay_close,
	alipay_read, alipay_answer},
};
const size_t n_gateways = sizeof gateways / sizeof *gateways;
_Static_assert(sizeof gateways / sizeof *gateways <= GATEWAYS_MAX, "raise GATEWAYS_MAX");

bool
gateways_open(struct gateway_keys *keys, const struct options *o, char *error, size_t error_size)
{
	for (size_t i = 0; i < n_gateways; i++) {
		if (!gateways[i].is_configured(o))
			continue;
		keys->of[i] = gateways[i].open(o, error, error_size);
		if (keys->of[i] == NULL)
			return false;
	}
	return true;
}

void
gateways_close(struct gateway_keys *keys)
{
	for (size_t i = 0; i < n_gateways; i++) {
		if (keys->of[i] != NULL)
			gateways[i].close(keys->of[i]);
		keys->of[i] = NULL;
	}
}

int
gateways_at(const struct gateway_keys *keys, const char *path)
{
	for (size_t i = 0; i < n_gateways; i++) {
		if (keys->of[i] != NULL && strcmp(gateways[i].path, path) == 0)
			return (int)i;
	}
	return -1;
}
