/* publish - makes events in the database that say when they were made.  See usage. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/clock.h"
#include "tests/bench/latency.h"
#include "tests/bench/stamps.h"

static const char usage[] =
    "usage: publish [option]...\n"
    "Makes events whose content says when that was (t=<CLOCK_MONOTONIC ns>).\n\n"
    "  --conninfo TEXT      where (default: what PGHOST, PGPORT and the like say)\n"
    "  --events N           how many (default 1)\n"
    "  --rate N             per second (default 0: as fast as the database takes them)\n"
    "  --per-transaction N  so many in one transaction (default 1)\n"
    "  --first-merchant N   (default 1)\n"
    "  --merchants N        one after the other for so many (default 1)\n"
    "  --bytes N            of content, filled up with dots (default 24)\n"
    "  --stamps FILE        events carry their numbers (n=...) instead, and when each was rung is\n"
    "                       in this file: just before its commit or --bell\n"
    "  --bell SQL           a statement behind the commit of each event, of the same parameters\n"
    "  --statement SQL      of $1 merchant, $2 type, $3 content\n"
    "                       (default: select orderbell.notify($1, $2, $3))\n\n"
    "Prints a line of JSON at the end.  Times are in ms, of one event with its commit.\n";

enum { BYTES_MAX = 60000, TYPE_NEW_ORDER = 1 };

struct command {
	const char *conninfo, *statement, *bell;
	int64_t *stamps;
	int64_t events, rate, per_transaction, first_merchant, merchants, bytes;
};

/* --- making events --- */

static bool
run_sql(PGconn *db, const char *sql)
{
	PGresult *res = PQexec(db, sql);
	bool ok = PQresultStatus(res) == PGRES_COMMAND_OK;

	if (!ok)
		fprintf(stderr, "publish: %s", PQerrorMessage(db));
	PQclear(res);
	return ok;
}

static bool
prepare(PGconn *db, const char *name, const char *statement)
{
	static const Oid types[] = {20, 23, 25}; /* bigint, int, text */
	PGresult *res = PQprepare(db, name, statement, 3, types);
	bool ok = PQresultStatus(res) == PGRES_COMMAND_OK;

	if (!ok)
		fprintf(stderr, "publish: %s", PQerrorMessage(db));
	PQclear(res);
	return ok;
}

static bool
run_prepared(PGconn *db, const char *name, const char *const *params)
{
	PGresult *res = PQexecPrepared(db, name, 3, params, NULL, NULL, 0);
	bool ok = PQresultStatus(res) == PGRES_TUPLES_OK;

	if (!ok)
		fprintf(stderr, "publish: %s", PQerrorMessage(db));
	PQclear(res);
	return ok;
}

/* What an event says: when it was made, or its number; filled up to so many bytes. */
static void
write_content(const struct command *c, int64_t number, char *content, size_t size)
{
	int len = c->stamps == NULL ? snprintf(content, size, "t=%" PRId64 " ", clock_ns())
	                            : snprintf(content, size, "n=%" PRId64 " ", number);

	if (len < c->bytes) {
		memset(content + len, '.', (size_t)(c->bytes - len));
		content[c->bytes] = '\0';
	}
}

static void
stamp(const struct command *c, int64_t number)
{
	if (c->stamps != NULL)
		c->stamps[number] = clock_ns();
}

static bool
make_event(PGconn *db, const struct command *c, int64_t number)
{
	char id[24], type[12], content[BYTES_MAX + 32];
	const char *params[] = {id, type, content};

	write_content(c, number, content, sizeof content);
	snprintf(id, sizeof id, "%" PRId64, c->first_merchant + number % c->merchants);
	snprintf(type, sizeof type, "%d", TYPE_NEW_ORDER);
	if (!run_prepared(db, "event", params))
		return false;
	if (c->bell == NULL)
		return true;
	stamp(c, number);
	return run_prepared(db, "bell", params);
}

/* So many events from that number on, in one transaction where that makes a difference. */
static bool
make_together(PGconn *db, const struct command *c, int64_t first, int64_t n)
{
	/* A stamp comes between the event and its commit, so that must be a step of its own. */
	bool is_explicit = n > 1 || (c->stamps != NULL && c->bell == NULL);

	if (is_explicit && !run_sql(db, "begin"))
		return false;
	for (int64_t i = 0; i < n; i++) {
		if (!make_event(db, c, first + i))
			return false;
	}
	for (int64_t i = 0; i < n && c->bell == NULL; i++)
		stamp(c, first + i);
	return !is_explicit || run_sql(db, "commit");
}

static void
wait_until(int64_t due_ns)
{
	struct timespec due = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}

