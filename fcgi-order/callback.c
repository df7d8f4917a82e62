#include "fcgi-order/callback.h"

#include "fcgi-order/printable.h"

bool
callback_set_id(struct callback *c, const char *text)
{
	return printable_copy(c->id, CALLBACK_ID_MAX, text);
}

bool
callback_set_state(struct callback *c, const char *text)
{
	return printable_copy(c->state, CALLBACK_STATE_MAX, text);
}
