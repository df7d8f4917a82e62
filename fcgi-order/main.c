/* fcgi-order - takes payment callbacks and reminders, and writes them to PostgreSQL. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi-order/options.h"
#include "fcgi-order/rules.h"
#include "fcgi-order/server.h"
#include "fcgi-order/socket.h"
#include "shared/log.h"
#include "shared/program.h"
#include "shared/service.h"

/* Static, for threads that must be left behind. */
static struct counters counters;
static struct rules_slot rules;

struct life {
	const struct program_start *start;
	sigset_t signals;
};

/* Threads inherit it: the signals are waited for, not handled. */
static void
block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGUSR1);
	sigaddset(signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static bool
reload(const struct program_start *start)
{
	struct options fresh = {0};
	struct program_change change;
	struct rules *next;
	char error[1024];

	if (!program_reload(start, &rules.now->options, &fresh, &change))
		return false;
	next = rules_new(&fresh, error, sizeof error);
	if (next != NULL) {
		rules_slot_set(&rules, next);
		log_info("settings read again: changed=\"%s\"", change.keys);
		return true;
	}
	/* The key files have changed since they were looked at a moment ago. */
	log_err("%s; the settings stay as they were", error);
	settings_fini(options_table, &fresh);
	return false;
}

/* Until a signal asks for the end. */
static void
wait_for_the_end(void *arg)
{
	const struct life *life = arg;
	int got = 0;

	while (sigwait(&life->signals, &got) != 0 || got == SIGHUP) {
		if (got != SIGHUP)
			continue;
		service_reloading();
		counters_add(&counters,
		    reload(life->start) ? COUNTER_RELOADS : COUNTER_RELOADS_REFUSED);
		service_ready();
	}
}

static int
run_cgi(void)
{
	if (getenv("REQUEST_METHOD") == NULL) {
		log_err("nothing to serve: no --socket, none inherited as descriptor 0, and no CGI "
			"request in the environment");
		return PROGRAM_EXIT_USAGE;
	}
	return server_run_cgi(rules.now, &counters) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
run_fcgi(const struct program_start *start, const char *where)
{
	const struct options *o = &rules.now->options;
	struct life life = {.start = start};
	char error[256];
	int fd = STDIN_FILENO;
	bool is_ours = *where != '\0';
	enum server_end end;

	block_signals(&life.signals);
	if (is_ours &&
	    (fd = socket_listen(where, options_socket_mode(o), error, sizeof error)) < 0) {
		log_err("cannot start: %s", error);
		return EXIT_FAILURE;
	}
	log_info("started: version=%s socket=%s threads=%d", PACKAGE_VERSION,
	    is_ours ? where : "inherited", (int)o->threads);
	end = server_run(fd, &rules, &counters, wait_for_the_end, &life);
	if (is_ours)
		socket_unlink(where);
	log_info("stopped");
	if (end == SERVER_ABANDONED)
		_exit(EXIT_FAILURE);
	return end == SERVER_ENDED ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
run(void *options, const struct program_start *start)
{
	char error[1024];
	struct rules *first = rules_new(options, error, sizeof error);
	char *where = NULL;
	int status = EXIT_FAILURE;

	signal(SIGPIPE, SIG_IGN);
	if (first == NULL) {
		log_err("cannot start: %s", error);
		return EXIT_FAILURE;
	}
	rules_slot_init(&rules, first);
	/* Empty where the web server hands the socket over.  Reloads leave it as it is. */
	where = strdup(start->socket != NULL ? start->socket : first->options.socket);
	if (where == NULL)
		log_err("cannot start: out of memory");
	else if (*where == '\0' && !server_has_inherited_socket())
		status = run_cgi();
	else
		status = run_fcgi(start, where);
	free(where);
	rules_slot_fini(&rules);
	return status;
}

/* Keys are part of the settings: what is wrong with them is told with the rest. */
static const char *
conflict(const void *options)
{
	static char error[1024];
	const char *problem = options_conflict(options);
	struct gateway_keys keys = {0};

	if (problem == NULL && !gateways_open(&keys, options, error, sizeof error))
		problem = error;
	gateways_close(&keys);
	return problem;
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
    .log_format_offset = offsetof(struct options, log_format),
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

	return program_main(&program, &options, has_arguments_of_a_stranger() ? 1 : argc, argv);
}
