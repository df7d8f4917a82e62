/* pgarray - whatever the numbers, they are written whole, and within the room that is promised.
 * Input: the numbers, eight bytes each. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/pgarray.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	size_t n = size / sizeof(int64_t);
	int64_t *numbers = calloc(n + 1, sizeof *numbers);
	char *buffer = malloc(PGARRAY_ROOM(n)), *end; /* of that size: what is written behind it is
	                                                 found */
	const char *text;
	struct pgarray a;

	memcpy(numbers, input, n * sizeof *numbers);
	pgarray_start(&a, buffer, PGARRAY_ROOM(n));
	for (size_t i = 0; i < n; i++)
		pgarray_add(&a, numbers[i]);
	text = pgarray_end(&a);
	assert(text == buffer && *text == '{');
	for (size_t i = 0; i < n; i++) {
		errno = 0;
		assert(strtoll(text + 1, &end, 10) == numbers[i] && errno == 0);
		assert(end > text + 1 && *end == (i + 1 < n ? ',' : '}'));
		text = end;
	}
	assert(strcmp(text, n > 0 ? "}" : "{}") == 0);
	free(buffer);
	free(numbers);
	return 0;
}
