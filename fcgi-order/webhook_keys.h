/* webhook_keys.h - the keys of Standard Webhooks, and what they signed.  Filled once, then only
 * read: any thread. */
#ifndef FCGI_ORDER_WEBHOOK_KEYS_H
#define FCGI_ORDER_WEBHOOK_KEYS_H

#include <stdbool.h>
#include <stddef.h>

struct webhook_keys;

/* Reads one key in a line: whsec_, whpk_ or plain text.  NULL: `error` names the line, says what is
 * wrong, and what is allowed. */
struct webhook_keys *webhook_keys_new(const char *lines, char *error, size_t error_size);
void webhook_keys_free(struct webhook_keys *k); /* accepts NULL */

/* True when any of the space-separated "v1,…" and "v1a,…" is the signature of `content` by any of
 * the keys: the sender too may be changing its key.  Others are passed over; of the first 16, four
 * of v1a, are looked at. */
bool webhook_keys_signed(
    const struct webhook_keys *k, const char *signatures, const unsigned char *content, size_t len);

#endif
