#include "tests/fuzz/by_the_book.h"

#include <string.h>

/* --- UTF-8 --- */

/* How many bytes follow a first byte, and its own share of the code point; -1: it is no first byte.
 */
static int
n_following(uint8_t first, uint32_t *share)
{
	if (first < 0x80) {
		*share = first;
		return 0;
	}
	if (first >= 0xc0 && first < 0xe0) {
		*share = first & 0x1f;
		return 1;
	}
	if (first >= 0xe0 && first < 0xf0) {
		*share = first & 0x0f;
		return 2;
	}
	if (first >= 0xf0 && first < 0xf8) {
		*share = first & 0x07;
		return 3;
	}
	return -1;
}

/* True when a code point from `low` to `high` may be written with so many bytes behind the first.
 */
static bool
may_be_written(uint32_t low, uint32_t high, int following)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

	if (high < least[following] || low > 0x10ffff)
		return false;
	return !(low >= 0xd800 && high <= 0xdfff); /* surrogates */
}

bool
by_the_book_utf8(const uint8_t *bytes, size_t n, bool may_go_on)
{
	for (size_t i = 0; i < n;) {
		uint32_t low, high;
		int following = n_following(bytes[i++], &low);

		if (following < 0)
			return false;
		high = low;
		for (int k = 0; k < following; k++) {
			if (i == n && !may_go_on)
				return false;
			/* What is not there yet may be anything. */
			if (i < n && (bytes[i] & 0xc0) != 0x80)
				return false;
			low = low << 6 | (i < n ? bytes[i] & 0x3fu : 0);
			high = high << 6 | (i < n ? bytes[i] & 0x3fu : 0x3f);
			i += i < n;
		}
		if (!may_be_written(low, high, following))
			return false;
	}
	return true;
}

/* --- JSON: each function takes what its rule of the grammar says off the front --- */

struct text {
	const char *at, *end;
};

static bool
take(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0)
		return false;
	t->at += n;
	return true;
}

static bool
take_any(struct text *t, const char *characters)
{
	if (t->at == t->end || *t->at == '\0' || strchr(characters, *t->at) == NULL)
		return false;
	t->at++;
	return true;
}

static void
take_space(struct text *t)
{
	while (take_any(t, " \t\r\n"))
		;
}

static size_t
take_digits(struct text *t)
{
	size_t n = 0;

	while (take_any(t, "0123456789"))
		n++;
	return n;
}

static bool
take_number(struct text *t)
{
	(void)take(t, "-");
	if (!take(t, "0") && take_digits(t) == 0)
		return false;
	if (take(t, ".") && take_digits(t) == 0)
		return false;
	if (take_any(t, "eE")) {
		(void)take_any(t, "+-");
		return take_digits(t) > 0;
	}
	return true;
}

static bool
take_string(struct text *t)
{
	if (!take(t, "\""))
		return false;
	while (!take(t, "\"")) {
		if (t->at == t->end || (unsigned char)*t->at < ' ')
			return false;
		if (!take(t, "\\")) {
			t->at++;
			continue;
		}
		if (take(t, "u")) {
			for (int i = 0; i < 4; i++) {
				if (!take_any(t, "0123456789abcdefABCDEF"))
					return false;
			}
		} else if (!take_any(t, "\"\\/bfnrt")) {
			return false;
		}
	}
	return true;
}

static bool take_value(struct text *t, int levels);

/* What stands between [ and ] or { and }: elements with commas. */
static bool
take_members(struct text *t, const char *closing, bool have_names, int levels)
{
	take_space(t);
	if (take(t, closing))
		return true;
	do {
		take_space(t);
		if (have_names && !take_string(t))
			return false;
		take_space(t);
		if (have_names && !take(t, ":"))
			return false;
		if (!take_value(t, levels))
			return false;
	} while (take(t, ","));
	return take(t, closing);
}

static bool
take_value(struct text *t, int levels)
{
	bool ok;

	take_space(t);
	if (levels == 0 || t->at == t->end)
		return false;
	if (*t->at == '"')
		ok = take_string(t);
	else if (take(t, "{"))
		ok = take_members(t, "}", true, levels - 1);
	else if (take(t, "["))
		ok = take_members(t, "]", false, levels - 1);
	else
		ok = take(t, "true") || take(t, "false") || take(t, "null") || take_number(t);
	take_space(t);
	return ok;
}

bool
by_the_book_object(const char *text, size_t len, int levels)
{
	struct text t = {text, text + len};

	take_space(&t);
	return t.at < t.end && *t.at == '{' && take_value(&t, levels) && t.at == t.end &&
	       by_the_book_utf8((const uint8_t *)text, len, false);
}

/* --- what clients read --- */

size_t
by_the_book_frame(const uint8_t *bytes, size_t n, struct by_the_book_text *text)
{
	size_t head = 2;

	if (n < 2 || bytes[0] != 0x81 || bytes[1] > 127)
		return 0;
	text->len = bytes[1];
	if (text->len > 125) {
		size_t more = text->len == 126 ? 2 : 8;

		if (n < head + more)
			return 0;
		text->len = 0;
		for (size_t i = 0; i < more; i++)
			text->len = text->len << 8 | bytes[head + i];
		head += more;
		if (text->len < (more == 2 ? 126 : 65536))
			return 0;
	}
	text->at = (const char *)bytes + head;
	return n - head >= text->len ? head + text->len : 0;
}

/* Takes a line off the front, with the end it may have; gives it without. */
static bool
take_line(struct text *t, struct by_the_book_text *line)
{
	line->at = t->at;
	while (t->at < t->end && *t->at != '\n' && *t->at != '\r')
		t->at++;
	line->len = (size_t)(t->at - line->at);
	return take(t, "\r\n") || take(t, "\n") || take(t, "\r");
}

/* Gives the value where the line is that field. */
static bool
is_field(struct by_the_book_text line, const char *name, struct by_the_book_text *value)
{
	struct text t = {line.at, line.at + line.len};

	if (!take(&t, name) || !take(&t, ":"))
		return false;
	(void)take(&t, " ");
	*value = (struct by_the_book_text){t.at, (size_t)(t.end - t.at)};
	return true;
}

size_t
by_the_book_event(const uint8_t *bytes, size_t n, struct by_the_book_event *event)
{
	struct text t = {(const char *)bytes, (const char *)bytes + n};
	struct by_the_book_text line;

	*event = (struct by_the_book_event){0};
	while (take_line(&t, &line)) {
		if (line.len == 0)
			return event->data.at == NULL ? 0 : (size_t)(t.at - (const char *)bytes);
		if (event->data.at != NULL && is_field(line, "data", &event->data))
			return 0; /* a second line of data: a line break in what should have none */
		if (!is_field(line, "data", &event->data) &&
		    !is_field(line, "event", &event->name) && !is_field(line, "id", &event->id))
			return 0;
	}
	return 0;
}
