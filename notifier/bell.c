#include "notifier/bell.h"

#include <limits.h>
#include <string.h>

#include "shared/json.h"

void
bell_parse(const char *payload, struct bell *bell, json_object **json)
{
	int64_t type;

	*bell = (struct bell){.kind = BELL_BAD};
	*json = json_read_object(payload, strlen(payload));
	if (*json == NULL)
		return;
	if (json_has(*json, "merchant") &&
	    (!json_get_int(*json, "merchant", &bell->merchant) || bell->merchant <= 0))
		return;
	if (!json_has(*json, "type")) {
		if (json_has(*json, "seq") &&
		    (!json_get_int(*json, "seq", &bell->seq) || bell->seq < 0))
			return;
		bell->kind = bell->merchant > 0 ? BELL_RING : BELL_BAD;
		return;
	}
	if (!json_get_int(*json, "type", &type) || type < 1 || type > INT_MAX ||
	    !json_get_text(*json, "content", &bell->broadcast.content))
		return;
	bell->broadcast.has_order_id = json_get_int(*json, "orderId", &bell->broadcast.order_id);
	if (json_has(*json, "orderId") && !bell->broadcast.has_order_id)
		return;
	bell->broadcast.merchant = bell->merchant;
	bell->broadcast.type = (int)type;
	bell->kind = BELL_BROADCAST;
}
