#include "fcgi-order/bells.h"

#include <inttypes.h>
#include <stdio.h>

bool
bells_add(struct bells *b, int64_t merchant_id)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->merchant_ids[i] == merchant_id)
			return true;
	}
	if (b->n == BELLS_MAX)
		return false;
	b->merchant_ids[b->n++] = merchant_id;
	return true;
}

void
bells_text(const struct bells *b, char text[BELLS_TEXT_MAX])
{
	size_t len = 0;

	text[len++] = '{';
	for (size_t i = 0; i < b->n; i++)
		len += (size_t)snprintf(text + len, BELLS_TEXT_MAX - len, "%s%" PRId64,
		    i > 0 ? "," : "", b->merchant_ids[i]);
	text[len++] = '}';
	text[len] = '\0';
}
