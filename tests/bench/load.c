/* load - many clients of a notifier at once, from one process.  See usage(). */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/bench/stamps.h"
#include "tests/bench/swarm.h"

static const char usage[] =
    "usage: load --url URL [option]...\n"
    "Opens terminals, keeps them, counts what they get; reports in lines of JSON.\n\n"
    "  --url URL            ws://A.B.C.D:PORT/PATH; {i} in it becomes the terminal's number,\n"
    "                       {m} its merchant's\n"
    "  --connections N      terminals that read\n"
    "  --stuck N            terminals that read nothing once they are live\n"
    "  --receive-buffer N   bytes of the stuck ones' receive buffers (default: the system's)\n"
    "  --silent N           sockets that send nothing, and come again when thrown out\n"
    "  --one-byte N         the same, but they send one byte\n"
    "  --drip N             the same, with a byte a second\n"
    "  --cycles N           so many times: connect, shake hands, go\n"
    "  --goodbye HOW        how a cycle goes: close, fin, reset, early, or mix (default)\n"
    "  --merchants N        terminals are spread over so many (default 1)\n"
    "  --v1                 speak orderbell.v1; default: plain clients\n"
    "  --resume             v1 terminals come back by themselves, with their cursors, and count\n"
    "                       what is lost, repeated or out of order\n"
    "  --mqtt TOPIC         speak MQTT over the WebSocket and subscribe to that\n"
    "  --stamps FILE        events carry numbers (n=...), and when they were made is there\n"
    "  --hello JSON         what a v1 client says first (default {\"hello\":1})\n"
    "  --header LINE        one more line of the request, such as \"token: ...\"\n"
    "  --source-addresses N connect from 127.0.0.2 and so many following\n"
    "  --parallel N         handshakes under way at once (default 64)\n"
    "  --rate N             openings per second (default: as fast as it goes)\n"
    "  --events N           end once each reading terminal has got N events\n"
    "  --report S           a line of progress every S seconds\n"
    "  --seconds S          end after so long in any case (default 60)\n\n"
    "Lines: {\"kind\":\"ready\"} when all are there, \"progress\", and at the end \"final\".\n"
    "SIGTERM and SIGINT end it with its report.  Times are in ms.\n";

static const char *const goodbyes[] = {"close", "fin", "reset", "early", "mix", NULL};

enum { PARALLEL = 64, SECONDS = 60, HEADERS_ROOM = 4096, HOST_ROOM = 128 };

struct command {
	struct swarm_plan plan;
	char host[HOST_ROOM];
	char headers[HEADERS_ROOM];
	const char *hello;
	int64_t receive_buffer, n_sources, merchants;
	bool is_v1;
};

/* --- command line --- */

/* Options that are numbers: where each goes. */
static int64_t *
number_of(struct command *c, const char *name)
{
	const struct {
		const char *name;
		int64_t *value;
	} rows[] = {
	    {"connections", &c->plan.n[TERMINAL_READER]},
	    {"stuck", &c->plan.n[TERMINAL_STUCK]},
	    {"silent", &c->plan.n[TERMINAL_SILENT]},
	    {"one-byte", &c->plan.n[TERMINAL_ONE_BYTE]},
	    {"drip", &c->plan.n[TERMINAL_DRIP]},
	    {"cycles", &c->plan.n[TERMINAL_CYCLE]},
	    {"receive-buffer", &c->receive_buffer},
	    {"merchants", &c->merchants},
	    {"source-addresses", &c->n_sources},
	    {"parallel", &c->plan.parallel},
	    {"rate", &c->plan.rate},
	    {"events", &c->plan.n_events},
	    {"report", &c->plan.report_s},
	    {"seconds", &c->plan.seconds},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].value;
	}
	return NULL;
}

static const struct option options[] = {
    {"url", required_argument, NULL, 'u'},
    {"hello", required_argument, NULL, 'h'},
    {"header", required_argument, NULL, 'H'},
    {"goodbye", required_argument, NULL, 'g'},
    {"mqtt", required_argument, NULL, 'm'},
    {"stamps", required_argument, NULL, 't'},
    {"v1", no_argument, NULL, 'v'},
    {"resume", no_argument, NULL, 'r'},
    {"help", no_argument, NULL, '?'},
    {"connections", required_argument, NULL, 'n'},
    {"stuck", required_argument, NULL, 'n'},
    {"silent", required_argument, NULL, 'n'},
    {"one-byte", required_argument, NULL, 'n'},
    {"drip", required_argument, NULL, 'n'},
    {"cycles", required_argument, NULL, 'n'},
    {"receive-buffer", required_argument, NULL, 'n'},
    {"merchants", required_argument, NULL, 'n'},
    {"source-addresses", required_argument, NULL, 'n'},
    {"parallel", required_argument, NULL, 'n'},
    {"rate", required_argument, NULL, 'n'},
    {"events", required_argument, NULL, 'n'},
    {"report", required_argument, NULL, 'n'},
    {"seconds", required_argument, NULL, 'n'},
    {NULL, 0, NULL, 0},
};

