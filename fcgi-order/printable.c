#include "fcgi-order/printable.h"

#include <string.h>

bool
printable_copy(char *to, size_t max, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	memcpy(to, text, len + 1);
	return true;
}
