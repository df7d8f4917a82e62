/* items - whatever the content, an event is one whole message of JSON, for each kind of client,
 * that says what the event says.
 * Input: two bytes of options, then content, epoch, time, who acked it and details, parted by NUL
 * bytes. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/answer.h"
#include "notifier/item.h"
#include "shared/json.h"
#include "tests/fuzz/by_the_book.h"

enum {
	ESCAPE = 1,
	HAS_ORDER = 2,
	HAS_SEQ = 4,
	IS_ACKED = 8, /* of the first byte */
	LEVELS = 8,
	SEQS_MAX = 50,
	SSE_EPOCH_MAX = 64,
	DETAILS_JSON_MAX = 8192, /* all that they may make an event longer by */
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static const char *
member(const json_object *object, const char *key)
{
	const char *text;

	assert(json_get_text(object, key, &text));
	return text;
}

static int64_t
number(const json_object *object, const char *key)
{
	json_object *value = json_object_object_get(object, key);

	assert(json_object_is_type(value, json_type_int));
	return json_object_get_int64(value);
}

/* Gives what the text is; the caller puts it. */
static json_object *
read_object(struct by_the_book_text text)
{
	json_object *object;

	assert(by_the_book_object(text.at, text.len, LEVELS));
	object = json_read_object(text.at, text.len);
	assert(object != NULL);
	return object;
}

/* HTML text says what the content says, and nothing that a page would take for markup. */
static void
check_html(const char *html, const char *content)
{
	static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
	static const char characters[] = "&<>\"'";

	assert(strpbrk(html, "<>\"'") == NULL);
	for (; *html != '\0'; content++) {
		size_t n = 1;
		char c = *html;

		for (int i = 0; *html == '&' && i < 5; i++) {
			if (strncmp(html, entities[i], strlen(entities[i])) == 0) {
				n = strlen(entities[i]);
				c = characters[i];
			}
		}
		assert(*html != '&' || n > 1);
		assert(*content == c);
		html += n;
	}
	assert(*content == '\0');
}

/* Nothing but known members, as they must be, whatever the details were. */
static void
check_details(const json_object *object)
{
	json_object *items = json_object_object_get(object, "items");
	size_t len;

	json_object_object_foreach((json_object *)object, key, value)
	{
		static const char known[] =
		    " type orderId content seq epoch at acked amount currency"
		    " items items_more voice language ";
		char word[32];

		snprintf(word, sizeof word, " %s ", key);
		assert(strstr(known, word) != NULL);
		(void)value;
	}
	assert(!json_has(object, "amount") || strlen(member(object, "amount")) <= 40);
	assert(!json_has(object, "voice") || strlen(member(object, "voice")) <= 500);
	assert(!json_has(object, "items_more") || number(object, "items_more") > 0);
	if (items == NULL)
		return;
	json_object_to_json_string_length(items, JSON_C_TO_STRING_PLAIN, &len);
	assert(len <= DETAILS_JSON_MAX && json_object_array_length(items) <= SEQS_MAX);
	for (size_t i = 0; i < json_object_array_length(items); i++)
		assert(*member(json_object_array_get_idx(items, i), "name") != '\0');
}

/* acked_by: who it is to be told with; NULL: nobody. */
static void
check_members(json_object *object, const struct event *ev, bool is_html, const char *acked_by)
{
	assert(number(object, "type") == ev->type);
	if (ev->has_order_id)
		assert(number(object, "orderId") == ev->order_id);
	else
		assert(json_object_object_get_ex(object, "orderId", NULL) &&
		       !json_has(object, "orderId"));
	if (is_html)
		check_html(member(object, "content"), ev->content);
	else
		assert(strcmp(member(object, "content"), ev->content) == 0);
	assert(json_has(object, "seq") == (ev->seq != 0));
	if (ev->seq != 0) {
		assert(number(object, "seq") == ev->seq);
		assert(strcmp(member(object, "epoch"), ev->epoch) == 0);
		assert(strcmp(member(object, "at"), ev->at) == 0);
	}
	check_details(object);
	assert(json_has(object, "acked") == (acked_by != NULL));
	if (acked_by != NULL)
		assert(strcmp(member(object, "acked"), acked_by) == 0);
	json_object_put(object);
}

