#include "notifier/item.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "notifier/details.h"
#include "notifier/frame.h"

enum {
	TYPE_NEW_ORDER = 1,
	TYPE_REMINDER = 2,
	EPOCH_MAX = 64,
	SSE_END_MAX = EPOCH_MAX + 40,
};

/* What stands before the JSON text in a stream: an event that every client hears, and one for those
 * who listen to it. */
static const char sse_data[] = "data: ", sse_acked[] = "event: acked\ndata: ";

struct item {
	atomic_uint refs;
	atomic_bool was_sent; /* or need not be told of */
	uint32_t offset[WIRE_COUNT], len[WIRE_COUNT];
	bool is_acked;     /* the event itself says by whom */
	uint32_t json_len; /* the last bytes of the v1 frame */
	uint32_t n_acked;  /* of an acked item: these */
	int64_t *acked;    /* owned */
	char *acked_by;    /* owned */
	int64_t merchant, seq, id, at_ms;
	size_t size;
	uint8_t bytes[];
};

/* One written form, before the item is put together. */
struct form {
	json_object *json; /* owner of `text` */
	const char *text;
	size_t len;
};

/* 0 when it is no time as event rows have it: 2026-11-22T10:00:00.123Z. */
static int64_t
unix_ms_of(const char *at)
{
	struct tm utc = {0};
	const char *rest = strptime(at, "%Y-%m-%dT%H:%M:%S", &utc);
	long ms;

	if (rest == NULL || *rest != '.')
		return 0;
	ms = strtol(rest + 1, NULL, 10);
	return (int64_t)timegm(&utc) * 1000 + ms;
}

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

/* The JSON text of an event, for plain clients or in full; the empty form when out of memory. */
static struct form
form_of(const struct event *ev, const char *content, bool in_full)
{
	struct form form = {.json = json_object_new_object()};
	bool ok = form.json != NULL && content != NULL && add_members(form.json, ev, content);

	if (in_full)
		ok = ok && details_add(form.json, ev->details);
	if (ok && in_full && ev->acked_by != NULL)
		ok = add(form.json, "acked", json_object_new_string(ev->acked_by));
	if (ok)
		form.text = text_of(form.json, &form.len);
	return form;
}

/* Writes a form into the item from `at` on; gives where it ends. */
static uint32_t
put_frame(struct item *it, enum wire wire, uint32_t at, const struct form *form)
{
	size_t header_len = frame_header(it->bytes + at, FRAME_TEXT, form->len);

	memcpy(it->bytes + at + header_len, form->text, form->len);
	it->offset[wire] = at;
	it->len[wire] = (uint32_t)(header_len + form->len);
	return at + it->len[wire];
}

/* The same as an event of a stream.  JSON text has no line break in it, so it is one data field. */
static uint32_t
put_sse(
    struct item *it, uint32_t at, const struct form *form, const char *before, const char *after)
{
	uint8_t *to = it->bytes + at;

	to = (uint8_t *)stpcpy((char *)to, before);
	memcpy(to, form->text, form->len);
	to = (uint8_t *)stpcpy((char *)to + form->len, after);
	it->offset[WIRE_SSE] = at;
	it->len[WIRE_SSE] = (uint32_t)(to - it->bytes - at);
	return at + it->len[WIRE_SSE];
}

/* An item with room for so many bytes and nothing in it yet; NULL when out of memory. */
static struct item *
new_item(int64_t merchant, int64_t seq, size_t n_bytes)
{
	size_t size = sizeof(struct item) + n_bytes + 1; /* the NUL behind the last text */
	struct item *it = malloc(size);

	if (it == NULL)
		return NULL;
	*it = (struct item){.merchant = merchant, .seq = seq, .size = size};
	atomic_init(&it->refs, 1);
	atomic_init(&it->was_sent, true);
	return it;
}

/* Puts the item together; `plain` without text: the plain clients' bytes are v1's. */
static struct item *
assemble(const struct event *ev, const struct form *v1, const struct form *plain)
{
	char end[SSE_END_MAX] = "\n\n";
	uint32_t at;
	struct item *it;

	if (ev->seq != 0)
		snprintf(
		    end, sizeof end, "\nid: %.*s:%" PRId64 "\n\n", EPOCH_MAX, ev->epoch, ev->seq);
	it = new_item(ev->merchant, ev->seq,
	    2 * FRAME_HEADER_SERVER_MAX + v1->len + plain->len + strlen(sse_data) + v1->len +
		strlen(end));
	if (it == NULL)
		return NULL;
	at = put_frame(it, WIRE_V1, 0, v1);
	it->json_len = (uint32_t)v1->len;
	at = put_sse(it, at, v1, sse_data, end);
	if (ev->type != TYPE_NEW_ORDER && ev->type != TYPE_REMINDER)
		return it;
	if (plain->text != NULL) {
		put_frame(it, WIRE_PLAIN, at, plain);
	} else {
		it->offset[WIRE_PLAIN] = it->offset[WIRE_V1];
		it->len[WIRE_PLAIN] = it->len[WIRE_V1];
	}
	return it;
}

