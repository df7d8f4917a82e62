#include "fcgi-order/gateway.h"

#include "fcgi-order/gateway_webhook.h"

/* A further gateway is one file with a struct like this and one more row. */
const struct gateway gateways[] = {
    {"webhook", "/notify/webhook", webhook_is_configured, webhook_problem, webhook_read,
	webhook_answer},
};
const size_t n_gateways = sizeof gateways / sizeof *gateways;

const char *
gateways_problem(const struct options *o)
{
	const char *problem = NULL;

	for (size_t i = 0; i < n_gateways && problem == NULL; i++) {
		if (gateways[i].is_configured(o))
			problem = gateways[i].problem(o);
	}
	return problem;
}
