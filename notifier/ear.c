#include "notifier/ear.h"

#include <string.h>

#include "notifier/bell.h"
#include "notifier/pgarray.h"
#include "shared/json.h"
#include "shared/log.h"

enum { CONTROL_SEQS_MAX = 1000 };

static void
hear(struct ear *e, const char *payload)
{
	struct reader *r = e->reader;
	json_object *json;
	struct bell bell;
	struct watch *w;

	bell_parse(payload, &bell, &json);
	metrics_add(r->metrics, METRIC_BELLS, 1);
	w = watches_get(r->watches, bell.merchant);
	switch (bell.kind) {
	case BELL_RING:
		/* A seq in it can only save us a look at what we have read already. */
		if (w != NULL && (bell.seq == 0 || bell.seq > w->last))
			watches_mark_dirty(r->watches, w);
		break;
	case BELL_BROADCAST:
		metrics_add(r->metrics, METRIC_BROADCASTS, 1);
		if (bell.merchant != 0 || e->options->broadcast)
			reader_pass_on(r, item_new(&bell.broadcast, r->plain_escape_html));
		else
			log_info("broadcast to all refused: broadcast=no");
		break;
	case BELL_BAD: {
		char text[128];

		metrics_add(r->metrics, METRIC_BELLS_BAD, 1);
		log_warn("notification is no bell and no broadcast: payload=\"%s\"",
		    log_escape(text, sizeof text, payload, strlen(payload)));
		break;
	}
	}
	json_object_put(json);
}

/* Somebody acked events: what the payload says is looked up, because anybody may NOTIFY.  False:
 * the connection was lost. */
static bool
hear_control(struct ear *e, const char *payload)
{
	json_object *json = json_read_object(payload, strlen(payload));
	char seqs_text[PGARRAY_ROOM(CONTROL_SEQS_MAX)];
	struct pgarray seqs;
	int64_t id = 0;

	pgarray_start(&seqs, seqs_text, sizeof seqs_text);
	if (json != NULL && json_get_int(json, "merchant", &id) &&
	    watches_get(e->reader->watches, id) != NULL) {
		json_object *acked = json_object_object_get(json, "acked");
		size_t n = json_object_is_type(acked, json_type_array)
		               ? json_object_array_length(acked)
		               : 0;

		for (size_t i = 0; i < n && i < CONTROL_SEQS_MAX; i++)
			pgarray_add(
			    &seqs, json_object_get_int64(json_object_array_get_idx(acked, i)));
	} else {
		id = 0;
	}
	json_object_put(json);
	/* Else nobody here is concerned. */
	return id == 0 || reader_acked(e->reader, id, pgarray_end(&seqs));
}

bool
ear_hear(struct ear *e)
{
	PGconn *raw = pgconn_raw(e->reader->db);
	PGnotify *n;

	if (raw == NULL || PQconsumeInput(raw) == 0)
		return false;
	while ((n = PQnotifies(raw)) != NULL) {
		bool ok = true;

		if (strcmp(n->relname, "order_control") == 0)
			ok = hear_control(e, n->extra);
		else
			hear(e, n->extra);
		PQfreemem(n);
		if (!ok)
			return false;
	}
	return true;
}
