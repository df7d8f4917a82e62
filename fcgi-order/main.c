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
run_cgi(const struct options *o, struct counters *counters)
{
	if (getenv("REQUEST_METHOD") == NULL) {
		log_err("nothing to serve: no --socket, none inherited as descriptor 0, and no CGI "
			"request in the environment");
		return EXIT_USAGE;
	}
	return server_run_cgi(o, counters) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* `where` is empty where the web server hands the socket over. */
static int
run(const struct options *o, const char *where)
{
	/* Static, for threads that must be left behind. */
	static struct counters counters;
	char error[256];
	int fd = STDIN_FILENO;
	bool is_ours = *where != '\0';
	enum server_end end;

	block_signals();
	if (!is_ours && !server_has_inherited_socket())
		return run_cgi(o, &counters);
	if (is_ours &&
	    (fd = socket_listen(where, options_socket_mode(o), error, sizeof error)) < 0) {
		log_err("cannot start: %s", error);
		return EXIT_FAILURE;
	}
	log_info("started: version=%s socket=%s threads=%d", PACKAGE_VERSION,
	    is_ours ? where : "inherited", (int)o->threads);
	end = server_run(fd, o, &counters);
	if (is_ours)
		socket_unlink(where);
	log_info("stopped");
	if (end == SERVER_ABANDONED)
		_exit(EXIT_FAILURE);
	return end == SERVER_ENDED ? EXIT_SUCCESS : EXIT_FAILURE;
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
