#include "shared/json.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "shared/utf8.h"

enum { DEPTH_MAX = 8 };

static size_t
digits(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && isdigit((unsigned char)text[n]))
		n++;
	return n;
}

/* Length of the number that the text begins with, as RFC 8259 has it; 0: it begins with none. */
static size_t
number_length(const char *text, size_t len)
{
	size_t n = len > 0 && text[0] == '-', more = digits(text + n, len - n);

	if (more == 0 || (more > 1 && text[n] == '0'))
		return 0;
	n += more;
	if (n < len && text[n] == '.') {
		more = digits(text + n + 1, len - n - 1);
		if (more == 0)
			return 0;
		n += 1 + more;
	}
	if (n < len && (text[n] == 'e' || text[n] == 'E')) {
		n++;
		n += n < len && (text[n] == '+' || text[n] == '-');
		more = digits(text + n, len - n);
		if (more == 0)
			return 0;
		n += more;
	}
	return n;
}

/* Length of the string that the text begins with, its quotes included; 0: a control character is
 * inside, or it has no end.  What a backslash escapes is json-c's to judge. */
static size_t
string_length(const char *text, size_t len)
{
	for (size_t i = 1; i < len && (unsigned char)text[i] >= ' '; i++) {
		if (text[i] == '"')
			return i + 1;
		i += text[i] == '\\';
	}
	return 0;
}

/* What json-c, however strict, still takes and RFC 8259 does not know: 'single quotes', NaN,
 * Infinity, numbers as "5." and "-.5", control characters inside a string. */
static bool
is_lenient(const char *text, size_t len)
{
	static const char others[] = "{}[]:, \t\r\ntruefalsn";
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		char c = text[i];

		n = 1;
		if (c == '"')
			n = string_length(text + i, len - i);
		else if (c == '-' || isdigit((unsigned char)c))
			n = number_length(text + i, len - i);
		else if (strchr(others, c) == NULL)
			return true;
		if (n == 0)
			return true;
	}
	return false;
}

json_object *
json_read_object(const char *text, size_t len)
{
	struct json_tokener *tokener;
	json_object *object;
	bool is_whole;

	/* A newline at the end is how curl and editors leave it; json-c would call it garbage. */
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL && text[len - 1] != '\0')
		len--;
	/* json-c looks at the length as an int, takes a NUL for the end, and overlong forms for
	 * UTF-8. */
	if (len == 0 || len > INT_MAX || memchr(text, '\0', len) != NULL || is_lenient(text, len) ||
	    !utf8_is_valid(text, len))
		return NULL;
	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (tokener == NULL)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, text, (int)len);
	is_whole = json_tokener_get_error(tokener) == json_tokener_success &&
	           json_tokener_get_parse_end(tokener) == len;
	json_tokener_free(tokener);
	if (object != NULL && is_whole && json_object_is_type(object, json_type_object))
		return object;
	json_object_put(object);
	return NULL;
}

bool
json_has(const json_object *object, const char *key)
{
	return json_object_object_get(object, key) != NULL;
}

bool
json_get_int(const json_object *object, const char *key, int64_t *value)
{
	json_object *member = json_object_object_get(object, key);

	if (!json_object_is_type(member, json_type_int))
		return false;
	errno = 0;
	*value = json_object_get_int64(member);
	/* json-c clamps what does not fit. */
	return errno == 0 && *value != INT64_MAX && *value != INT64_MIN;
}

bool
json_get_text(const json_object *object, const char *key, const char **value)
{
	json_object *member = json_object_object_get(object, key);

	if (!json_object_is_type(member, json_type_string))
		return false;
	*value = json_object_get_string(member);
	/* A \u0000 inside would cut the text short unseen. */
	return strlen(*value) == (size_t)json_object_get_string_len(member);
}
