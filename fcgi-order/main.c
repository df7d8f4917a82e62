/* fcgi-order - takes payment callbacks and reminders, and writes them to PostgreSQL. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi-order/gateway.h"
#include "fcgi-order/options.h"
#include "fcgi-order/server.h"
#include "fcgi-order/socket.h"
#include "shared/log.h"
#include "shared/program.h"

/* Threads inherit it: the signals that end us are waited for, not handled. */
static void
block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/* The gateways' keys, from the check of the settings to the end; static, as the counters are, for
 * threads that must be left behind. */
static struct gateway_keys gateway_keys;

static int
run_cgi(const struct options *o, struct counters *counters)
{
	if (getenv("REQUEST_METHOD") == NULL) {
		log_err("nothing to serve: no --socket, none inherited as descriptor 0, and no CGI "
			"request in the environment");
		return PROGRAM_EXIT_USAGE;
	}
	return server_run_cgi(o, &gateway_keys, counters) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
run(void *options, const struct program_start *start)
{
	const struct options *o = options;
	/* Empty where the web server hands the socket over. */
	const char *where = start->socket != NULL ? start->socket : o->socket;
	/* Static, for threads that must be left behind. */
	static struct counters counters;
	char error[256];
	int fd = STDIN_FILENO;
	bool is_ours = *where != '\0';
	enum server_end end;

	signal(SIGPIPE, SIG_IGN);
	if (!is_ours && !server_has_inherited_socket())
		return run_cgi(o, &counters);
	block_signals();
	if (is_ours &&
	    (fd = socket_listen(where, options_socket_mode(o), error, sizeof error)) < 0) {
		log_err("cannot start: %s", error);
		return EXIT_FAILURE;
	}
	log_info("started: version=%s socket=%s threads=%d", PACKAGE_VERSION,
	    is_ours ? where : "inherited", (int)o->threads);
	end = server_run(fd, o, &gateway_keys, &counters);
	if (is_ours)
		socket_unlink(where);
	log_info("stopped");
	if (end == SERVER_ABANDONED)
		_exit(EXIT_FAILURE);
	return end == SERVER_ENDED ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Keys are part of the settings: what is wrong with them is told with the rest. */
static const char *
conflict(const void *options)
{
	static char error[1024];
	const char *problem = options_conflict(options);

	if (problem != NULL)
		return problem;
	return gateways_open(&gateway_keys, options, error, sizeof error) ? NULL : error;
}

static const struct program program = {
    .name = "fcgi-order",
    .usage =
	"usage: fcgi-order [--config FILE] [--socket PATH|:PORT] [--check-config]\n"
	"       fcgi-order --sample-config | --help | --version\n\n"
	"Takes payment callbacks for a web server: FastCGI on the socket it inherits or makes,\n"
	"else one CGI request.\n",
    .settings = options_table,
    .conflict = conflict,
    .changeable = options_changeable,
    .run = run,
    .log_level_offset = offsetof(struct options, log_level),
    .takes_socket = 1,
};

/* A CGI program is given the words of a query without "=" as its arguments (RFC 3875, section 4.4):
 * they are a stranger's, and one of them could be --config. */
static bool
has_arguments_of_a_stranger(void)
{
	const char *query = getenv("QUERY_STRING");

	return getenv("GATEWAY_INTERFACE") != NULL && query != NULL && *query != '\0' &&
	       strchr(query, '=') == NULL;
}

int
main(int argc, char **argv)
{
	struct options options = {0};
	int status =
	    program_main(&program, &options, has_arguments_of_a_stranger() ? 1 : argc, argv);

	gateways_close(&gateway_keys);
	return status;
}
