/* log.h - one line per happening, on standard error (the journal, or whatever supervises us, keeps
 * it). Any thread may call.  A line is written whole: lines of two threads never mix.
 *
 * log_err wakes someone; log_warn: we recovered; log_info: start, ready, reload, stop; log_debug:
 * per request. Say what happened, then key=value.  Ids yes; bodies, tokens and keys never. */
#ifndef SHARED_LOG_H
#define SHARED_LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_format {
	LOG_FORMAT_TEXT, /* program level: what happened: key=value ... */
	LOG_FORMAT_JSON, /* an object a line: log_json.h */
};

/* The name that starts each line; borrowed for the life of the process.  Call once, before threads
 * start. */
void log_open(const char *program);

/* Lines above this level are dropped.  May be called again at any time, from any thread. */
void log_set_level(enum log_level level);

/* How lines are written from now on; the same. */
void log_set_format(enum log_format format);

/* True when a line of that level would be written: ask before preparing a costly argument. */
int log_enabled(enum log_level level);

void log_err(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Copies what a stranger sent into `out` so that it fits inside a quoted value of one line: control
 * bytes, quotes, backslashes and bytes above 0x7e become \xHH, and what does not fit is cut with
 * "...".  `out_size` is at least 8. Returns `out`. */
const char *log_escape(char *out, size_t out_size, const void *text, size_t text_len);

#endif
