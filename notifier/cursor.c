#include "notifier/cursor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
cursor_set(struct cursor *c, const char *epoch, int64_t seq)
{
	snprintf(c->epoch, sizeof c->epoch, "%s", epoch);
	c->seq = seq;
}

bool
cursor_parse(const char *text, struct cursor *c)
{
	const char *colon = strrchr(text, ':');
	char *end;

	cursor_set(c, "", 0);
	if (colon == NULL || colon == text || colon - text > HUB_EPOCH_MAX ||
	    colon[1 + strspn(colon + 1, "0123456789")] != '\0')
		return false;
	errno = 0;
	c->seq = strtoll(colon + 1, &end, 10);
	if (errno != 0 || end == colon + 1)
		return false;
	memcpy(c->epoch, text, (size_t)(colon - text));
	c->epoch[colon - text] = '\0';
	return true;
}
