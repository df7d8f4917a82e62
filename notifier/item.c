#include "notifier/item.h"

#include <json-c/json.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/frame.h"

enum { TYPE_NEW_ORDER = 1, TYPE_REMINDER = 2 };

struct item {
	atomic_uint refs;
	uint32_t offset[WIRE_COUNT], len[WIRE_COUNT];
	int64_t merchant, seq;
	size_t size;
	uint8_t bytes[];
};

/* One written form, before the item is put together. */
struct form {
	json_object *json; /* owner of `text` */
	const char *text;
	size_t len;
};

static const char *
entity_of(char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	default: return NULL;
	}
}

/* Gives content as HTML text, or NULL when out of memory. */
static char *
escape_html(const char *content)
{
	size_t len = 0;
	char *html, *to;

	for (const char *c = content; *c != '\0'; c++)
		len += entity_of(*c) == NULL ? 1 : strlen(entity_of(*c));
	html = to = malloc(len + 1);
	if (html == NULL)
		return NULL;
	for (const char *c = content; *c != '\0'; c++) {
		const char *entity = entity_of(*c);

		if (entity == NULL)
			*to++ = *c;
		else
			to = stpcpy(to, entity);
	}
	*to = '\0';
	return html;
}

/* Adds a member; takes `value`.  False when out of memory. */
static bool
add(json_object *object, const char *key, json_object *value)
{
	if (value != NULL && json_object_object_add(object, key, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

static bool
add_members(json_object *object, const struct event *ev, const char *content)
{
	bool ok = add(object, "type", json_object_new_int(ev->type));

	if (ev->has_order_id)
		ok = ok && add(object, "orderId", json_object_new_int64(ev->order_id));
	else
		ok = ok && json_object_object_add(object, "orderId", NULL) == 0;
	ok = ok && add(object, "content", json_object_new_string(content));
	if (ev->seq == 0)
		return ok;
	ok = ok && add(object, "seq", json_object_new_int64(ev->seq));
	ok = ok && add(object, "epoch", json_object_new_string(ev->epoch));
	return ok && add(object, "at", json_object_new_string(ev->at));
}

static const char *
text_of(json_object *object, size_t *len)
{
	return json_object_to_json_string_length(
	    object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, len);
}

/* The JSON text of an event; the empty form when out of memory. */
static struct form
form_of(const struct event *ev, const char *content, bool with_ack)
{
	struct form form = {.json = json_object_new_object()};
	bool ok = form.json != NULL && content != NULL && add_members(form.json, ev, content);

	if (ok && with_ack && ev->acked_by != NULL)
		ok = add(form.json, "acked", json_object_new_string(ev->acked_by));
	if (ok)
		form.text = text_of(form.json, &form.len);
	return form;
}

static void
put_frame(struct item *it, enum wire wire, uint32_t at, const struct form *form)
{
	size_t header_len = frame_header(it->bytes + at, FRAME_TEXT, form->len);

	memcpy(it->bytes + at + header_len, form->text, form->len);
	it->offset[wire] = at;
	it->len[wire] = (uint32_t)(header_len + form->len);
}

/* An item with room for so many bytes and nothing in it yet; NULL when out of memory. */
static struct item *
new_item(int64_t merchant, int64_t seq, size_t n_bytes)
{
	size_t size = sizeof(struct item) + n_bytes;
	struct item *it = malloc(size);

	if (it == NULL)
		return NULL;
	*it = (struct item){.merchant = merchant, .seq = seq, .size = size};
	atomic_init(&it->refs, 1);
	return it;
}

/* Puts the item together; `plain` without text: the plain clients' bytes are v1's. */
static struct item *
assemble(const struct event *ev, const struct form *v1, const struct form *plain)
{
	struct item *it = new_item(ev->merchant, ev->seq,
	    FRAME_HEADER_SERVER_MAX + v1->len +
		(plain->text != NULL ? FRAME_HEADER_SERVER_MAX + plain->len : 0));

	if (it == NULL)
		return NULL;
	put_frame(it, WIRE_V1, 0, v1);
	if (ev->type != TYPE_NEW_ORDER && ev->type != TYPE_REMINDER)
		return it;
	if (plain->text != NULL) {
		put_frame(it, WIRE_PLAIN, it->len[WIRE_V1], plain);
	} else {
		it->offset[WIRE_PLAIN] = it->offset[WIRE_V1];
		it->len[WIRE_PLAIN] = it->len[WIRE_V1];
	}
	return it;
}

struct item *
item_new(const struct event *ev, bool escape_plain)
{
	bool differs = ev->acked_by != NULL || (escape_plain && strpbrk(ev->content, "&<>\"'"));
	char *html = escape_plain ? escape_html(ev->content) : NULL;
	struct form v1 = form_of(ev, ev->content, true), plain = {0};
	struct item *it = NULL;

	if (differs)
		plain = form_of(ev, escape_plain ? html : ev->content, false);
	if (v1.text != NULL && (!differs || plain.text != NULL))
		it = assemble(ev, &v1, &plain);
	json_object_put(v1.json);
	json_object_put(plain.json);
	free(html);
	return it;
}

struct item *
item_new_acked(int64_t merchant, const int64_t *seqs, size_t n, const char *by)
{
	struct form v1 = {.json = json_object_new_object()};
	json_object *acked = json_object_new_array();
	struct item *it = NULL;
	bool ok = v1.json != NULL && add(v1.json, "acked", acked) &&
	          add(v1.json, "by", json_object_new_string(by));

	for (size_t i = 0; ok && i < n; i++)
		ok = json_object_array_add(acked, json_object_new_int64(seqs[i])) == 0;
	if (ok) {
		v1.text = text_of(v1.json, &v1.len);
		it = new_item(merchant, 0, v1.len + FRAME_HEADER_SERVER_MAX);
	}
	if (it != NULL)
		put_frame(it, WIRE_V1, 0, &v1);
	json_object_put(v1.json);
	return it;
}

struct item *
item_hold(struct item *it)
{
	atomic_fetch_add_explicit(&it->refs, 1, memory_order_relaxed);
	return it;
}

void
item_release(struct item *it)
{
	if (it != NULL && atomic_fetch_sub_explicit(&it->refs, 1, memory_order_acq_rel) == 1)
		free(it);
}

int64_t
item_merchant(const struct item *it)
{
	return it->merchant;
}

int64_t
item_seq(const struct item *it)
{
	return it->seq;
}

const uint8_t *
item_wire(const struct item *it, enum wire wire, size_t *len)
{
	*len = it->len[wire];
	return it->bytes + it->offset[wire];
}

size_t
item_size(const struct item *it)
{
	return it->size;
}
