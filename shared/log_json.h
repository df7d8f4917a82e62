/* log_json.h - a log line as JSON, for whoever collects lines by machine.  Pure. */
#ifndef SHARED_LOG_JSON_H
#define SHARED_LOG_JSON_H

#include <stddef.h>
#include <stdint.h>

/* Room for the JSON of a text of n bytes: what a byte can become, and what stands around it. */
#define LOG_JSON_SIZE(n) (8 * (n) + 256)

/* Writes {"time":…,"program":…,"level":…,"message":…,"fields":{…}} of "what happened: key=value …"
 * into `out`, which has LOG_JSON_SIZE() of the text's length, and gives its length; no newline, no
 * NUL.  A value that is a whole number becomes one; a text that ends in no key=value has no fields.
 * `unix_ms` is the time; program and level are constants that need no escape. */
size_t log_json(char *out, int64_t unix_ms, const char *program, const char *level,
    const char *text, size_t text_len);

#endif
