/* Settings that are read again while the program runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/log.h"
#include "shared/program.h"
#include "tests/unit/capture.h"

struct options {
	char *listen, *nickname, *secret;
	int64_t most;
	int is_open, log_level, log_format;
};

#define AT(member) offsetof(struct options, member)

static const char *const levels[] = {"err", "warn", "info", "debug", NULL};

static const struct setting settings[] = {
    {"listen", SETTING_TEXT, AT(listen), "here", 1, 20, NULL, "Where."},
    {"is_open", SETTING_YES_NO, AT(is_open), "yes", 0, 0, NULL, "To all."},
    {"nickname", SETTING_TEXT, AT(nickname), NULL, 1, 20, NULL, "Who."},
    {"secret_file", SETTING_SECRET_FILE, AT(secret), NULL, 1, 20, NULL, "Key."},
    {"most", SETTING_INT, AT(most), "7", 0, 100, NULL, "How many."},
    {"log_level", SETTING_CHOICE, AT(log_level), "info", 0, 0, levels, "How much."},
    {NULL, SETTING_TEXT, 0, NULL, 0, 0, NULL, NULL},
};

static const char *
conflict(const void *options)
{
	const struct options *o = options;

	return !o->is_open && o->secret == NULL ? "not open: needs secret_file" : NULL;
}

static const char *const changeable[] = {"nickname", "secret_file", "most", "log_level", NULL};

static const struct program program = {
    .name = "prog",
    .settings = settings,
    .conflict = conflict,
    .changeable = changeable,
    .log_level_offset = AT(log_level),
    .log_format_offset = AT(log_format),
};

struct fixture {
	char folder[40], file[60], secret[60];
	struct program_start start;
	struct options running, fresh;
	struct program_change change;
	struct capture capture;
};

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}

/* A program that runs with a secret. */
static int
begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	char text[100], error[200];

	strcpy(f->folder, "/tmp/program-test.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->file, sizeof f->file, "%s/conf", f->folder);
	snprintf(f->secret, sizeof f->secret, "%s/key", f->folder);
	write_file(f->secret, "first\n");
	snprintf(text, sizeof text, "is_open = no\nsecret_file = %s\n", f->secret);
	write_file(f->file, text);
	assert_int_equal(settings_load(settings, &f->running, f->file, error, sizeof error), 0);
	f->start = (struct program_start){.program = &program, .config = f->file};
	log_open("prog");
	log_set_level(LOG_LEVEL_INFO);
	capture_begin(&f->capture);
	*state = f;
	return 0;
}

static int
end(void **state)
{
	struct fixture *f = *state;

	capture_end(&f->capture);
	settings_fini(settings, &f->running);
	settings_fini(settings, &f->fresh);
	unlink(f->file);
	unlink(f->secret);
	rmdir(f->folder);
	free(f);
	return 0;
}

/* Reads the settings again, from a file with this text and where the secret is. */
static bool
reload(struct fixture *f, const char *text)
{
	char all[300];

	snprintf(all, sizeof all, "secret_file = %s\n%s", f->secret, text);
	write_file(f->file, all);
	return program_reload(&f->start, &f->running, &f->fresh, &f->change);
}

static void
has_said(struct fixture *f, const char *words)
{
	if (strstr(capture_text(&f->capture), words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, f->capture.text);
}

static void
what_can_change_is_taken_and_named(void **state)
{
	struct fixture *f = *state;

	write_file(f->secret, "second\n");
	assert_true(reload(f, "is_open = no\nmost = 9\nnickname = bell\nlog_level = debug\n"));
	assert_string_equal(f->fresh.secret, "second");
	assert_string_equal(f->fresh.nickname, "bell");
	assert_int_equal(f->fresh.most, 9);
	assert_true(log_enabled(LOG_LEVEL_DEBUG));
	assert_string_equal(f->change.keys, "nickname secret_file most log_level");
	assert_string_equal(capture_text(&f->capture), ""); /* least of all a secret */
	assert_string_equal(f->running.secret, "first");
}

static void
what_is_fixed_stays_and_is_named(void **state)
{
	struct fixture *f = *state;

	assert_true(reload(f, "is_open = yes\nlisten = there\nmost = 8\n"));
	assert_string_equal(f->fresh.listen, "here");
	assert_false(f->fresh.is_open);
	assert_int_equal(f->fresh.most, 8);
	has_said(f, "needs_restart=\"listen is_open\"");
	assert_string_equal(f->change.keys, "most");
}

static void
a_file_that_is_not_good_changes_nothing(void **state)
{
	struct fixture *f = *state;

	assert_false(reload(f, "is_open = no\nlog_level = debug\nmost = many\n"));
	has_said(f, "conf:4: most: \"many\" is no whole number");
	has_said(f, "the settings stay as they were");
	assert_false(log_enabled(LOG_LEVEL_DEBUG));
	assert_null(f->fresh.listen);
	assert_null(f->fresh.secret);
	unlink(f->file);
	assert_false(program_reload(&f->start, &f->running, &f->fresh, &f->change));
	unlink(f->secret);
	assert_false(reload(f, "is_open = no\n"));
}

/* Without a secret all are let in: good in itself, but this program lets in nobody without one. */
static void
what_does_not_go_with_the_fixed_ones_is_refused(void **state)
{
	struct fixture *f = *state;

	write_file(f->file, "is_open = yes\n");
	assert_false(program_reload(&f->start, &f->running, &f->fresh, &f->change));
	has_said(f, "needs_restart=\"is_open\"");
	has_said(f, "not open: needs secret_file");
	has_said(f, "the settings stay as they were");
	assert_null(f->fresh.listen);
}

static void
the_same_file_changes_nothing(void **state)
{
	struct fixture *f = *state;

	assert_true(reload(f, "is_open = no\n"));
	assert_string_equal(f->change.keys, "");
	assert_string_equal(f->fresh.secret, "first");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_can_change_is_taken_and_named, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_fixed_stays_and_is_named, begin, end),
	    cmocka_unit_test_setup_teardown(a_file_that_is_not_good_changes_nothing, begin, end),
	    cmocka_unit_test_setup_teardown(
		what_does_not_go_with_the_fixed_ones_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(the_same_file_changes_nothing, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
