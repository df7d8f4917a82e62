/* items - whatever the content, an event is one whole frame of JSON, for each kind of client, that
 * says what the event says.
 * Input: two bytes of options, then content, epoch, time and who acked it, parted by NUL bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/frame.h"
#include "notifier/item.h"
#include "shared/json.h"
#include "tests/fuzz/by_the_book.h"

enum {
	ESCAPE = 1,
	HAS_ORDER = 2,
	HAS_SEQ = 4,
	IS_ACKED = 8, /* of the first byte */
	LEVELS = 8,
	SEQS_MAX = 50
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* The text inside of a frame that fills the bytes. */
static const char *
text_of(const uint8_t *bytes, size_t len, size_t *text_len)
{
	size_t head, n;

	assert(len >= 2 && bytes[0] == (0x80 | FRAME_TEXT) && bytes[1] <= 127);
	n = bytes[1];
	head = n < 126 ? 2 : n == 126 ? 4 : 10;
	if (n >= 126) {
		n = 0;
		for (size_t i = 2; i < head; i++)
			n = n << 8 | bytes[i];
		assert(n >= (head == 4 ? 126 : 65536));
	}
	assert(len == head + n);
	*text_len = n;
	return (const char *)bytes + head;
}

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

static void
check_event(const struct item *it, enum wire wire, const struct event *ev, bool escape)
{
	size_t len, text_len;
	const uint8_t *bytes = item_wire(it, wire, &len);
	const char *text;
	json_object *object;

	if (wire == WIRE_PLAIN && ev->type != 1 && ev->type != 2) {
		assert(len == 0);
		return;
	}
	text = text_of(bytes, len, &text_len);
	assert(by_the_book_object(text, text_len, LEVELS));
	object = json_read_object(text, text_len);
	assert(object != NULL && number(object, "type") == ev->type);
	if (ev->has_order_id)
		assert(number(object, "orderId") == ev->order_id);
	else
		assert(json_object_object_get_ex(object, "orderId", NULL) &&
		       !json_has(object, "orderId"));
	if (wire == WIRE_PLAIN && escape)
		check_html(member(object, "content"), ev->content);
	else
		assert(strcmp(member(object, "content"), ev->content) == 0);
	assert(json_has(object, "seq") == (ev->seq != 0));
	if (ev->seq != 0) {
		assert(number(object, "seq") == ev->seq);
		assert(strcmp(member(object, "epoch"), ev->epoch) == 0);
		assert(strcmp(member(object, "at"), ev->at) == 0);
	}
	assert(json_has(object, "acked") == (wire == WIRE_V1 && ev->acked_by != NULL));
	if (wire == WIRE_V1 && ev->acked_by != NULL)
		assert(strcmp(member(object, "acked"), ev->acked_by) == 0);
	json_object_put(object);
}

static bool
is_valid(const char *text)
{
	return text == NULL || by_the_book_utf8((const uint8_t *)text, strlen(text), false);
}

static void
check_new(const struct event *ev, bool escape)
{
	struct item *it = item_new(ev, escape);

	assert(it != NULL && item_merchant(it) == ev->merchant && item_seq(it) == ev->seq);
	/* The database lets no other through. */
	if (is_valid(ev->content) && is_valid(ev->epoch) && is_valid(ev->at) &&
	    is_valid(ev->acked_by)) {
		check_event(it, WIRE_V1, ev, escape);
		check_event(it, WIRE_PLAIN, ev, escape);
	}
	item_release(item_hold(it));
	item_release(it);
}

static void
check_new_acked(const struct event *ev, const char *by)
{
	int64_t seqs[SEQS_MAX];
	size_t n = (size_t)ev->order_id % SEQS_MAX, len, text_len;
	struct item *it;
	json_object *object, *acked;
	const uint8_t *bytes;
	const char *text;

	for (size_t i = 0; i < n; i++)
		seqs[i] = ev->order_id * (int64_t)(i + 1);
	it = item_new_acked(ev->merchant, seqs, n, by);
	assert(it != NULL && item_seq(it) == 0);
	item_wire(it, WIRE_PLAIN, &len);
	assert(len == 0);
	bytes = item_wire(it, WIRE_V1, &len);
	if (is_valid(by)) {
		text = text_of(bytes, len, &text_len);
		assert(by_the_book_object(text, text_len, LEVELS));
		object = json_read_object(text, text_len);
		acked = json_object_object_get(object, "acked");
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
		ev.has_order_id = (input[0] & HAS_ORDER) != 0;
		ev.order_id = (int64_t)size * 1000003;
		ev.seq = (input[0] & HAS_SEQ) != 0 ? (int64_t)size << (input[0] >> 4) : 0;
		check_new(&ev, (input[0] & ESCAPE) != 0);
		check_new_acked(&ev, ev.content);
	}
	free(text);
	return 0;
}
