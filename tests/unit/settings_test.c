/* Settings: what is taken, and how clearly the rest is refused. */
#include <inttypes.h>
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

#include "shared/settings.h"

struct program {
	char *name;
	char *nickname;
	int64_t count;
	int is_loud;
	int colour;
	char *secret;
};

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct setting table[] = {
    {"name", SETTING_TEXT, offsetof(struct program, name), "nobody", 1, 20, NULL, "Who."},
    {"nickname", SETTING_TEXT, offsetof(struct program, nickname), NULL, 0, 20, NULL, "Or who."},
    {"count", SETTING_INT, offsetof(struct program, count), "7", -5, 100, NULL, "How many."},
    {"is_loud", SETTING_YES_NO, offsetof(struct program, is_loud), "no", 0, 0, NULL, "Volume."},
    {"colour", SETTING_CHOICE, offsetof(struct program, colour), "green", 0, 0, colours, "Paint."},
    {"secret_file", SETTING_SECRET_FILE, offsetof(struct program, secret), NULL, 4, 30, NULL,
	"Key."},
    {NULL, SETTING_TEXT, 0, NULL, 0, 0, NULL, NULL},
};

struct fixture {
	char folder[40], file[60], secret[60];
	struct program program;
	char error[300];
};

static int
begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	strcpy(f->folder, "/tmp/settings-test.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->file, sizeof f->file, "%s/conf", f->folder);
	snprintf(f->secret, sizeof f->secret, "%s/key", f->folder);
	*state = f;
	return 0;
}

static int
end(void **state)
{
	struct fixture *f = *state;

	settings_fini(table, &f->program);
	unlink(f->file);
	unlink(f->secret);
	rmdir(f->folder);
	free(f);
	return 0;
}

static void
write_file(const char *path, const void *text, size_t len, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

/* Loads a file of that text. */
static int
load(struct fixture *f, const char *text)
{
	settings_fini(table, &f->program);
	f->program = (struct program){0};
	write_file(f->file, text, strlen(text), 0644);
	return settings_load(table, &f->program, f->file, f->error, sizeof f->error);
}

/* The message after the file's name. */
static const char *
refusal(struct fixture *f, const char *text)
{
	assert_int_equal(load(f, text), -1);
	assert_memory_equal(f->error, f->file, strlen(f->file));
	return f->error + strlen(f->file);
}

static int
load_secret(struct fixture *f, const void *content, size_t len, mode_t mode)
{
	char text[100];

	write_file(f->secret, content, len, mode);
	snprintf(text, sizeof text, "secret_file = %s\n", f->secret);
	return load(f, text);
}

static void
without_a_file_the_defaults_hold(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(settings_load(table, &f->program, NULL, f->error, sizeof f->error), 0);
	assert_string_equal(f->program.name, "nobody");
	assert_null(f->program.nickname);
	assert_int_equal(f->program.count, 7);
	assert_int_equal(f->program.is_loud, 0);
	assert_int_equal(f->program.colour, 1);
	assert_null(f->program.secret);
}

static void
values_of_every_type_are_read(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "# a comment = 1\n\n  \t\n name =  a b = c # d \r\ncount=-5\n"
				 "\tis_loud\t=\tyes\ncolour = blue\nnickname ="),
	    0);
	assert_string_equal(f->program.name, "a b = c # d");
	assert_string_equal(f->program.nickname, "");
	assert_int_equal(f->program.count, -5);
	assert_int_equal(f->program.is_loud, 1);
	assert_int_equal(f->program.colour, 2);
}

static void
what_is_wrong_is_said_with_line_and_choices(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(
	    refusal(f, "\ncolor = red\n"), ":2: there is no setting \"color\"; --help lists all");
	assert_string_equal(
	    refusal(f, "colour = pink\n"), ":1: colour: \"pink\"; allowed are red, green, blue");
	assert_string_equal(
	    refusal(f, "is_loud = true\n"), ":1: is_loud: \"true\"; allowed are no, yes");
	assert_string_equal(
	    refusal(f, "count = 101"), ":1: count: \"101\" is no whole number from -5 to 100");
	assert_string_equal(refusal(f, "name =\n"), ":1: name: 0 bytes; allowed are 1 to 20");
	assert_string_equal(refusal(f, "name = 123456789012345678901\n"),
	    ":1: name: 21 bytes; allowed are 1 to 20");
	assert_string_equal(
	    refusal(f, "count = 1\nname = x\ncount = 2\n"), ":3: count stands in line 1 already");
	assert_string_equal(refusal(f, "hello\n"), ":1: \"hello\" is no `key = value`");
}

static void
a_number_is_nothing_but_a_number(void **state)
{
	static const char *const bad[] = {
	    "", "x", "1x", "1.0", "1e1", "0x1", "99999999999999999999", "- 1", "1 2"};
	struct fixture *f = *state;
	char text[60];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, "count = %s\n", bad[i]);
		assert_int_equal(load(f, text), -1);
	}
}

