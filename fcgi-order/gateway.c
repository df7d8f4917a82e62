#include "fcgi-order/gateway.h"

#include "fcgi-order/gateway_webhook.h"

/* A further gateway is one file with a struct like this and one more row. */
const struct gateway gateways[] = {
    {"webhook", "/notify/webhook", webhook_is_configured, webhook_read, webhook_answer},
};
const size_t n_gateways = sizeof gateways / sizeof *gateways;