/* Gives how many were made: fewer than asked for when the database refused. */
static int64_t
make_events(PGconn *db, const struct command *c, struct latency *took)
{
	int64_t start_ns = clock_ns(), made = 0;

	while (made < c->events) {
		int64_t in_this = c->events - made, begun_ns;

		if (c->rate > 0)
			wait_until(start_ns + made * 1000000000 / c->rate);
		if (in_this > c->per_transaction)
			in_this = c->per_transaction;
		begun_ns = clock_ns();
		if (!make_together(db, c, made, in_this))
			return made;
		latency_add(took, clock_ns() - begun_ns);
		made += in_this;
	}
	return made;
}

static void
report(int64_t made, int64_t ns, const struct latency *took)
{
	json_object *line = json_object_new_object();

	json_object_object_add(line, "events", json_object_new_int64(made));
	json_object_object_add(line, "seconds", json_object_new_double((double)ns / 1e9));
	json_object_object_add(
	    line, "events_per_s", json_object_new_double((double)made * 1e9 / (double)ns));
	json_object_object_add(line, "transaction_p50",
	    json_object_new_double((double)latency_quantile_ns(took, 0.5) / 1e6));
	json_object_object_add(line, "transaction_p99",
	    json_object_new_double((double)latency_quantile_ns(took, 0.99) / 1e6));
	puts(json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN));
	json_object_put(line);
}

/* --- command line --- */

static int64_t *
number_of(struct command *c, const char *name)
{
	const struct {
		const char *name;
		int64_t *value;
	} rows[] = {
	    {"events", &c->events},
	    {"rate", &c->rate},
	    {"per-transaction", &c->per_transaction},
	    {"first-merchant", &c->first_merchant},
	    {"merchants", &c->merchants},
	    {"bytes", &c->bytes},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].value;
	}
	return NULL;
}

static const struct option options[] = {
    {"conninfo", required_argument, NULL, 'c'},
    {"statement", required_argument, NULL, 's'},
    {"bell", required_argument, NULL, 'b'},
    {"stamps", required_argument, NULL, 't'},
    {"help", no_argument, NULL, '?'},
    {"events", required_argument, NULL, 'n'},
    {"rate", required_argument, NULL, 'n'},
    {"per-transaction", required_argument, NULL, 'n'},
    {"first-merchant", required_argument, NULL, 'n'},
    {"merchants", required_argument, NULL, 'n'},
    {"bytes", required_argument, NULL, 'n'},
    {NULL, 0, NULL, 0},
};

static bool
parse_command(struct command *c, int argc, char **argv)
{
	int option, index = 0;

	*c = (struct command){
	    .conninfo = "",
	    .statement = "select orderbell.notify($1, $2, $3)",
	    .events = 1,
	    .per_transaction = 1,
	    .first_merchant = 1,
	    .merchants = 1,
	    .bytes = 24,
	};
	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		char *end = NULL;

		if (option == 'c')
			c->conninfo = optarg;
		else if (option == 's')
			c->statement = optarg;
		else if (option == 'b')
			c->bell = optarg;
		else if (option == 't' && (c->stamps = stamps_map(optarg)) == NULL)
			return false;
		else if (option == 't')
			continue;
		else if (option == 'n')
			*number_of(c, options[index].name) = strtoll(optarg, &end, 10);
		else
			return false;
		if (end != NULL && (end == optarg || *end != '\0'))
			return false;
	}
	return optind == argc && c->events >= 0 && c->rate >= 0 && c->per_transaction > 0 &&
	       c->merchants > 0 && c->bytes >= 0 && c->bytes <= BYTES_MAX &&
	       (c->stamps == NULL || c->events <= STAMPS_MAX);
}

int
main(int argc, char **argv)
{
	struct latency *took = calloc(1, sizeof *took);
	struct command command;
	PGconn *db = NULL;
	int64_t made = 0, start_ns;

	if (!parse_command(&command, argc, argv)) {
		fputs(usage, stderr);
		free(took);
		return 2;
	}
	db = PQconnectdb(command.conninfo);
	if (PQstatus(db) != CONNECTION_OK) {
		fprintf(stderr, "publish: %s", PQerrorMessage(db));
	} else if (took != NULL && prepare(db, "event", command.statement) &&
		   (command.bell == NULL || prepare(db, "bell", command.bell))) {
		start_ns = clock_ns();
		made = make_events(db, &command, took);
		report(made, clock_ns() - start_ns, took);
	}
	PQfinish(db);
	free(took);
	return made == command.events ? EXIT_SUCCESS : EXIT_FAILURE;
}
