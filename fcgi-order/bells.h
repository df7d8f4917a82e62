/* bells.h - merchants whose bell is to be rung, each once.  Bounded; one caller at a time. */
#ifndef FCGI_ORDER_BELLS_H
#define FCGI_ORDER_BELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BELLS_MAX = 512,
	BELLS_TEXT_MAX = BELLS_MAX * 21 + 3, /* bytes of bells_text() at most */
};

/* All zero: none. */
struct bells {
	size_t n;
	int64_t merchant_ids[BELLS_MAX];
};

/* False: there is no room.  One that is there already needs none. */
bool bells_add(struct bells *b, int64_t merchant_id);

/* As PostgreSQL writes an array: "{7,42}". */
void bells_text(const struct bells *b, char text[BELLS_TEXT_MAX]);

#endif
