/* ledger_store.h - the ledger's statements: a connection to the database, and what is read and
 * written by it.  Owned by one thread.
 *
 * What cannot be done now is told in the log; whether there is a database at all says
 * ledger_store_is_up(). */
#ifndef NOTIFIER_LEDGER_STORE_H
#define NOTIFIER_LEDGER_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "notifier/ackqueue.h"
#include "notifier/page.h"
#include "notifier/questions.h"

/* How questions are answered, each by one call. */
struct ledger_answers {
	void *arg;
	void (*page)(void *arg, const struct question *q, struct page *p); /* takes the page */
	/* Borrows the record. */
	void (*record)(void *arg, const struct question *q, const struct terminal_record *record);
};

struct ledger_store;

/* Borrows `conninfo` for its life; does not connect yet.  NULL: out of memory. */
struct ledger_store *ledger_store_new(const char *conninfo);
void ledger_store_free(struct ledger_store *s); /* accepts NULL */

bool ledger_store_is_up(const struct ledger_store *s);
int ledger_store_retry_ms(const struct ledger_store *s); /* until it connects again; 0: now */

/* Connects where it is not connected, and tries a connection that has been silent for long: so that
 * who comes back need not wait for the one, nor finds out that the other is dead without a word. */
void ledger_store_keep_up(struct ledger_store *s);

/* Answers questions that share a query, see questions_take().  False: none of them. */
bool ledger_store_answer(struct ledger_store *s, struct question *const *asked, size_t n,
    bool plain_escape_html, const struct ledger_answers *answers);

/* Writes acks, in one statement: one flush of the disk for all.  False: not, or in doubt; acks are
 * idempotent and may be written again. */
bool ledger_store_ack(struct ledger_store *s, const struct ack *list);

#endif
