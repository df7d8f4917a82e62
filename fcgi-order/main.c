/* fcgi-order - takes payment callbacks and reminders, and writes them to PostgreSQL. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi-order/options.h"
#include "fcgi-order/server.h"
#include "fcgi-order/socket.h"
#include "shared/log.h"

enum { EXIT_USAGE = 2 };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"socket", required_argument, NULL, 'S'},
    {"check-config", no_argument, NULL, 'k'},
    {"sample-config", no_argument, NULL, 's'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void
print_help(void)
{
	puts("usage: fcgi-order [--config FILE] [--socket PATH|:PORT] [--check-config]\n"
	     "       fcgi-order --sample-config | --help | --version\n\n"
	     "Takes payment callbacks for a web server: FastCGI on the socket it inherits or "
	     "makes,\n"
	     "else one CGI request.\n"
	     "Settings (file: key = value; environment: ORDERBELL_<KEY>):\n");
	settings_write_sample(options_table, stdout);
}

/* Threads inherit it: the signals that end us are waited for, not handled. */
static void
block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int
run(const struct options *o, const char *where)
{
	struct counters counters = {0};
	char error[256];
	int fd = STDIN_FILENO;
	bool ok;

	block_signals();
	if (where == NULL && !server_has_inherited_socket())
		return server_run_cgi(o, &counters) ? EXIT_SUCCESS : EXIT_FAILURE;
	if (where != NULL && (fd = socket_listen(where, error, sizeof error)) < 0) {
		log_err("cannot start: %s", error);
		return EXIT_FAILURE;
	}
	log_info("started: version=%s socket=%s threads=%d", PACKAGE_VERSION,
	    where != NULL ? where : "inherited", (int)o->threads);
	ok = server_run(fd, o, &counters);
	if (where != NULL)
		socket_unlink(where);
	log_info("stopped");
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	struct options options = {0};
	const char *config = NULL, *where = NULL, *conflict;
	char error[512];
	int option, status = EXIT_USAGE;
	bool only_check = false;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'c': config = optarg; break;
		case 'S': where = optarg; break;
		case 'k': only_check = true; break;
		case 's': settings_write_sample(options_table, stdout); return EXIT_SUCCESS;
		case 'h': print_help(); return EXIT_SUCCESS;
		case 'V': puts("fcgi-order " PACKAGE_VERSION); return EXIT_SUCCESS;
		default: return EXIT_USAGE;
		}
	}
	log_open("fcgi-order");
	if (optind < argc) {
		log_err("unexpected argument: \"%s\"", argv[optind]);
	} else if (settings_load(options_table, &options, config, error, sizeof error) != 0) {
		log_err("%s", error);
	} else if ((conflict = options_conflict(&options)) != NULL) {
		log_err("%s", conflict);
	} else {
		log_set_level((enum log_level)options.log_level);
		status = only_check ? EXIT_SUCCESS
		                    : run(&options, where != NULL ? where : options.socket);
	}
	settings_fini(options_table, &options);
	return status;
}