static void
check_plain(const struct item *it, const struct event *ev, bool escape)
{
	size_t len;
	const uint8_t *bytes = item_wire(it, WIRE_PLAIN, &len);
	struct by_the_book_text text;
	json_object *object;

	if (ev->type != 1 && ev->type != 2) {
		assert(len == 0);
		return;
	}
	assert(by_the_book_frame(bytes, len, &text) == len);
	object = read_object(text);
	assert(json_object_object_length(object) == (ev->seq == 0 ? 3 : 6));
	check_members(object, ev, escape, NULL);
}

/* The bytes for v1 and those for a stream hold the same text. */
static struct by_the_book_text
full_text(const struct item *it, struct by_the_book_event *event)
{
	size_t len;
	const uint8_t *bytes = item_wire(it, WIRE_V1, &len);
	struct by_the_book_text text;

	assert(by_the_book_frame(bytes, len, &text) == len);
	bytes = item_wire(it, WIRE_SSE, &len);
	assert(by_the_book_event(bytes, len, event) == len);
	assert(event->data.len == text.len && memcmp(event->data.at, text.at, text.len) == 0);
	return text;
}

/* An epoch that no line of a stream could carry is none that the database makes. */
static bool
is_epoch(const char *epoch)
{
	return strpbrk(epoch, "\r\n") == NULL && strlen(epoch) <= SSE_EPOCH_MAX;
}

static void
check_full(const struct item *it, const struct event *ev, const char *acked_by)
{
	struct by_the_book_event event;
	struct by_the_book_text text = full_text(it, &event);
	size_t len;
	const char *json = item_json(it, &len);
	char id[SSE_EPOCH_MAX + 24] = "";

	assert(len == text.len && memcmp(json, text.at, len) == 0);
	if (ev->seq != 0)
		snprintf(id, sizeof id, "%s:%" PRId64, ev->epoch, ev->seq);
	assert(event.name.at == NULL && event.id.len == strlen(id));
	assert(event.id.len == 0 || memcmp(event.id.at, id, event.id.len) == 0);
	check_members(read_object(text), ev, false, acked_by);
}

/* One poll that is answered by this item alone. */
static void
check_poll(struct item *it, const struct event *ev)
{
	struct item *const slots[] = {it};
	const struct poll_answer answer = {.merchant = 7,
	    .run = {slots, 0, 0, 1},
	    .epoch = "9f3c01aa-1",
	    .seq = ev->seq,
	    .open = "Orderbell-Open: 3\r\n"};
	struct outbox out = {0};
	const char *bytes, *body, *length;
	size_t len, json_len;
	const char *json = item_json(it, &json_len);

	assert(answer_poll_fit(&answer.run, 0) == 1);
	assert(answer_poll(&out, &answer));
	bytes = (const char *)outbox_bytes(&out);
	len = outbox_len(&out);
	body = memmem(bytes, len, "\r\n\r\n", 4);
	length = memmem(bytes, len, "\r\nContent-Length: ", 18);
	assert(body != NULL && length != NULL && length < body);
	body += 4;
	assert(strtoul(length + 18, NULL, 10) == len - (size_t)(body - bytes));
	if (ev->seq == 0) {
		assert(len - (size_t)(body - bytes) == 2 && memcmp(body, "[]", 2) == 0);
	} else {
		assert(len - (size_t)(body - bytes) == json_len + 2);
		assert(body[0] == '[' && memcmp(body + 1, json, json_len) == 0 &&
		       body[json_len + 1] == ']');
	}
	outbox_clear(&out);
}