static void
a_file_that_cannot_be_read_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    settings_load(table, &f->program, "/nonexistent", f->error, sizeof f->error), -1);
	assert_string_equal(f->error, "/nonexistent: cannot read: No such file or directory");
	assert_int_equal(
	    settings_load(table, &f->program, f->folder, f->error, sizeof f->error), -1);
}

static void
an_endless_line_or_a_nul_is_refused(void **state)
{
	struct fixture *f = *state;
	char *line = malloc(10001);

	memset(line, 'x', 10000);
	line[10000] = '\0';
	assert_string_equal(refusal(f, line), ":1: longer than 4094 bytes");
	for (size_t len = 10; len <= 11; len++) { /* without and with an end of line */
		write_file(f->file, "name = a\0b\n", len, 0644);
		assert_int_equal(
		    settings_load(table, &f->program, f->file, f->error, sizeof f->error), -1);
		assert_string_equal(f->error + strlen(f->file), ":1: holds a NUL byte");
	}
	free(line);
}

static void
the_environment_goes_before_the_file(void **state)
{
	struct fixture *f = *state;

	setenv("ORDERBELL_COUNT", "42", 1);
	assert_int_equal(load(f, "count = 1\n"), 0);
	assert_int_equal(f->program.count, 42);
	setenv("ORDERBELL_COUNT", "many", 1);
	assert_int_equal(load(f, "count = 1\n"), -1);
	assert_string_equal(
	    f->error, "ORDERBELL_COUNT: count: \"many\" is no whole number from -5 to 100");
	unsetenv("ORDERBELL_COUNT");
}

static void
a_secret_is_its_file_less_the_last_newlines(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load_secret(f, " two\nlines \r\n\n", 14, 0640), 0);
	assert_string_equal(f->program.secret, " two\nlines ");
}

static void
a_secret_that_others_may_read_is_refused(void **state)
{
	static const mode_t modes[] = {0604, 0602, 0601, 0644};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		assert_int_equal(load_secret(f, "long enough", 11, modes[i]), -1);
		assert_non_null(strstr(f->error, "chmod o-rwx"));
		assert_null(strstr(f->error, "long enough"));
	}
}

static void
an_odd_secret_is_refused_without_showing_it(void **state)
{
	struct fixture *f = *state;
	char *much = calloc(1, 70001);

	assert_int_equal(load_secret(f, "abc\n", 4, 0600), -1);
	assert_non_null(strstr(f->error, "3 bytes; allowed are 4 to 30"));
	assert_int_equal(load_secret(f, "abc\0def", 7, 0600), -1);
	assert_non_null(strstr(f->error, "NUL"));
	memset(much, 'k', 70000);
	assert_int_equal(load_secret(f, much, 70000, 0600), -1);
	assert_null(strstr(f->error, "kkk"));
	free(much);
	snprintf(f->secret, sizeof f->secret, "%s/none", f->folder);
	assert_int_equal(load(f, "secret_file = /nonexistent\n"), -1);
	assert_int_equal(load(f, "secret_file = /tmp\n"), -1);
}

static void
the_sample_is_itself_a_good_file(void **state)
{
	struct fixture *f = *state;
	FILE *file = fopen(f->file, "w");
	char text[4000], *at;
	size_t n;

	settings_write_sample(table, file);
	fclose(file);
	assert_int_equal(settings_load(table, &f->program, f->file, f->error, sizeof f->error), 0);
	file = fopen(f->file, "r");
	n = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[n] = '\0';
	for (const struct setting *s = table; s->key != NULL; s++) {
		assert_non_null(strstr(text, s->help));
		assert_non_null(strstr(text, s->key));
	}
	assert_non_null(strstr(text, "# -5 to 100\n#count = 7\n"));
	/* Its lines are the settings themselves once the # is taken away. */
	at = strstr(text, "#count = 7");
	memcpy(at, " count = 9", 10);
	assert_int_equal(load(f, text), 0);
	assert_int_equal(f->program.count, 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(without_a_file_the_defaults_hold, begin, end),
	    cmocka_unit_test_setup_teardown(values_of_every_type_are_read, begin, end),
	    cmocka_unit_test_setup_teardown(
		what_is_wrong_is_said_with_line_and_choices, begin, end),
	    cmocka_unit_test_setup_teardown(a_number_is_nothing_but_a_number, begin, end),
	    cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(an_endless_line_or_a_nul_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(the_environment_goes_before_the_file, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_secret_is_its_file_less_the_last_newlines, begin, end),
	    cmocka_unit_test_setup_teardown(a_secret_that_others_may_read_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(
		an_odd_secret_is_refused_without_showing_it, begin, end),
	    cmocka_unit_test_setup_teardown(the_sample_is_itself_a_good_file, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
