#include "notifier/details.h"

#include <inttypes.h>
#include <string.h>

#include "shared/json.h"

/* As orderbell.details() has them. */
enum {
	AMOUNT_MAX = 40,
	CURRENCY_LEN = 3,
	VOICE_MAX = 500,
	LANGUAGE_MAX = 80,
	NAME_MAX_BYTES = 200,
	NOTE_MAX_BYTES = 200,
	QUANTITY_MAX = 1000000,
	ITEMS_MAX = 50,
	ITEMS_BYTES_MAX = 4096,
	MORE_MAX = 1000000000,
	DETAILS_MAX = 16384, /* of all, as the database writes it */
};

/* A member that is a text. */
struct text_member {
	const char *key;
	size_t len_min, len_max;
};

static const struct text_member of_event[] = {{"amount", 1, AMOUNT_MAX},
    {"currency", CURRENCY_LEN, CURRENCY_LEN}, {"voice", 1, VOICE_MAX},
    {"language", 1, LANGUAGE_MAX}, {NULL, 0, 0}};
static const struct text_member of_item[] = {
    {"name", 1, NAME_MAX_BYTES}, {"note", 1, NOTE_MAX_BYTES}, {NULL, 0, 0}};

/* Both objects hold it then. */
static bool
share(json_object *to, const char *key, json_object *value)
{
	if (json_object_object_add(to, key, json_object_get(value)) == 0)
		return true;
	json_object_put(value);
	return false;
}

static bool
share_texts(json_object *to, const json_object *from, const struct text_member *member)
{
	const char *text;

	for (; member->key != NULL; member++) {
		if (!json_get_text(from, member->key, &text) || strlen(text) < member->len_min ||
		    strlen(text) > member->len_max)
			continue;
		if (!share(to, member->key, json_object_object_get(from, member->key)))
			return false;
	}
	return true;
}

static bool
is_quantity(json_object *value)
{
	double quantity = json_object_get_double(value);

	return (json_object_is_type(value, json_type_int) ||
		   json_object_is_type(value, json_type_double)) &&
	       quantity > 0 && quantity < QUANTITY_MAX;
}

/* Gives the item with what is known of it; without a name it is none, and has no members. */
static json_object *
item_of(const json_object *from)
{
	json_object *item = json_object_new_object(),
		    *quantity = json_object_object_get(from, "quantity");
	const char *name;
	bool ok = item != NULL;

	if (!json_get_text(from, "name", &name) || *name == '\0' || strlen(name) > NAME_MAX_BYTES)
		return item;
	ok = ok && share_texts(item, from, of_item);
	if (ok && is_quantity(quantity))
		ok = share(item, "quantity", quantity);
	if (ok)
		return item;
	json_object_put(item);
	return NULL;
}

/* Adds the items that are as they must be and fit; *n_kept is how many.  False when out of memory.
 */
static bool
add_items(json_object *event, const json_object *from, size_t *n_kept)
{
	size_t n = json_object_array_length(from), bytes = 0, len;
	json_object *items = json_object_new_array(), *item;
	bool ok = items != NULL;

	*n_kept = 0;
	for (size_t i = 0; ok && i < n && i < ITEMS_MAX; i++) {
		item = item_of(json_object_array_get_idx(from, i));
		ok = item != NULL;
		if (!ok)
			break;
		json_object_to_json_string_length(item, JSON_C_TO_STRING_PLAIN, &len);
		bytes += len;
		if (json_object_object_length(item) == 0 || bytes > ITEMS_BYTES_MAX)
			json_object_put(item);
		else if (json_object_array_add(items, item) == 0)
			++*n_kept;
		else
			ok = false;
	}
	if (ok && *n_kept > 0)
		ok = share(event, "items", items);
	json_object_put(items);
	return ok;
}

static bool
add_all(json_object *event, const json_object *from)
{
	json_object *items = json_object_object_get(from, "items"), *more;
	size_t n_kept = 0;
	int64_t n_more = 0;

	if (!share_texts(event, from, of_event))
		return false;
	if (!json_get_int(from, "items_more", &n_more) || n_more < 0 || n_more > MORE_MAX)
		n_more = 0;
	if (json_object_is_type(items, json_type_array)) {
		if (!add_items(event, items, &n_kept))
			return false;
		n_more += (int64_t)(json_object_array_length(items) - n_kept);
	}
	if (n_more == 0)
		return true;
	more = json_object_new_int64(n_more);
	if (more != NULL && json_object_object_add(event, "items_more", more) == 0)
		return true;
	json_object_put(more);
	return false;
}

bool
details_add(json_object *event, const char *details)
{
	size_t len = details == NULL ? 0 : strlen(details);
	json_object *from;
	bool ok;

	if (len == 0 || len > DETAILS_MAX)
		return true;
	from = json_read_object(details, len);
	ok = from == NULL || add_all(event, from);
	json_object_put(from);
	return ok;
}
