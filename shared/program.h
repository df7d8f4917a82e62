/* program.h - what both programs do before their work begins: the command line, and the settings.
 * Called by main() alone; never exits. */
#ifndef SHARED_PROGRAM_H
#define SHARED_PROGRAM_H

#include <stddef.h>

#include "shared/settings.h"

enum { PROGRAM_EXIT_USAGE = 2 };

/* What a program is, for its command line. */
struct program {
	const char *name;  /* as in log lines and --version */
	const char *usage; /* of --help, what stands above the settings */
	const struct setting *settings;
	/* What no single setting can say: NULL when they go together, else why they do not. */
	const char *(*conflict)(const void *options);
	/* Runs with good settings and gives the exit status.  `socket` is that of --socket, or
	 * NULL. */
	int (*run)(void *options, const char *socket);
	size_t log_level_offset; /* offsetof() the int of the setting log_level */
	int takes_socket;        /* --socket is an option of this program */
};

/* Does what the command line says with `options`, the program's zeroed struct of settings, and
 * gives the exit status of the process. */
int program_main(const struct program *p, void *options, int argc, char **argv);

#endif
