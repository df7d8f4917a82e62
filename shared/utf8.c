#include "shared/utf8.h"

/* What follows a first byte.  The second byte of some rows is narrower than 80..bf: that is what
 * keeps out overlong forms, surrogates and everything above U+10FFFF (RFC 3629, section 4). */
static bool
start_character(struct utf8 *u, uint8_t byte)
{
	u->min = 0x80;
	u->max = 0xbf;
	if (byte < 0x80)
		return true;
	if (byte < 0xc2 || byte > 0xf4)
		return false;
	if (byte < 0xe0) {
		u->missing = 1;
		return true;
	}
	if (byte < 0xf0) {
		u->missing = 2;
		if (byte == 0xe0)
			u->min = 0xa0;
		if (byte == 0xed)
			u->max = 0x9f;
		return true;
	}
	u->missing = 3;
	if (byte == 0xf0)
		u->min = 0x90;
	if (byte == 0xf4)
		u->max = 0x8f;
	return true;
}

bool
utf8_feed(struct utf8 *u, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (u->missing == 0) {
			if (!start_character(u, bytes[i]))
				return false;
			continue;
		}
		if (bytes[i] < u->min || bytes[i] > u->max)
			return false;
		u->missing--;
		u->min = 0x80;
		u->max = 0xbf;
	}
	return true;
}

bool
utf8_is_complete(const struct utf8 *u)
{
	return u->missing == 0;
}

bool
utf8_is_valid(const char *text, size_t n)
{
	struct utf8 utf8 = {0};

	return utf8_feed(&utf8, (const uint8_t *)text, n) && utf8_is_complete(&utf8);
}
