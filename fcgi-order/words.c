#include "fcgi-order/words.h"

#include <stddef.h>
#include <string.h>

static const char separators[] = ", \t";

/* Gives the next word from *at on, its length in *len; NULL at the end. */
static const char *
next_word(const char **at, size_t *len)
{
	const char *word = *at + strspn(*at, separators);

	*len = strcspn(word, separators);
	*at = word + *len;
	return *len > 0 ? word : NULL;
}

bool
words_have(const char *list, const char *word)
{
	const char *one;
	size_t len;

	while ((one = next_word(&list, &len)) != NULL) {
		if (strlen(word) == len && memcmp(one, word, len) == 0)
			return true;
	}
	return false;
}

bool
words_are_of(const char *list, const char *allowed)
{
	const char *one;
	size_t len, n = 0;

	for (; (one = next_word(&list, &len)) != NULL; n++) {
		if (strspn(one, allowed) < len)
			return false;
	}
	return n > 0;
}
