/* bell.h - what the payload of a notification on order_events says.  Pure.
 *
 * A bell, {"merchant":7,"seq":42}, only wakes: it is never believed.  A NOTIFY typed by hand,
 * {"type":2,"orderId":5,"content":"…"}, optionally with "merchant", is a live-only broadcast. */
#ifndef NOTIFIER_BELL_H
#define NOTIFIER_BELL_H

#include <json-c/json.h>

#include "notifier/item.h"

enum bell_kind { BELL_RING, BELL_BROADCAST, BELL_BAD };

struct bell {
	enum bell_kind kind;
	int64_t merchant;       /* 0: none named */
	int64_t seq;            /* 0: none named */
	struct event broadcast; /* strings borrowed from the json object */
};

/* Reads a payload.  *json is given to the caller: json_object_put() when done with *bell. */
void bell_parse(const char *payload, struct bell *bell, json_object **json);

#endif
