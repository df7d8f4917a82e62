/* cursor.h - where a terminal says that it was: the last event it has seen.  Pure. */
#ifndef NOTIFIER_CURSOR_H
#define NOTIFIER_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "notifier/hub.h"

struct cursor {
	char epoch[HUB_EPOCH_MAX + 1];
	int64_t seq;
};

/* Reads {epoch}:{seq}.  False when it is none; then *c is one that holds nowhere. */
bool cursor_parse(const char *text, struct cursor *c);

/* Copies; an epoch that is too long is cut, and so is of another stream: as it should be. */
void cursor_set(struct cursor *c, const char *epoch, int64_t seq);

#endif
