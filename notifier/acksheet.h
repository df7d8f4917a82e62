/* acksheet.h - a list of acks as the arrays of one statement.  Pure. */
#ifndef NOTIFIER_ACKSHEET_H
#define NOTIFIER_ACKSHEET_H

#include <stdbool.h>

#include "notifier/ackqueue.h"

/* An element per ack, in order; `seqs` has arrays in an array of texts. */
struct acksheet {
	char *merchants, *seqs, *by;
};

/* False: out of memory.  Either way acksheet_fini() frees what there is. */
bool acksheet_init(struct acksheet *s, const struct ack *list);
void acksheet_fini(struct acksheet *s);

#endif
