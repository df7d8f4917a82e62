/* questions.h - what the ledger was asked and has not answered yet, in order: pages of a merchant's
 * events, and what there is of a terminal.  Pure; the owner locks. */
#ifndef NOTIFIER_QUESTIONS_H
#define NOTIFIER_QUESTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/page.h"

enum { QUESTIONS_BATCH = 200 }; /* of one query */

enum question_sort { QUESTION_PAGE, QUESTION_RECORD };

struct question {
	struct question *next;
	enum question_sort sort;
	struct ticket ticket; /* who asks; of a page only the loop */
	/* Of a page: */
	enum page_kind kind;
	int64_t merchant, after;
	/* Of a record: */
	int64_t terminal;
};

struct questions {
	struct question *first, **last;
	size_t n;
};

void questions_init(struct questions *qs);
void questions_fini(struct questions *qs); /* frees what waits */

/* Copies the question.  False: there are `most` already. */
bool questions_add(struct questions *qs, const struct question *question, size_t most);
bool questions_is_empty(const struct questions *qs);

/* Takes the first ones: those that one query answers, openings or records in a row, or else a
 * single page.  Gives how many; each is the caller's, to free() or to return. */
size_t questions_take(struct questions *qs, struct question *taken[QUESTIONS_BATCH]);

/* Puts back what could not be answered: behind the others, for it may be at fault itself. */
void questions_return(struct questions *qs, struct question *const *taken, size_t n);

#endif
