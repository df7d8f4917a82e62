/* program.h - what both programs do before their work begins, the command line and the settings,
 * and reading the settings again while they work.  Called by main()'s thread alone; never exits. */
#ifndef SHARED_PROGRAM_H
#define SHARED_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/settings.h"

enum { PROGRAM_EXIT_USAGE = 2 };

/* How a program was started. */
struct program_start {
	const struct program *program;
	const char *config; /* of --config, or NULL */
	const char *socket; /* of --socket, or NULL */
};

/* What a program is, for its command line. */
struct program {
	const char *name;  /* as in log lines and --version */
	const char *usage; /* of --help, what stands above the settings */
	const struct setting *settings;
	/* What no single setting can say: NULL when they go together, else why they do not. */
	const char *(*conflict)(const void *options);
	/* Keys of those that can change while it runs, a NULL ends them; the others are fixed. */
	const char *const *changeable;
	/* Runs with good settings and gives the exit status. */
	int (*run)(void *options, const struct program_start *start);
	size_t log_level_offset;  /* offsetof() the int of the setting log_level */
	size_t log_format_offset; /* and of log_format */
	int takes_socket;         /* --socket is an option of this program */
};

/* Does what the command line says with `options`, the program's zeroed struct of settings, and
 * gives the exit status of the process. */
int program_main(const struct program *p, void *options, int argc, char **argv);

/* The keys of the settings that have changed, with spaces between. */
struct program_change {
	char keys[1024];
};

/* Reads the settings again, from where they came at the start, into `fresh`, the program's zeroed
 * struct.  The fixed ones stay as they are in `running`, and where they should be others that is
 * told in the log.  log_level and log_format hold at once; the rest is the caller's to bring about
 * and to tell. False: they are not good, and why is in the log; `fresh` is empty.  Else the
 * caller's to settings_fini(). */
bool program_reload(const struct program_start *start, const void *running, void *fresh,
    struct program_change *change);

#endif
