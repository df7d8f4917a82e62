/* words.h - lists in a setting: words with spaces or commas between.  Pure. */
#ifndef FCGI_ORDER_WORDS_H
#define FCGI_ORDER_WORDS_H

#include <stdbool.h>

/* True when one of the words is that one; never for an empty one. */
bool words_have(const char *list, const char *word);

/* True when there is a word, and every one has only characters of `allowed`. */
bool words_are_of(const char *list, const char *allowed);

#endif
