/* gateway_wechatpay.h - payment notifications of WeChat Pay, API v3.
 *
 * The headers Wechatpay-Timestamp, -Nonce, -Serial, -Signature and, maybe, -Signature-Type
 * (WECHATPAY2-SHA256-RSA2048): RSA, PKCS#1 v1.5 with SHA-256, over "timestamp\nnonce\nbody\n" with
 * the body as it came.  The serial names the key: that of a platform certificate, or a public key
 * PUB_KEY_ID_…; any number of both hold at once, so that they can be changed.
 *
 * What was paid is sealed in `resource` with the shop's API v3 key (AEAD_AES_256_GCM).  Events
 * other than TRANSACTION.SUCCESS, and transactions that are no success, are ignored.  Amounts come
 * in fen. The probes that WeChat Pay sends with a wrong signature (WECHATPAY/SIGNTEST/…) just fail.
 */
#ifndef FCGI_ORDER_GATEWAY_WECHATPAY_H
#define FCGI_ORDER_GATEWAY_WECHATPAY_H

#include "fcgi-order/gateway.h"

bool wechatpay_is_configured(const struct options *o);
void *wechatpay_open(const struct options *o, char *error, size_t error_size);
void wechatpay_close(void *keys);
enum gateway_verdict wechatpay_read(
    const void *keys, const struct request *r, int64_t now, struct callback *callback);
void wechatpay_answer(struct reply *reply, int status, const char *message);

#endif
