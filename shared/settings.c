#include "shared/settings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, KEYS_MAX = 128, SECRET_MAX = 65536 };

static const char environment_prefix[] = "ORDERBELL_";

/* Where a value came from, for the message when it is wrong. */
struct source {
	const char *name; /* file, or "environment" */
	int line;         /* 0: none */
	char *error;
	size_t error_size;
};

static int __attribute__((format(printf, 2, 3)))
fail(const struct source *from, const char *format, ...)
{
	va_list args;
	int n = from->line > 0
	            ? snprintf(from->error, from->error_size, "%s:%d: ", from->name, from->line)
	            : snprintf(from->error, from->error_size, "%s: ", from->name);

	if (n < 0 || (size_t)n >= from->error_size)
		return -1;
	va_start(args, format);
	vsnprintf(from->error + n, from->error_size - (size_t)n, format, args);
	va_end(args);
	return -1;
}

/* --- values --- */

static int
set_text(const struct setting *s, char **to, const char *value, const struct source *from)
{
	size_t len = strlen(value);

	if ((int64_t)len < s->min || (int64_t)len > s->max)
		return fail(from, "%s: %zu bytes; allowed are %" PRId64 " to %" PRId64, s->key, len,
		    s->min, s->max);
	free(*to);
	*to = strdup(value);
	return *to == NULL ? fail(from, "%s: out of memory", s->key) : 0;
}

static int
set_int(const struct setting *s, int64_t *to, const char *value, const struct source *from)
{
	char *end;

	errno = 0;
	*to = strtoll(value, &end, 10);
	if (errno != 0 || *value == '\0' || *end != '\0' || isspace((unsigned char)*value) ||
	    *to < s->min || *to > s->max)
		return fail(from, "%s: \"%s\" is no whole number from %" PRId64 " to %" PRId64,
		    s->key, value, s->min, s->max);
	return 0;
}

static int
set_choice(const struct setting *s, const char *const *choices, int *to, const char *value,
    const struct source *from)
{
	char allowed[200] = "";
	size_t n = 0;

	for (int i = 0; choices[i] != NULL; i++) {
		int more;

		if (strcmp(choices[i], value) == 0) {
			*to = i;
			return 0;
		}
		more = snprintf(
		    allowed + n, sizeof allowed - n, "%s%s", i > 0 ? ", " : "", choices[i]);
		n += more > 0 && (size_t)more < sizeof allowed - n ? (size_t)more : 0;
	}
	return fail(from, "%s: \"%s\"; allowed are %s", s->key, value, allowed);
}

/* Reads a whole file of at most SECRET_MAX bytes into `text` (one byte larger); its length, or -1.
 */
static ssize_t
read_file(int fd, char text[SECRET_MAX + 1])
{
	size_t n = 0;

	while (n <= SECRET_MAX) {
		ssize_t got = read(fd, text + n, SECRET_MAX + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -1 : (ssize_t)n;
		n += (size_t)got;
	}
	errno = EFBIG;
	return -1;
}

/* Opens a secret's file; -1 with the reason told. */
static int
open_secret(const struct setting *s, const char *path, const struct source *from)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat about;

	if (fd < 0)
		return fail(from, "%s: cannot read \"%s\": %s", s->key, path, strerror(errno));
	if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
		fail(from, "%s: \"%s\" is no file", s->key, path);
	else if ((about.st_mode & 007) != 0)
		fail(from, "%s: \"%s\" is open to everybody: chmod o-rwx it", s->key, path);
	else
		return fd;
	close(fd);
	return -1;
}

static int
set_secret(const struct setting *s, char **to, const char *path, const struct source *from)
{
	char text[SECRET_MAX + 1];
	int fd = open_secret(s, path, from), rc;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read_file(fd, text);
	close(fd);
	if (n < 0)
		return fail(from, "%s: cannot read \"%s\": %s", s->key, path, strerror(errno));
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	text[n] = '\0';
	if (strlen(text) != (size_t)n)
		rc = fail(from, "%s: \"%s\" holds a NUL byte", s->key, path);
	else
		rc = set_text(s, to, text, from);
	explicit_bzero(text, sizeof text);
	return rc;
}

