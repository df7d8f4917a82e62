/* settings - what a settings file leaves behind is within the table's bounds, or an error is told.
 * Compiled once for each program's table (OPTIONS_H).
 * Input: the file, in which @ is the path of a secret's file, and behind a form feed what that one
 * holds. */
#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include OPTIONS_H
#include "shared/settings.h"

enum { ERROR_SIZE = 300, SECRET_FD = 99, FILE_MAX = 1 << 16 };

static const char secret_path[] = "/proc/self/fd/99";

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* A file without a name that holds these bytes, by its path. */
struct file {
	int fd;
	char path[40];
};

static void
make_file(struct file *f, const void *bytes, size_t n)
{
	f->fd = memfd_create("settings", MFD_CLOEXEC);
	assert(f->fd >= 0 && write(f->fd, bytes, n) == (ssize_t)n);
	snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
}

static void
check_secret(const char *secret, const char *wanted, size_t len)
{
	while (len > 0 && (wanted[len - 1] == '\n' || wanted[len - 1] == '\r'))
		len--;
	assert(strlen(secret) == len && memcmp(secret, wanted, len) == 0);
}

static void
check_value(const struct setting *s, const void *at)
{
	int choice = 0, n_choices = 2;
	const char *text;
	int64_t number;

	switch (s->type) {
	case SETTING_TEXT:
	case SETTING_SECRET_FILE:
		text = *(char *const *)at;
		if (text != NULL)
			assert((int64_t)strlen(text) >= s->min && (int64_t)strlen(text) <= s->max);
		else
			assert(s->default_value == NULL);
		break;
	case SETTING_INT:
		number = *(const int64_t *)at;
		assert(number >= s->min && number <= s->max);
		break;
	case SETTING_CHOICE:
		for (n_choices = 0; s->choices[n_choices] != NULL;)
			n_choices++;
		choice = *(const int *)at;
		break;
	case SETTING_YES_NO: choice = *(const int *)at; break;
	}
	assert(choice >= 0 && choice < n_choices);
}

/* As a file would have it; secrets are left out. */
static void
write_value(const struct setting *s, const void *at, FILE *out)
{
	static const char *const no_yes[] = {"no", "yes"};

	switch (s->type) {
	case SETTING_TEXT:
		if (*(char *const *)at != NULL)
			fprintf(out, "%s=%s\n", s->key, *(char *const *)at);
		break;
	case SETTING_INT: fprintf(out, "%s=%" PRId64 "\n", s->key, *(const int64_t *)at); break;
	case SETTING_YES_NO: fprintf(out, "%s=%s\n", s->key, no_yes[*(const int *)at]); break;
	case SETTING_CHOICE: fprintf(out, "%s=%s\n", s->key, s->choices[*(const int *)at]); break;
	case SETTING_SECRET_FILE: break;
	}
}

/* The settings, written down.  The caller frees it. */
static char *
written(const struct options *o)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert(out != NULL);
	for (const struct setting *s = options_table; s->key != NULL; s++)
		write_value(s, (const char *)o + s->offset, out);
	assert(fclose(out) == 0);
	return text;
}

/* What was read, written down and read again, is the same. */
static void
check_again(const struct options *o)
{
	char *text = written(o), *again, error[ERROR_SIZE];
	struct options second = {0};
	struct file file;

	make_file(&file, text, strlen(text));
	assert(settings_load(options_table, &second, file.path, error, sizeof error) == 0);
	again = written(&second);
	assert(strcmp(text, again) == 0);
	settings_fini(options_table, &second);
	close(file.fd);
	free(again);
	free(text);
}

/* True when a file of settings could name a file that is not ours to open. */
static bool
names_a_path(const char *text, size_t len)
{
	return memmem(text, len, "/dev", 4) != NULL || memmem(text, len, "/proc", 5) != NULL ||
	       memmem(text, len, "/sys", 4) != NULL || memmem(text, len, "..", 2) != NULL;
}

/* Copies the text and puts the path in. */
static size_t
put_path_in(const char *text, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + sizeof secret_path < FILE_MAX; i++) {
		if (text[i] == '@')
			n = (size_t)(stpcpy(out + n, secret_path) - out);
		else
			out[n++] = text[i];
	}
	return n;
}

static void
make_secret(const char *text, size_t len)
{
	struct file file;

	make_file(&file, text, len);
	assert(fchmod(file.fd, 0600) == 0 && dup2(file.fd, SECRET_FD) == SECRET_FD);
	close(file.fd);
}

static void
check_loaded(const struct options *o, const char *secret, size_t secret_len)
{
	for (const struct setting *s = options_table; s->key != NULL; s++) {
		const void *at = (const char *)o + s->offset;

		check_value(s, at);
		if (s->type == SETTING_SECRET_FILE && *(char *const *)at != NULL)
			check_secret(*(char *const *)at, secret, secret_len);
	}
	(void)options_conflict(o);
	check_again(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static char text[FILE_MAX];
	struct options options = {0};
	const char *end = size == 0 ? NULL : memchr(input, '\f', size);
	const char *secret = end == NULL ? "" : end + 1;
	size_t len = end == NULL ? size : (size_t)(end - (const char *)input);
	size_t secret_len = end == NULL ? 0 : size - len - 1;
	char error[ERROR_SIZE];
	struct file file;
	int rc;

	if (names_a_path((const char *)input, len))
		return -1;
	len = put_path_in((const char *)input, len, text);
	make_file(&file, text, len);
	make_secret(secret, secret_len);
	memset(error, 'x', sizeof error);
	rc = settings_load(options_table, &options, file.path, error, sizeof error);
	if (rc == 0) {
		assert(memchr(text, '\0', len) == NULL);
		check_loaded(&options, secret, secret_len);
	} else {
		assert(rc == -1 && memchr(error, '\0', sizeof error) != NULL && error[0] != '\0');
	}
	settings_fini(options_table, &options);
	close(file.fd);
	close(SECRET_FD);
	return 0;
}
