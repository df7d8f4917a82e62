/* floor - the least that a program can do to bring events from PostgreSQL to WebSockets: what
 * others are compared with.  See usage. */
#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/floor_crowd.h"
#include "tests/bench/floor_stream.h"

static const char usage[] =
    "usage: floor [option]...\n"
    "Takes WebSockets on 127.0.0.1 and writes the payload of each NOTIFY to all of them.\n\n"
    "  --conninfo TEXT  where (default: what PGHOST, PGPORT and the like say)\n"
    "  --channel NAME   (default bench)\n"
    "  --port N         (default 0: a free one)\n"
    "  --mode send      one send() per event and connection (default)\n"
    "  --mode batch     one for all that waits for a connection\n\n"
    "Prints {\"port\":N} once it listens to both.  Ends with PostgreSQL, or by a signal.\n";

struct command {
	const char *conninfo, *channel;
	enum floor_mode mode;
	uint16_t port;
};

static bool
parse_command(struct command *c, int argc, char **argv)
{
	static const struct option options[] = {
	    {"conninfo", required_argument, NULL, 'i'},
	    {"channel", required_argument, NULL, 'c'},
	    {"port", required_argument, NULL, 'p'},
	    {"mode", required_argument, NULL, 'm'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	*c = (struct command){.conninfo = "", .channel = "bench", .mode = FLOOR_SEND};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'i')
			c->conninfo = optarg;
		else if (option == 'c')
			c->channel = optarg;
		else if (option == 'p')
			c->port = (uint16_t)strtol(optarg, NULL, 10);
		else if (option == 'm' && strcmp(optarg, "batch") == 0)
			c->mode = FLOOR_BATCH;
		else if (option != 'm' || strcmp(optarg, "send") != 0)
			return false;
	}
	return optind == argc;
}

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* else fewer connections fit */
	}
}

static bool
listens(PGconn *db, const char *channel)
{
	char *name = PQescapeIdentifier(db, channel, strlen(channel));
	char sql[256];
	PGresult *res;
	bool ok;

	if (name == NULL || (size_t)snprintf(sql, sizeof sql, "listen %s", name) >= sizeof sql) {
		PQfreemem(name);
		return false;
	}
	PQfreemem(name);
	res = PQexec(db, sql);
	ok = PQresultStatus(res) == PGRES_COMMAND_OK;
	PQclear(res);
	return ok;
}

/* Takes all that can be read now.  False: PostgreSQL is gone, or there is no room. */
static bool
take_events(PGconn *db, struct floor_stream *stream)
{
	PGnotify *event;
	bool ok = PQconsumeInput(db) == 1;

	while (ok && (event = PQnotifies(db)) != NULL) {
		ok = floor_stream_add(stream, event->extra, strlen(event->extra));
		PQfreemem(event);
	}
	return ok;
}

static int
run(PGconn *db, const struct command *command)
{
	struct floor_stream stream = {0};
	struct floor_crowd *crowd =
	    floor_crowd_new(command->port, PQsocket(db), command->mode, &stream);

	if (crowd == NULL) {
		fprintf(stderr, "floor: cannot listen: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	printf("{\"port\":%u}\n", (unsigned)floor_crowd_port(crowd));
	fflush(stdout);
	do {
		while (!floor_crowd_step(crowd))
			;
		if (!take_events(db, &stream)) {
			fprintf(stderr, "floor: no more events: %s\n", PQerrorMessage(db));
			break;
		}
		floor_crowd_deliver(crowd);
	} while (true);
	floor_crowd_free(crowd);
	floor_stream_fini(&stream);
	return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	struct command command;
	PGconn *db;
	int status = EXIT_FAILURE;

	if (!parse_command(&command, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	raise_descriptor_limit();
	db = PQconnectdb(command.conninfo);
	if (PQstatus(db) == CONNECTION_OK && listens(db, command.channel))
		status = run(db, &command);
	else
		fprintf(stderr, "floor: %s", PQerrorMessage(db));
	PQfinish(db);
	return status;
}
