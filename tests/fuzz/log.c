/* log - whatever a stranger has said, it is one value of one line; and whatever the line, it is one
 * object where lines are JSON.
 * Input: a byte that chooses the room for what is escaped, then what was said; the whole of it is
 * also taken for the text of a line. */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/log.h"
#include "shared/log_json.h"
#include "tests/fuzz/by_the_book.h"

enum { ROOM_MIN = 8, LEVELS = 3, UNIX_MS = 1700000000 };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* What is written stands for the beginning of what was said, or for all of it. */
static void
check_escaped(const char *escaped, const uint8_t *said, size_t n, size_t room)
{
	size_t len = strlen(escaped), i = 0;
	bool is_cut = false;

	assert(len < room);
	for (const char *c = escaped; *c != '\0'; i++) {
		unsigned byte = (unsigned char)*c;

		assert(*c >= ' ' && *c <= '~' && *c != '"');
		is_cut = strcmp(c, "...") == 0 && (i + 3 != n || memcmp(said + i, "...", 3) != 0);
		if (is_cut)
			break;
		if (*c == '\\') {
			assert(c[1] == 'x' && sscanf(c + 2, "%2x", &byte) == 1);
			c += 3;
		}
		c++;
		assert(i < n && said[i] == byte);
	}
	assert(is_cut || i == n);
}

static void
check_escape(size_t room, const uint8_t *said, size_t n)
{
	char *out;

	room = room < ROOM_MIN ? ROOM_MIN : room;
	out = malloc(room); /* of that size: what is written behind it is found */
	assert(log_escape(out, room, said, n) == out);
	check_escaped(out, said, n, room);
	free(out);
}

static void
check_json(const char *text, size_t n)
{
	char *out = malloc(LOG_JSON_SIZE(n));
	size_t len = log_json(out, UNIX_MS, "orderbell", "info", text, n);

	assert(len <= LOG_JSON_SIZE(n) && by_the_book_object(out, len, LEVELS));
	assert(memchr(out, '\n', len) == NULL && memchr(out, '\r', len) == NULL);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *text = malloc(size); /* of that size: what is read behind its end is found */

	if (size > 0)
		memcpy(text, input, size);
	check_json(size > 0 ? text : "", size);
	if (size > 0)
		check_escape(input[0], input + 1, size - 1);
	free(text);
	return 0;
}
