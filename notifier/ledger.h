/* ledger.h - the database session that reads what terminals have missed and writes what they ack.
 * A thread of its own, apart from the listener's: however many come back at once, live events do
 * not wait for them. */
#ifndef NOTIFIER_LEDGER_H
#define NOTIFIER_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/page.h"
#include "notifier/pulse.h"

struct ledger_options {
	const char *conninfo;
	atomic_bool plain_escape_html; /* may be changed while it runs */
	struct pulse *pulse;           /* it beats; NULL: nobody looks */
};

/* Called in the ledger's thread; must not block on a terminal.  Takes the page. */
struct ledger_sink {
	void *arg;
	void (*page)(void *arg, int loop, struct page *p);
	void (*kept)(void *arg, struct ticket ticket); /* its acks are durable */
	/* Borrows the record. */
	void (*record)(void *arg, struct ticket ticket, const struct terminal_record *record);
};

struct ledger;

struct ledger *ledger_new(const struct ledger_options *options, const struct ledger_sink *sink);
void ledger_free(struct ledger *l); /* accepts NULL; only when it does not run */

bool ledger_start(struct ledger *l);
void ledger_stop(struct ledger *l); /* writes the acks it has, ends and joins the thread */

/* Any thread.  Each question is answered once by a page(), as soon as the database can be asked:
 * the asker does not repeat it meanwhile. */
void ledger_ask(struct ledger *l, int loop, enum page_kind kind, int64_t merchant, int64_t after);

/* Any thread.  The same for what the database has of a terminal: answered by a record().  False:
 * too many are asked about already. */
bool ledger_prove(struct ledger *l, struct ticket ticket, int64_t terminal);

/* Any thread.  The events are acked durably, soon; then kept() says so to the ticket, and all
 * terminals hear of it through the listener.  False: too many are waiting already, nothing was
 * taken. */
bool ledger_ack(struct ledger *l, struct ticket ticket, int64_t merchant, const int64_t *seqs,
    size_t n, const char *by);

#endif
