/* gateway_webhook.h - callbacks of any shop or gateway that signs them as Standard Webhooks
 * (standardwebhooks.com, specification 1.0.0), over "id.timestamp.body": "v1", HMAC-SHA256 with a
 * shared secret, or "v1a", ed25519 with a key pair.
 *
 * The secret file has one key in a line, so that old and new ones hold while they are changed:
 * "whsec_" and base64, or else the bytes of the line as they are, is a shared secret; "whpk_" and
 * base64 is the sender's public key.
 *
 * Body: {"type":"order.paid","data":{"orderNumber":"…","amount":"38.00","currency":"CNY",
 * "transactionId":"…"}}; currency and transactionId may be left out (then the setting `currency`,
 * and the webhook-id).  Other types are answered 204, kept, and nothing else is done.
 * A wrong currency is the database's to judge, as a wrong amount is: money never goes unrecorded.
 */
#ifndef FCGI_ORDER_GATEWAY_WEBHOOK_H
#define FCGI_ORDER_GATEWAY_WEBHOOK_H

#include "fcgi-order/gateway.h"

bool webhook_is_configured(const struct options *o);
void *webhook_open(const struct options *o, char *error, size_t error_size);
void webhook_close(void *keys);
enum gateway_verdict webhook_read(
    const void *keys, const struct request *r, int64_t now, struct callback *callback);
void webhook_answer(struct reply *reply, int status, const char *message);

#endif
