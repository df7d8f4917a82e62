/* details.h - what an event says besides its content, for clients that know more than that: amount,
 * items, a text to be spoken.  Pure. */
#ifndef NOTIFIER_DETAILS_H
#define NOTIFIER_DETAILS_H

#include <json-c/json.h>
#include <stdbool.h>

/* Adds the members of `details`, the JSON text of order_event.details, to `event`.  What is
 * unknown, or longer than the database makes it, is left out; of too many items items_more tells.
 * NULL is none.  False when out of memory. */
bool details_add(json_object *event, const char *details);

#endif
