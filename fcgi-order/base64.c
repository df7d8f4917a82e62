#include "fcgi-order/base64.h"

#include <stdint.h>
#include <string.h>

/* The value of a character, or -1. */
static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* The 24 bits of four characters, the last `padding` of which are "="; -1 when they are none. */
static int32_t
read_group(const char *text, size_t padding)
{
	int32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(text[i]) : 0;

		if (value < 0)
			return -1;
		bits = bits << 6 | value;
	}
	/* Bits that no byte is made of must be 0. */
	return (bits & ((1 << 8 * padding) - 1)) == 0 ? bits : -1;
}

static size_t
count_padding(const char *text, size_t len)
{
	size_t n = 0;

	while (n < 2 && n < len && text[len - 1 - n] == '=')
		n++;
	return n;
}

bool
base64_decode(const char *text, size_t len, unsigned char *out, size_t out_size, size_t *out_len)
{
	size_t padding = count_padding(text, len), n = 0;

	if (len % 4 != 0 || len / 4 * 3 - padding > out_size)
		return false;
	for (size_t i = 0; i < len; i += 4) {
		size_t missing = i + 4 == len ? padding : 0;
		int32_t bits = read_group(text + i, missing);

		if (bits < 0)
			return false;
		for (size_t k = 0; k < 3 - missing; k++)
			out[n++] = (unsigned char)(bits >> (16 - 8 * k));
	}
	*out_len = n;
	return true;
}
