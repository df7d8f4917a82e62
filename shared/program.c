#include "shared/program.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/facts.h"
#include "shared/log.h"

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check-config", no_argument, NULL, 'k'},
    {"sample-config", no_argument, NULL, 's'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"socket", required_argument, NULL, 'S'}, /* the last: not every program has it */
    {NULL, 0, NULL, 0},
};

enum { N_OPTIONS = sizeof long_options / sizeof *long_options };

/* What the command line asks for. */
struct wish {
	const char *config, *socket;
	int only_check;
	int is_done; /* all was said already: end with `status` */
	int status;
};

static void
print_help(const struct program *p)
{
	fputs(p->usage, stdout);
	puts("\nSettings (file: key = value; environment: ORDERBELL_<KEY>):\n");
	settings_write_sample(p->settings, stdout);
}

static void
print_version(const struct program *p)
{
	printf("%s %s\n", p->name, PACKAGE_VERSION);
	facts_write(stdout);
}

static void
take_option(const struct program *p, int option, struct wish *wish)
{
	switch (option) {
	case 'c': wish->config = optarg; return;
	case 'k': wish->only_check = 1; return;
	case 'S': wish->socket = optarg; return;
	case 's': settings_write_sample(p->settings, stdout); break;
	case 'h': print_help(p); break;
	case 'V': print_version(p); break;
	default: wish->status = PROGRAM_EXIT_USAGE; break; /* getopt has said why */
	}
	wish->is_done = 1;
}

static struct wish
read_command_line(const struct program *p, int argc, char **argv)
{
	struct option options[N_OPTIONS];
	struct wish wish = {0};
	int option;

	memcpy(options, long_options, sizeof options);
	if (!p->takes_socket)
		options[N_OPTIONS - 2] = options[N_OPTIONS - 1];
	while (!wish.is_done && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(p, option, &wish);
	if (!wish.is_done && optind < argc) {
		log_err("unexpected argument: \"%s\"", argv[optind]);
		wish.is_done = 1;
		wish.status = PROGRAM_EXIT_USAGE;
	}
	return wish;
}

/* False when the settings are not good: that was logged. */
static bool
are_in_accord(const struct program *p, const void *options)
{
	const char *conflict = p->conflict(options);

	if (conflict != NULL)
		log_err("%s", conflict);
	return conflict == NULL;
}

/* The same, of those that are read here. */
static bool
read_settings(const struct program *p, void *options, const char *path)
{
	char error[512];

	if (settings_load(p->settings, options, path, error, sizeof error) != 0) {
		log_err("%s", error);
		return false;
	}
	return are_in_accord(p, options);
}

static void
take_log_settings(const struct program *p, const void *options)
{
	log_set_level(*(const int *)((const char *)options + p->log_level_offset));
	log_set_format(*(const int *)((const char *)options + p->log_format_offset));
}

int
program_main(const struct program *p, void *options, int argc, char **argv)
{
	struct wish wish;
	int status = PROGRAM_EXIT_USAGE;

	log_open(p->name);
	wish = read_command_line(p, argc, argv);
	if (wish.is_done)
		return wish.status;
	if (read_settings(p, options, wish.config)) {
		const struct program_start start = {p, wish.config, wish.socket};

		take_log_settings(p, options);
		status = wish.only_check ? EXIT_SUCCESS : p->run(options, &start);
	}
	settings_fini(p->settings, options);
	return status;
}

/* --- reading them again --- */

static bool
is_fixed(const struct program *p, const char *key)
{
	for (const char *const *name = p->changeable; *name != NULL; name++) {
		if (strcmp(*name, key) == 0)
			return false;
	}
	return true;
}

/* Lists those with other values than `running` has, fixed ones or not; what does not fit is left
 * out. */
static void
list_changed(const struct program *p, const void *running, const void *fresh, bool fixed,
    struct program_change *list)
{
	size_t len = 0;

	list->keys[0] = '\0';
	for (const struct setting *s = p->settings; s->key != NULL; s++) {
		if (is_fixed(p, s->key) != fixed || !settings_differ(s, running, fresh))
			continue;
		if (len + strlen(s->key) + 2 <= sizeof list->keys)
			len += (size_t)snprintf(list->keys + len, sizeof list->keys - len,
			    len > 0 ? " %s" : "%s", s->key);
	}
}

/* False: out of memory. */
static bool
keep_fixed(const struct program *p, const void *running, void *fresh)
{
	for (const struct setting *s = p->settings; s->key != NULL; s++) {
		if (is_fixed(p, s->key) && !settings_copy(s, fresh, running))
			return false;
	}
	return true;
}

bool
program_reload(const struct program_start *start, const void *running, void *fresh,
    struct program_change *change)
{
	const struct program *p = start->program;
	struct program_change fixed;

	if (!read_settings(p, fresh, start->config))
		goto refused;
	list_changed(p, running, fresh, false, change);
	list_changed(p, running, fresh, true, &fixed);
	if (*fixed.keys != '\0')
		log_warn("some settings change only when the program is started anew: "
			 "needs_restart=\"%s\"",
		    fixed.keys);
	/* What is good as a whole need not be with what must stay. */
	if (!keep_fixed(p, running, fresh) || !are_in_accord(p, fresh))
		goto refused;
	take_log_settings(p, fresh);
	return true;
refused:
	log_err("the settings stay as they were");
	settings_fini(p->settings, fresh);
	return false;
}