struct item *
item_new(const struct event *ev, bool escape_plain)
{
	bool differs = ev->acked_by != NULL || ev->details != NULL ||
	               (escape_plain && strpbrk(ev->content, "&<>\"'"));
	char *html = escape_plain ? escape_html(ev->content) : NULL;
	struct form v1 = form_of(ev, ev->content, true), plain = {0};
	struct item *it = NULL;

	if (differs)
		plain = form_of(ev, escape_plain ? html : ev->content, false);
	if (v1.text != NULL && (!differs || plain.text != NULL))
		it = assemble(ev, &v1, &plain);
	if (it != NULL) {
		it->id = ev->id;
		it->at_ms = ev->at == NULL ? 0 : unix_ms_of(ev->at);
		it->is_acked = ev->acked_by != NULL;
		atomic_init(&it->was_sent, ev->id == 0 || ev->acked_by != NULL);
	}
	json_object_put(v1.json);
	json_object_put(plain.json);
	free(html);
	return it;
}

static bool
keep_acked(struct item *it, const int64_t *seqs, size_t n, const char *by)
{
	it->acked = malloc(n * sizeof *seqs);
	it->acked_by = strdup(by);
	if (it->acked == NULL || it->acked_by == NULL)
		return false;
	memcpy(it->acked, seqs, n * sizeof *seqs);
	it->n_acked = (uint32_t)n;
	it->size += n * sizeof *seqs + strlen(by);
	return true;
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
		it = new_item(merchant, 0,
		    FRAME_HEADER_SERVER_MAX + 2 * v1.len + strlen(sse_acked) + strlen("\n\n"));
	}
	if (it != NULL)
		put_sse(it, put_frame(it, WIRE_V1, 0, &v1), &v1, sse_acked, "\n\n");
	json_object_put(v1.json);
	if (it == NULL || keep_acked(it, seqs, n, by))
		return it;
	item_release(it);
	return NULL;
}

const int64_t *
item_acked(const struct item *it, size_t *n, const char **by)
{
	*n = it->n_acked;
	*by = it->acked_by;
	return it->acked;
}

/* The JSON text of an event with one member more, written by hand: "…}" becomes "…,"acked":"by"}".
 */
static char *
json_with_ack(const struct item *it, const char *by, size_t *len)
{
	json_object *name = json_object_new_string(by);
	const char *quoted = name == NULL ? NULL : json_object_to_json_string(name), *json;
	size_t json_len;
	char *text = NULL;

	json = item_json(it, &json_len);
	if (quoted != NULL &&
	    asprintf(&text, "%.*s,\"acked\":%s}", (int)json_len - 1, json, quoted) < 0)
		text = NULL;
	*len = text == NULL ? 0 : strlen(text);
	json_object_put(name);
	return text;
}

struct item *
item_with_ack(struct item *it, const char *by)
{
	const uint8_t *sse = it->bytes + it->offset[WIRE_SSE];
	size_t before = strlen(sse_data), end_len = it->len[WIRE_SSE] - before - it->json_len;
	struct form v1 = {0};
	struct item *acked = NULL;
	char *text, end[SSE_END_MAX];
	uint32_t at;

	if (it->is_acked)
		return item_hold(it);
	text = json_with_ack(it, by, &v1.len);
	v1.text = text;
	if (text != NULL)
		acked = new_item(it->merchant, it->seq,
		    FRAME_HEADER_SERVER_MAX + 2 * v1.len + before + end_len + it->len[WIRE_PLAIN]);
	if (acked != NULL) {
		memcpy(end, sse + before + it->json_len, end_len);
		end[end_len] = '\0';
		at = put_sse(acked, put_frame(acked, WIRE_V1, 0, &v1), &v1, sse_data, end);
		acked->json_len = (uint32_t)v1.len;
		acked->id = it->id;
		acked->at_ms = it->at_ms;
		acked->is_acked = true;
		/* Plain clients know nothing of acks. */
		memcpy(acked->bytes + at, it->bytes + it->offset[WIRE_PLAIN], it->len[WIRE_PLAIN]);
		acked->offset[WIRE_PLAIN] = at;
		acked->len[WIRE_PLAIN] = it->len[WIRE_PLAIN];
	}
	free(text);
	return acked;
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
	if (it == NULL || atomic_fetch_sub_explicit(&it->refs, 1, memory_order_acq_rel) > 1)
		return;
	free(it->acked);
	free(it->acked_by);
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

const char *
item_json(const struct item *it, size_t *len)
{
	*len = it->json_len;
	return (const char *)it->bytes + it->offset[WIRE_V1] + it->len[WIRE_V1] - it->json_len;
}

bool
item_is_acked(const struct item *it)
{
	return it->is_acked;
}

bool
item_is_first_sent(struct item *it)
{
	/* Mostly it was: looking is cheaper than exchanging. */
	return !atomic_load_explicit(&it->was_sent, memory_order_relaxed) &&
	       !atomic_exchange_explicit(&it->was_sent, true, memory_order_relaxed);
}

int64_t
item_id(const struct item *it)
{
	return it->id;
}

int64_t
item_at_ms(const struct item *it)
{
	return it->at_ms;
}

size_t
item_size(const struct item *it)
{
	return it->size;
}