/* Takes ws://A.B.C.D:PORT/PATH apart.  False: it is something else. */
static bool
parse_url(struct command *c, const char *url)
{
	struct terminal_target *target = &c->plan.target;
	const char *scheme = strstr(url, "://");
	const char *host = scheme == NULL ? url : scheme + 3;
	size_t len = strcspn(host, "/");
	char address[INET_ADDRSTRLEN] = "", *colon;
	long port;

	if (len >= sizeof c->host)
		return false;
	memcpy(c->host, host, len);
	target->host = c->host;
	target->path = host[len] == '/' ? host + len : "/";
	colon = strchr(c->host, ':');
	if (colon == NULL || (size_t)(colon - c->host) >= sizeof address)
		return false;
	memcpy(address, c->host, (size_t)(colon - c->host));
	port = strtol(colon + 1, NULL, 10);
	target->address.sin_family = AF_INET;
	target->address.sin_port = htons((uint16_t)port);
	return port > 0 && port < 65536 &&
	       inet_pton(AF_INET, address, &target->address.sin_addr) == 1;
}

static bool
parse_number(int64_t *value, const char *text)
{
	char *end;

	errno = 0;
	*value = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *value >= 0 && *value <= INT32_MAX;
}

static bool
parse_goodbye(struct command *c, const char *text)
{
	for (c->plan.goodbye = 0; goodbyes[c->plan.goodbye] != NULL; c->plan.goodbye++) {
		if (strcmp(goodbyes[c->plan.goodbye], text) == 0)
			return true;
	}
	return false;
}

static bool
add_header(struct command *c, const char *line)
{
	size_t at = strlen(c->headers), left = sizeof c->headers - at;
	int n = snprintf(c->headers + at, left, "%s\r\n", line);

	return n > 0 && (size_t)n < left;
}

static bool
parse_option(struct command *c, int option, const char *name)
{
	switch (option) {
	case 'u': return parse_url(c, optarg);
	case 'g': return parse_goodbye(c, optarg);
	case 'H': return add_header(c, optarg);
	case 'n': return parse_number(number_of(c, name), optarg);
	case 'h': c->hello = optarg; return true;
	case 'm': c->plan.target.topic = optarg; return true;
	case 't': return (c->plan.target.stamps = stamps_map(optarg)) != NULL;
	case 'v': c->is_v1 = true; return true;
	case 'r': c->plan.target.resumes = true; return true;
	default: return false;
	}
}

static bool
parse_command(struct command *c, int argc, char **argv)
{
	int option, index = 0;

	*c = (struct command){.hello = "{\"hello\":1}", .merchants = 1};
	c->plan.parallel = PARALLEL;
	c->plan.seconds = SECONDS;
	c->plan.goodbye = GOODBYE_COUNT;
	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (!parse_option(c, option, options[index].name))
			return false;
	}
	c->plan.target.headers = c->headers;
	c->plan.target.hello = c->is_v1 ? c->hello : NULL;
	c->plan.target.receive_buffer = (int)c->receive_buffer;
	c->plan.target.n_sources = (int)c->n_sources;
	c->plan.target.n_merchants = c->merchants;
	return optind == argc && c->plan.target.path != NULL && c->plan.parallel > 0 &&
	       c->merchants > 0 && (c->is_v1 || !c->plan.target.resumes);
}

/* --- running --- */

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		/* Where it may not be raised, what cannot be opened is in the report. */
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* A descriptor that becomes readable when we are to end; -1: none to be had. */
static int
open_stop_fd(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
		return -1;
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int
run(struct swarm_plan *plan)
{
	struct tally *tally = calloc(1, sizeof *tally);
	struct swarm *swarm = NULL;

	raise_descriptor_limit();
	plan->stop_fd = open_stop_fd();
	if (tally != NULL && plan->stop_fd >= 0)
		swarm = swarm_new(plan, tally);
	if (swarm != NULL)
		swarm_run(swarm);
	else
		fprintf(stderr, "load: out of memory or descriptors\n");
	swarm_free(swarm);
	free(tally);
	if (plan->stop_fd >= 0)
		close(plan->stop_fd);
	return swarm != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	struct command command;

	if (!parse_command(&command, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	return run(&command.plan);
}
