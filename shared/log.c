#include "shared/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/log_json.h"

enum { LINE_MAX_BYTES = 2048 };

static const char *program_name = "orderbell";
static atomic_int threshold = LOG_LEVEL_INFO;
static atomic_int format_now = LOG_FORMAT_TEXT;

static const char *const level_names[] = {"err", "warn", "info", "debug"};

void
log_open(const char *program)
{
	program_name = program;
}

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

void
log_set_format(enum log_format format)
{
	atomic_store_explicit(&format_now, (int)format, memory_order_relaxed);
}

int
log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

/* One write(2) per line keeps the lines of threads and processes apart.  Where the log cannot be
 * written there is nobody left to tell. */
static void
write_out(const char *line, size_t len)
{
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

static void
write_json(enum log_level level, const char *text, size_t len)
{
	char json[LOG_JSON_SIZE(LINE_MAX_BYTES)];
	size_t n = log_json(json, clock_unix_ms(), program_name, level_names[level], text, len);

	json[n++] = '\n';
	write_out(json, n);
}

static void __attribute__((format(printf, 2, 0)))
write_line(enum log_level level, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	int head, body;
	size_t len;

	if (!log_enabled(level))
		return;
	head = snprintf(line, sizeof line, "%s %s: ", program_name, level_names[level]);
	if (head < 0 || (size_t)head >= sizeof line)
		return;
	body = vsnprintf(line + head, sizeof line - (size_t)head, format, args);
	if (body < 0)
		return;
	len = (size_t)head + (size_t)body;
	if (len > sizeof line - 2)
		len = sizeof line - 2; /* cut; the newline must fit */
	/* A reason that a library worded may hold newlines: one happening stays one line. */
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ')
			line[i] = ' ';
	}
	if (atomic_load_explicit(&format_now, memory_order_relaxed) == LOG_FORMAT_JSON) {
		write_json(level, line + head, len - (size_t)head);
		return;
	}
	line[len++] = '\n';
	write_out(line, len);
}

#define DEFINE_LOG(name, level)                                                                    \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		va_list args;                                                                      \
                                                                                                   \
		va_start(args, format);                                                            \
		write_line(level, format, args);                                                   \
		va_end(args);                                                                      \
	}

DEFINE_LOG(log_err, LOG_LEVEL_ERR)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)

/* How many bytes the byte becomes. */
static size_t
escaped_size(unsigned char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\' ? 1 : 4;
}

const char *
log_escape(char *out, size_t out_size, const void *text, size_t text_len)
{
	static const char cut[] = "...";
	const unsigned char *bytes = text;
	size_t n = 0, room = out_size - 1, all = 0;

	for (size_t i = 0; i < text_len && all <= room; i++)
		all += escaped_size(bytes[i]);
	if (all > room)
		room -= sizeof cut - 1;
	for (size_t i = 0; i < text_len && n + escaped_size(bytes[i]) <= room; i++) {
		if (escaped_size(bytes[i]) == 1)
			out[n] = (char)bytes[i];
		else
			snprintf(out + n, out_size - n, "\\x%02x", bytes[i]);
		n += escaped_size(bytes[i]);
	}
	snprintf(out + n, out_size - n, "%s", all > out_size - 1 ? cut : "");
	return out;
}