static int
set(const struct setting *s, void *into, const char *value, const struct source *from)
{
	static const char *const no_yes[] = {"no", "yes", NULL};
	void *to = (char *)into + s->offset;

	switch (s->type) {
	case SETTING_TEXT: return set_text(s, to, value, from);
	case SETTING_INT: return set_int(s, to, value, from);
	case SETTING_YES_NO: return set_choice(s, no_yes, to, value, from);
	case SETTING_CHOICE: return set_choice(s, s->choices, to, value, from);
	case SETTING_SECRET_FILE: return set_secret(s, to, value, from);
	}
	return -1;
}

/* --- sources --- */

static int
set_defaults(const struct setting *table, void *into, const struct source *from)
{
	for (const struct setting *s = table; s->key != NULL; s++) {
		if (s->default_value != NULL && set(s, into, s->default_value, from) != 0)
			return -1;
	}
	return 0;
}

static char *
trim(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
		n--;
	text[n] = '\0';
	return text;
}

/* Row of the table with that key, or -1. */
static int
find(const struct setting *table, const char *key)
{
	for (int i = 0; table[i].key != NULL; i++) {
		if (strcmp(table[i].key, key) == 0)
			return i;
	}
	return -1;
}

static int
take_line(const struct setting *table, void *into, char *line, int seen_at[KEYS_MAX],
    const struct source *from)
{
	char *text = trim(line), *equals = strchr(text, '=');
	int row;

	if (*text == '\0' || *text == '#')
		return 0;
	if (equals == NULL)
		return fail(from, "\"%s\" is no `key = value`", text);
	*equals = '\0';
	text = trim(text);
	row = find(table, text);
	if (row < 0)
		return fail(from, "there is no setting \"%s\"; --help lists all", text);
	if (row < KEYS_MAX && seen_at[row] != 0)
		return fail(from, "%s stands in line %d already", text, seen_at[row]);
	if (row < KEYS_MAX)
		seen_at[row] = from->line;
	return set(&table[row], into, trim(equals + 1), from);
}

enum line { LINE_READ, LINE_NONE, LINE_TOO_LONG, LINE_HAS_NUL };

/* Reads the next line, without its end. */
static enum line
read_line(FILE *file, char line[LINE_MAX_BYTES])
{
	size_t n = 0;
	int c;

	while ((c = getc(file)) != EOF && c != '\n') {
		if (c == '\0')
			return LINE_HAS_NUL;
		if (n == LINE_MAX_BYTES - 2)
			return LINE_TOO_LONG;
		line[n++] = (char)c;
	}
	line[n] = '\0';
	return c == EOF && n == 0 ? LINE_NONE : LINE_READ;
}

static int
take_lines(const struct setting *table, void *into, FILE *file, struct source *from)
{
	char line[LINE_MAX_BYTES];
	int seen_at[KEYS_MAX] = {0};

	for (;;) {
		enum line got = read_line(file, line);

		from->line++;
		switch (got) {
		case LINE_READ:
			if (take_line(table, into, line, seen_at, from) != 0)
				return -1;
			break;
		case LINE_NONE:
			from->line = 0;
			return ferror(file) ? fail(from, "cannot read: %s", strerror(errno)) : 0;
		case LINE_TOO_LONG: return fail(from, "longer than %d bytes", LINE_MAX_BYTES - 2);
		case LINE_HAS_NUL: return fail(from, "holds a NUL byte");
		}
	}
}

static int
take_file(const struct setting *table, void *into, struct source *from)
{
	FILE *file = fopen(from->name, "re");
	int rc;

	if (file == NULL)
		return fail(from, "cannot read: %s", strerror(errno));
	rc = take_lines(table, into, file, from);
	fclose(file);
	return rc;
}

