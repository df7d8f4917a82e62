#include "notifier/volley.h"

#include <string.h>

static bool
holds(const struct volley *v, const struct room *room, uint64_t version, const struct item_run *run)
{
	return v->room == room && v->version == version && v->at == run->at && v->n_run == run->n;
}

/* False: there is no room for it. */
static bool
add(struct volley *v, const struct item *it, enum wire wire)
{
	size_t len;
	const uint8_t *bytes = item_wire(it, wire, &len);
	int64_t seq = item_seq(it);

	if (len > VOLLEY_BYTES - v->len)
		return false;
	memcpy(v->bytes + v->len, bytes, len);
	v->len += len;
	v->n_items++;
	v->n_delivered += len > 0;
	if (seq != 0 && v->lowest == 0)
		v->lowest = seq;
	if (seq != 0)
		v->highest = seq;
	return true;
}

bool
volley_load(struct volley *v, const struct room *room, uint64_t version, const struct item_run *run,
    enum wire wire)
{
	if (holds(v, room, version, run))
		return v->n_items > 0;
	v->room = room;
	v->version = version;
	v->at = run->at;
	v->n_run = run->n;
	v->n_items = 0;
	v->lowest = v->highest = v->n_delivered = 0;
	v->was_sent = false;
	v->len = 0;
	while (v->n_items < run->n && add(v, run->slots[(run->at + v->n_items) & run->mask], wire))
		;
	return v->n_items > 0;
}
