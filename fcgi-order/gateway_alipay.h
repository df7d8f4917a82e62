/* gateway_alipay.h - asynchronous notifications of Alipay (trade_status_sync), signed by RSA2.
 *
 * The body is a form.  Signed (RSA, PKCS#1 v1.5 with SHA-256, by Alipay's public key) are all its
 * fields but sign and sign_type, URL-decoded, sorted by name, as name=value with & between, empty
 * ones too.  Names and values are compared as bytes, so the field charset may say what it likes.
 *
 * TRADE_SUCCESS and TRADE_FINISHED pay; other states, refunds (which come as TRADE_SUCCESS too) and
 * other types are ignored.  There is no window of time: Alipay sends for 25 hours what it signed
 * once, and a replay changes nothing.
 * Alipay goes by the word in the answer's body, and repeats all that is not "success". */
#ifndef FCGI_ORDER_GATEWAY_ALIPAY_H
#define FCGI_ORDER_GATEWAY_ALIPAY_H

#include "fcgi-order/gateway.h"

bool alipay_is_configured(const struct options *o);
void *alipay_open(const struct options *o, char *error, size_t error_size);
void alipay_close(void *keys);
enum gateway_verdict alipay_read(
    const void *keys, const struct request *r, int64_t now, struct callback *callback);
void alipay_answer(struct reply *reply, int status, const char *message);

#endif
