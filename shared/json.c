#include "shared/json.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

enum { DEPTH_MAX = 8 };

/* What json-c, however strict, still takes and RFC 8259 does not know: 'single quotes', NaN,
 * Infinity, "5." and control characters inside a text. */
static bool
is_lenient(const char *text, size_t len)
{
	static const char outside[] = "{}[]:,\" \t\r\n0123456789+-.eEtrufalsn";
	bool in_text = false;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (in_text && c < ' ')
			return true;
		if (!in_text && (c == '\0' || strchr(outside, c) == NULL))
			return true;
		if (!in_text && c == '.' && (i + 1 == len || !isdigit((unsigned char)text[i + 1])))
			return true;
		if (c == '"')
			in_text = !in_text;
		else if (in_text && c == '\\')
			i++; /* what it escapes is json-c's to judge */
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
	/* json-c looks at the length as an int, and takes a NUL for the end. */
	if (len > INT_MAX || memchr(text, '\0', len) != NULL || is_lenient(text, len))
		return NULL;
	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (tokener == NULL)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
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
