/* event_row.h - a row of orderbell.order_event as an item: the one place that knows the columns. */
#ifndef NOTIFIER_EVENT_ROW_H
#define NOTIFIER_EVENT_ROW_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "notifier/item.h"

/* The columns, of a table or subquery called e, in the order in which event_row_item() reads them.
 */
#define EVENT_ROW_COLUMNS                                                                          \
	"e.seq, e.type, e.order_id, e.content,"                                                    \
	" to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"          \
	" e.acked_by, e.id, e.details"

/* The columns they are made of, for the subquery. */
#define EVENT_ROW_SOURCE                                                                           \
	"o.seq, o.type, o.order_id, o.content, o.created_at, o.acked_by, o.id, o.details"

/* Whose row it is: not in the row itself. */
struct event_owner {
	int64_t merchant;
	const char *epoch;
	bool plain_escape_html;
};

/* Gives a reference; NULL when out of memory.  `column` is that of e.seq. */
struct item *event_row_item(
    const PGresult *res, int row, int column, const struct event_owner *owner);

/* A column that holds a whole number. */
int64_t row_int(const PGresult *res, int row, int column);

#endif