static bool
is_valid(const char *text)
{
	return text == NULL || by_the_book_utf8((const uint8_t *)text, strlen(text), false);
}

/* The event once more, acked by somebody whose name is its content. */
static void
check_with_ack(struct item *it, const struct event *ev, bool escape)
{
	struct item *acked = item_with_ack(it, ev->content);

	assert(acked != NULL && item_seq(acked) == ev->seq && item_id(acked) == ev->id);
	check_full(acked, ev, ev->acked_by != NULL ? ev->acked_by : ev->content);
	check_plain(acked, ev, escape);
	item_release(acked);
}

static void
check_new(const struct event *ev, bool escape)
{
	struct item *it = item_new(ev, escape);

	assert(it != NULL && item_merchant(it) == ev->merchant && item_seq(it) == ev->seq);
	/* The database lets no other through. */
	if (is_valid(ev->content) && is_valid(ev->epoch) && is_valid(ev->at) &&
	    is_valid(ev->acked_by) && is_epoch(ev->epoch)) {
		check_full(it, ev, ev->acked_by);
		check_plain(it, ev, escape);
		check_poll(it, ev);
		check_with_ack(it, ev, escape);
	}
	assert(item_is_first_sent(it) == (ev->id != 0 && ev->acked_by == NULL));
	assert(!item_is_first_sent(it));
	item_release(item_hold(it));
	item_release(it);
}

static void
check_new_acked(const struct event *ev, const char *by)
{
	int64_t seqs[SEQS_MAX];
	size_t n = (size_t)ev->order_id % SEQS_MAX, len, n_told;
	struct item *it;
	json_object *object, *acked;
	struct by_the_book_event event;
	const char *told_by;

	for (size_t i = 0; i < n; i++)
		seqs[i] = ev->order_id * (int64_t)(i + 1);
	it = item_new_acked(ev->merchant, seqs, n, by);
	assert(it != NULL && item_seq(it) == 0);
	item_wire(it, WIRE_PLAIN, &len);
	assert(len == 0);
	assert(n == 0 || memcmp(item_acked(it, &n_told, &told_by), seqs, n * sizeof *seqs) == 0);
	if (is_valid(by)) {
		object = read_object(full_text(it, &event));
		acked = json_object_object_get(object, "acked");
		assert(event.name.len == 5 && memcmp(event.name.at, "acked", 5) == 0);
		assert(event.id.at == NULL);
		assert(strcmp(member(object, "by"), by) == 0);
		assert(json_object_array_length(acked) == n);
		for (size_t i = 0; i < n; i++)
			assert(
			    json_object_get_int64(json_object_array_get_idx(acked, i)) == seqs[i]);
		json_object_put(object);
	}
	item_release(it);
}

/* Takes a text up to the next NUL byte off the front; "" at the end. */
static const char *
next(char **at, const char *end)
{
	char *text = *at;

	if (text < end)
		*at += strlen(text) + 1;
	return text < end ? text : "";
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *text = malloc(size + 1), *at = text + 2, *end = text + size;
	struct event ev = {.merchant = 7};

	memcpy(text, input, size);
	*end = '\0';
	if (size >= 2) {
		ev.type = input[1];
		ev.content = next(&at, end);
		ev.epoch = next(&at, end);
		ev.at = next(&at, end);
		ev.acked_by = (input[0] & IS_ACKED) != 0 ? next(&at, end) : NULL;
		ev.details = next(&at, end);
		ev.has_order_id = (input[0] & HAS_ORDER) != 0;
		ev.order_id = (int64_t)size * 1000003;
		ev.seq = (input[0] & HAS_SEQ) != 0 ? (int64_t)size << (input[0] >> 4) : 0;
		ev.id = ev.seq;
		check_new(&ev, (input[0] & ESCAPE) != 0);
		check_new_acked(&ev, ev.content);
	}
	free(text);
	return 0;
}
