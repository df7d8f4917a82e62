#include "shared/program.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
take_option(const struct program *p, int option, struct wish *wish)
{
	switch (option) {
	case 'c': wish->config = optarg; return;
	case 'k': wish->only_check = 1; return;
	case 'S': wish->socket = optarg; return;
	case 's': settings_write_sample(p->settings, stdout); break;
	case 'h': print_help(p); break;
	case 'V': printf("%s %s\n", p->name, PACKAGE_VERSION); break;
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
static int
read_settings(const struct program *p, void *options, const char *path)
{
	char error[512];
	const char *conflict;

	if (settings_load(p->settings, options, path, error, sizeof error) != 0) {
		log_err("%s", error);
		return 0;
	}
	conflict = p->conflict(options);
	if (conflict != NULL)
		log_err("%s", conflict);
	return conflict == NULL;
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
		log_set_level((enum log_level) * (int *)((char *)options + p->log_level_offset));
		status = wish.only_check ? EXIT_SUCCESS : p->run(options, wish.socket);
	}
	settings_fini(p->settings, options);
	return status;
}
