#include "shared/log_json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shared/utf8.h"

/* A piece of the text; it ends before `end`. */
struct piece {
	const char *start, *end;
};

struct json {
	char *at;
	bool is_utf8; /* else each byte above 0x7e is taken for a character of Latin-1 */
};

static void
put(struct json *j, const char *text)
{
	size_t len = strlen(text);

	memcpy(j->at, text, len);
	j->at += len;
}

static void
put_byte(struct json *j, unsigned char c)
{
	char code[sizeof "\\u0000"];

	if (c == '"' || c == '\\') {
		*j->at++ = '\\';
		*j->at++ = (char)c;
	} else if (c < ' ' || c == 0x7f || (c > 0x7f && !j->is_utf8)) {
		snprintf(code, sizeof code, "\\u%04x", c);
		put(j, code);
	} else {
		*j->at++ = (char)c;
	}
}

static void
put_string(struct json *j, struct piece p)
{
	*j->at++ = '"';
	for (; p.start < p.end; p.start++)
		put_byte(j, (unsigned char)*p.start);
	*j->at++ = '"';
}

/* One that every reader of JSON keeps exactly: no sign but -, no leading 0, at most 15 digits. */
static bool
is_whole_number(struct piece p)
{
	const char *digits = p.start < p.end && *p.start == '-' ? p.start + 1 : p.start;
	size_t n = (size_t)(p.end - digits);

	if (n == 0 || n > 15 || (*digits == '0' && p.end - p.start > 1))
		return false;
	for (; digits < p.end; digits++) {
		if (*digits < '0' || *digits > '9')
			return false;
	}
	return true;
}

/* Where the = of a key that begins there is, or NULL. */
static const char *
equals_of(const char *key, const char *end)
{
	const char *at = key;

	while (at < end && ((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_'))
		at++;
	return at > key && at < end && *at == '=' ? at : NULL;
}

/* Where a value ends: before the next key, or with the text.  A library's words between quotes may
 * hold quotes: only one before a key, or the last one, ends them. */
static const char *
value_end(const char *value, const char *end)
{
	bool is_quoted = value < end && *value == '"';

	for (const char *at = value + is_quoted; at < end; at++) {
		if (*at == ' ' && equals_of(at + 1, end) != NULL &&
		    (!is_quoted || (at > value + 1 && at[-1] == '"')))
			return at;
	}
	return end;
}

static struct piece
unquoted(struct piece value)
{
	if (value.end - value.start >= 2 && *value.start == '"' && value.end[-1] == '"')
		return (struct piece){value.start + 1, value.end - 1};
	return value;
}

static void
put_fields(struct json *j, const char *at, const char *end)
{
	const char *between = ",\"fields\":{";

	while (at < end) {
		const char *equals = equals_of(at, end);
		struct piece value = {equals + 1, value_end(equals + 1, end)};

		put(j, between);
		put_string(j, (struct piece){at, equals});
		put(j, ":");
		if (is_whole_number(value)) {
			memcpy(j->at, value.start, (size_t)(value.end - value.start));
			j->at += value.end - value.start;
		} else {
			put_string(j, unquoted(value));
		}
		between = ",";
		at = value.end < end ? value.end + 1 : end;
	}
	put(j, "}");
}

/* Where the fields begin: behind the first ": " before a key.  NULL: there are none. */
static const char *
fields_of(const char *text, const char *end)
{
	for (const char *at = text; at + 2 < end; at++) {
		if (at[0] == ':' && at[1] == ' ' && equals_of(at + 2, end) != NULL)
			return at + 2;
	}
	return NULL;
}

static void
put_time(struct json *j, int64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm utc;
	char date[32], fraction[16];

	gmtime_r(&seconds, &utc);
	if (strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		date[0] = '\0'; /* a year of too many digits */
	snprintf(fraction, sizeof fraction, ".%03dZ", (int)(unix_ms % 1000));
	put(j, date);
	put(j, fraction);
}

size_t
log_json(char *out, int64_t unix_ms, const char *program, const char *level, const char *text,
    size_t text_len)
{
	const char *end = text + text_len, *fields = fields_of(text, end);
	struct utf8 state = {0};
	struct json j = {.at = out};

	j.is_utf8 = utf8_feed(&state, (const uint8_t *)text, text_len) && utf8_is_complete(&state);
	put(&j, "{\"time\":\"");
	put_time(&j, unix_ms);
	put(&j, "\",\"program\":\"");
	put(&j, program);
	put(&j, "\",\"level\":\"");
	put(&j, level);
	put(&j, "\",\"message\":");
	put_string(&j, (struct piece){text, fields != NULL ? fields - 2 : end});
	if (fields != NULL)
		put_fields(&j, fields, end);
	put(&j, "}");
	return (size_t)(j.at - out);
}
