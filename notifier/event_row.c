#include "notifier/event_row.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/log.h"
#include "shared/utf8.h"

int64_t
row_int(const PGresult *res, int row, int column)
{
	return strtoll(PQgetvalue(res, row, column), NULL, 10);
}

struct item *
event_row_item(const PGresult *res, int row, int column, const struct event_owner *owner)
{
	struct event ev = {
	    .merchant = owner->merchant,
	    .epoch = owner->epoch,
	    .seq = row_int(res, row, column),
	    .type = (int)row_int(res, row, column + 1),
	    .has_order_id = !PQgetisnull(res, row, column + 2),
	    .order_id = row_int(res, row, column + 2),
	    .content = PQgetvalue(res, row, column + 3),
	    .at = PQgetvalue(res, row, column + 4),
	    .acked_by = PQgetisnull(res, row, column + 5) ? NULL : PQgetvalue(res, row, column + 5),
	    .id = row_int(res, row, column + 6),
	    .details = PQgetisnull(res, row, column + 7) ? NULL : PQgetvalue(res, row, column + 7),
	};

	/* A database of another encoding can hold what no frame may carry. */
	if (!utf8_is_valid(ev.content, strlen(ev.content))) {
		log_warn("content is not UTF-8, left out: merchant=%" PRId64 " seq=%" PRId64,
		    ev.merchant, ev.seq);
		ev.content = "";
	}
	return item_new(&ev, owner->plain_escape_html);
}
