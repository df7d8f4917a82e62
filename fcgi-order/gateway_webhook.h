/* gateway_webhook.h - callbacks of any shop or gateway that signs them as Standard Webhooks
 * (standardwebhooks.com, specification 1.0.0): HMAC-SHA256, "v1", over "id.timestamp.body".
 *
 * The secret file has one secret in a line, so that old and new ones hold while they are changed:
 * "whsec_" and base64, or else the bytes of the line as they are.
 *
 * Body: {"type":"order.paid","data":{"orderNumber":"…","amount":"38.00","currency":"CNY",
 * "transactionId":"…"}}; currency and transactionId may be left out (then the setting `currency`,
 * and the webhook-id).  Other types are answered 204 and nothing is done.
 * A wrong currency is the database's to judge, as a wrong amount is: money never goes unrecorded.
 */
#ifndef FCGI_ORDER_GATEWAY_WEBHOOK_H
#define FCGI_ORDER_GATEWAY_WEBHOOK_H

#include "fcgi-order/gateway.h"

bool webhook_is_configured(const struct options *o);
const char *webhook_problem(const struct options *o);
enum gateway_verdict webhook_read(const struct options *o, const struct request *r, int64_t now,
    struct payment *payment, const char **reason);
void webhook_answer(struct reply *reply, int status, const char *message);

#endif
