#include "notifier/ear.h"

#include <string.h>

#include "notifier/bell.h"
#include "notifier/control.h"
#include "shared/log.h"

/* --- order_events --- */

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
			reader_pass_on(r, item_new(&bell.broadcast, e->options->plain_escape_html));
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

/* --- order_control --- */

/* Each gives false when the connection was lost.  `w` is the watch of the merchant that is named;
 * NULL: none is, or nobody here waits for it. */

/* Those that terminals here may hold for un-acked are looked up. */
static bool
hear_acked(struct ear *e, const struct control *c, struct watch *w)
{
	if (w == NULL || !w->is_known)
		return true;
	if (c->n_seqs == 0)
		watches_mark_due(e->reader->watches, w);
	for (size_t i = 0; i < c->n_seqs; i++) {
		int64_t seq = c->seqs[i];

		/* One that was not passed on yet may have been read by a terminal that came. */
		if (!watch_may_hold(w, seq) && seq <= w->last)
			continue;
		if (!reader_note_ack(e->reader, c->merchant, seq))
			return false;
	}
	return true;
}

static bool
hear_revoked(struct ear *e, const struct control *c, struct watch *w)
{
	(void)c;
	if (w != NULL) {
		w->has_terminals = true; /* had: none may be left */
		watches_mark_due(e->reader->watches, w);
	}
	return true;
}

static bool
hear_new_epoch(struct ear *e, const struct control *c, struct watch *w)
{
	if (w != NULL || c->merchant == 0)
		e->reader->watches->must_compare = true;
	return true;
}

static bool
hear_probe(struct ear *e, const struct control *c, struct watch *w)
{
	(void)w;
	probe_hear(e->probe, c->nonce, c->call);
	return true;
}

static bool (*const hearers[])(struct ear *e, const struct control *c, struct watch *w) = {
    [CONTROL_ACKED] = hear_acked,
    [CONTROL_REVOKED] = hear_revoked,
    [CONTROL_NEW_EPOCH] = hear_new_epoch,
    [CONTROL_PROBE] = hear_probe,
};
_Static_assert(sizeof hearers / sizeof *hearers == CONTROL_UNKNOWN, "each kind has its hearer");

static bool
hear_control(struct ear *e, const char *payload)
{
	struct reader *r = e->reader;
	struct control c;
	char text[128];

	control_parse(payload, &c);
	if (c.kind != CONTROL_UNKNOWN)
		return hearers[c.kind](e, &c, watches_get(r->watches, c.merchant));
	metrics_add(r->metrics, METRIC_CONTROL_UNKNOWN, 1);
	log_warn("control message that is not known, passed over: payload=\"%s\"",
	    log_escape(text, sizeof text, payload, strlen(payload)));
	return true;
}

bool
ear_hear(struct ear *e)
{
	PGconn *raw = pgconn_raw(e->reader->db);
	PGnotify *n;

	if (raw == NULL || PQconsumeInput(raw) == 0)
		return false;
	/* Others may come along with the answer to what is looked up. */
	do {
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
		if (e->reader->acks.n == 0)
			return true;
	} while (reader_look_up_acks(e->reader));
	return false;
}