static int
take_environment(const struct setting *table, void *into, struct source *from)
{
	for (const struct setting *s = table; s->key != NULL; s++) {
		char name[100], *to = name;
		const char *value;

		to = stpcpy(to, environment_prefix);
		for (const char *k = s->key; *k != '\0' && to < name + sizeof name - 1; k++)
			*to++ = (char)toupper((unsigned char)*k);
		*to = '\0';
		value = getenv(name);
		from->name = name;
		from->line = 0;
		if (value != NULL && set(s, into, value, from) != 0)
			return -1;
	}
	return 0;
}

int
settings_load(
    const struct setting *table, void *into, const char *path, char *error, size_t error_size)
{
	struct source from = {.name = "default", .error = error, .error_size = error_size};

	if (set_defaults(table, into, &from) != 0)
		return -1;
	from.name = path;
	if (path != NULL && take_file(table, into, &from) != 0)
		return -1;
	return take_environment(table, into, &from);
}

static bool
is_text(const struct setting *s)
{
	return s->type == SETTING_TEXT || s->type == SETTING_SECRET_FILE;
}

static char **
text_of(const struct setting *s, const void *in)
{
	return (char **)((char *)(uintptr_t)in + s->offset);
}

/* The value of one that is no text. */
static int64_t
number_of(const struct setting *s, const void *in)
{
	const char *at = (const char *)in + s->offset;

	return s->type == SETTING_INT ? *(const int64_t *)at : *(const int *)at;
}

/* A secret is not left behind in memory that was freed. */
static void
free_text(const struct setting *s, char *text)
{
	if (text != NULL && s->type == SETTING_SECRET_FILE)
		explicit_bzero(text, strlen(text));
	free(text);
}

void
settings_fini(const struct setting *table, void *into)
{
	for (const struct setting *s = table; s->key != NULL; s++) {
		if (!is_text(s))
			continue;
		free_text(s, *text_of(s, into));
		*text_of(s, into) = NULL;
	}
}

/* --- two structs of one table --- */

bool
settings_differ(const struct setting *s, const void *a, const void *b)
{
	const char *one, *other;

	if (!is_text(s))
		return number_of(s, a) != number_of(s, b);
	one = *text_of(s, a);
	other = *text_of(s, b);
	if (one == NULL || other == NULL)
		return one != other;
	return strcmp(one, other) != 0;
}

bool
settings_copy(const struct setting *s, void *to, const void *from)
{
	const char *text = is_text(s) ? *text_of(s, from) : NULL;
	char *copy = text == NULL ? NULL : strdup(text);

	if (text != NULL && copy == NULL)
		return false;
	switch (s->type) {
	case SETTING_TEXT:
	case SETTING_SECRET_FILE:
		free_text(s, *text_of(s, to));
		*text_of(s, to) = copy;
		break;
	case SETTING_INT: *(int64_t *)((char *)to + s->offset) = number_of(s, from); break;
	case SETTING_YES_NO:
	case SETTING_CHOICE: *(int *)((char *)to + s->offset) = (int)number_of(s, from); break;
	}
	return true;
}

/* --- the sample --- */

static void
write_allowed(const struct setting *s, FILE *out)
{
	switch (s->type) {
	case SETTING_TEXT: break;
	case SETTING_INT: fprintf(out, "# %" PRId64 " to %" PRId64 "\n", s->min, s->max); break;
	case SETTING_YES_NO: fputs("# yes or no\n", out); break;
	case SETTING_CHOICE:
		fputs("# one of:", out);
		for (int i = 0; s->choices[i] != NULL; i++)
			fprintf(out, " %s", s->choices[i]);
		fputc('\n', out);
		break;
	case SETTING_SECRET_FILE:
		fprintf(out,
		    "# path of a file of %" PRId64 " to %" PRId64
		    " bytes that \"other\" may not read (chmod o-rwx)\n",
		    s->min, s->max);
		break;
	}
}

void
settings_write_sample(const struct setting *table, FILE *out)
{
	for (const struct setting *s = table; s->key != NULL; s++) {
		fprintf(out, "%s# %s\n", s == table ? "" : "\n", s->help);
		write_allowed(s, out);
		fprintf(
		    out, "#%s = %s\n", s->key, s->default_value != NULL ? s->default_value : "");
	}
}
