#include "fcgi-order/timestamp.h"

#include <stdlib.h>
#include <string.h>

int64_t
timestamp_read(const char *text)
{
	size_t len = text == NULL ? 0 : strlen(text);

	if (len == 0 || len > 12 || strspn(text, "0123456789") != len)
		return -1;
	return strtoll(text, NULL, 10);
}
