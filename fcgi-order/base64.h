/* base64.h - strict base64 (RFC 4648, section 4): padded, canonical, nothing in between.  Pure.
 * OpenSSL's decoder trims spaces, reads on behind a "=" and takes bits that are not there: a text
 * that differs from the one signed could still mean the same. */
#ifndef FCGI_ORDER_BASE64_H
#define FCGI_ORDER_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes `len` characters into at most `out_size` bytes; their number is in *out_len.  False when
 * it is no base64, or too long.  Nothing is 0 bytes. */
bool base64_decode(
    const char *text, size_t len, unsigned char *out, size_t out_size, size_t *out_len);

#endif
