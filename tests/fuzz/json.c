/* json - json_read_object() takes JSON objects and nothing else, and the getters never give what is
 * not there.
 * Input: a text. */
#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json.h"
#include "tests/fuzz/by_the_book.h"

enum { LEVELS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void
check_member(const json_object *object, const char *key)
{
	const char *text;
	int64_t number;
	bool is_int = json_get_int(object, key, &number),
	     is_text = json_get_text(object, key, &text);

	assert(!(is_int && is_text));
	assert(json_has(object, key) || !(is_int || is_text));
	if (is_text)
		assert(by_the_book_utf8((const uint8_t *)text, strlen(text), false));
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *text = malloc(size); /* of that size: what is read behind its end is found */
	json_object *object;

	if (size > 0)
		memcpy(text, input, size);
	object = json_read_object(size > 0 ? text : NULL, size);
	assert((object != NULL) == by_the_book_object(text, size, LEVELS));
	if (object != NULL) {
		json_object_object_foreach(object, key, member)
		{
			(void)member;
			assert(by_the_book_utf8((const uint8_t *)key, strlen(key), false));
			check_member(object, key);
		}
		check_member(object, "no such key, or is there?");
	}
	json_object_put(object);
	free(text);
	return 0;
}
