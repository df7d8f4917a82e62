/* json.h - reading small JSON objects that strangers sent, on top of json-c: one strict way for
 * both programs.  Pure. */
#ifndef SHARED_JSON_H
#define SHARED_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Gives the object that `text` is, the whole of it and nothing else, UTF-8,
 * at most 8 levels deep.  NULL otherwise.  json_object_put() it. */
json_object *json_read_object(const char *text, size_t len);

/* True when the object has that key with a value other than null. */
bool json_has(const json_object *object, const char *key);

/* Read a member; false when it is not there or of another type (a number out of range included). */
bool json_get_int(const json_object *object, const char *key, int64_t *value);
bool json_get_text(const json_object *object, const char *key, const char **value);

#endif
