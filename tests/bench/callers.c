/* callers - gateways that send their callbacks, as fast as they are answered.  See usage. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/clock.h"
#include "tests/bench/latency.h"

static const char usage[] =
    "usage: callers --port N --file PATH [--clients N] [--seconds N]\n"
    "Sends the requests of a file, each once, over connections that are kept.\n\n"
    "  --port N     of 127.0.0.1\n"
    "  --file PATH  whole HTTP/1.1 requests, before each its length in bytes and a newline\n"
    "  --clients N  connections, each with one request under way (default 16)\n"
    "  --seconds N  ends then, or when all were sent (default 3)\n\n"
    "Prints a line of JSON at the end.  Times are in ms, from a request to its whole answer.\n";

enum { CLIENTS_MAX = 256, ANSWER_MAX = 4096, ANSWER_MS = 10000 };

struct command {
	const char *path;
	int64_t port, clients, seconds;
};

struct requests {
	const char *at, *end; /* what is left of the file */
};

struct client {
	int fd; /* -1: has nothing more to do */
	const char *request;
	size_t request_len, n_sent;
	int64_t begun_ns;
	size_t n_got;
	char answer[ANSWER_MAX + 1];
};

struct result {
	int64_t good, bad, lost;
	struct latency took;
};

/* False: there are no more. */
static bool
next_request(struct requests *r, struct client *c)
{
	char *text;
	unsigned long len = r->at < r->end ? strtoul(r->at, &text, 10) : 0;

	if (len == 0 || *text != '\n' || len > (size_t)(r->end - text - 1))
		return false;
	c->request = text + 1;
	c->request_len = len;
	r->at = text + 1 + len;
	return true;
}

static int
connect_to(int64_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Sends as much as goes; a request is short, so that is all of it nearly always. */
static bool
send_some(struct client *c)
{
	ssize_t n = send(c->fd, c->request + c->n_sent, c->request_len - c->n_sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN;
	c->n_sent += (size_t)n;
	return true;
}

static void
begin(struct client *c)
{
	c->n_sent = 0;
	c->n_got = 0;
	c->begun_ns = clock_ns();
}

/* Takes the next request, on a new connection where the old one was closed. */
static bool
go_on(const struct command *command, struct requests *requests, struct client *c)
{
	if (!next_request(requests, c)) {
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
		return true;
	}
	if (c->fd < 0)
		c->fd = connect_to(command->port);
	begin(c);
	return c->fd >= 0 && send_some(c);
}

/* How long the answer is, so far as it can be said; 0: not yet. */
static size_t
answer_len(const struct client *c)
{
	const char *end = strstr(c->answer, "\r\n\r\n"), *length;

	if (end == NULL)
		return 0;
	length = strcasestr(c->answer, "\r\nContent-Length:");
	return (size_t)(end + 4 - c->answer) +
	       (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

/* Reads; true when the answer is whole, or will not come any more. */
static bool
receive(struct client *c, struct result *result)
{
	ssize_t n = recv(c->fd, c->answer + c->n_got, ANSWER_MAX - c->n_got, 0);
	size_t len;

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		result->lost++;
		close(c->fd);
		c->fd = -1;
		return true;
	}
	c->n_got += (size_t)n;
	c->answer[c->n_got] = '\0';
	len = answer_len(c);
	if (len == 0 || c->n_got < len)
		return false;
	latency_add(&result->took, clock_ns() - c->begun_ns);
	if (strncmp(c->answer, "HTTP/1.1 20", 11) == 0)
		result->good++;
	else
		result->bad++;
	if (strcasestr(c->answer, "\r\nConnection: close") != NULL) {
		close(c->fd);
		c->fd = -1;
	}
	return true;
}

static bool
step(const struct command *command, struct requests *requests, struct client *c, short revents,
    struct result *result)
{
	if ((revents & POLLOUT) != 0 && !send_some(c))
		return false;
	if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0 || !receive(c, result))
		return true;
	return go_on(command, requests, c);
}

/* Until all is sent and answered, or the time is up: then what is under way is still waited for. */
static bool
run(const struct command *command, struct requests *requests, struct client *clients,
    struct result *result)
{
	int64_t end_ms = clock_ms() + command->seconds * 1000;
	size_t n = (size_t)command->clients;
	struct pollfd fds[CLIENTS_MAX];

	for (size_t i = 0; i < n; i++) {
		clients[i].fd = -1;
		if (!go_on(command, requests, &clients[i]))
			return false;
	}
	for (;;) {
		size_t n_open = 0;

		if (clock_ms() >= end_ms)
			requests->at = requests->end;
		for (size_t i = 0; i < n; i++) {
			bool has_more = clients[i].n_sent < clients[i].request_len;

			fds[i] = (struct pollfd){
			    .fd = clients[i].fd, .events = has_more ? POLLIN | POLLOUT : POLLIN};
			n_open += clients[i].fd >= 0;
		}
		if (n_open == 0)
			return true;
		if (poll(fds, n, ANSWER_MS) <= 0)
			return false;
		for (size_t i = 0; i < n; i++) {
			if (fds[i].revents != 0 &&
			    !step(command, requests, &clients[i], fds[i].revents, result))
				return false;
		}
	}
}

static void
report(const struct result *r, int64_t ns)
{
	json_object *line = json_object_new_object();
	struct rusage used;
	int64_t cpu_us;

	getrusage(RUSAGE_SELF, &used);
	cpu_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
	         used.ru_stime.tv_usec;
	json_object_object_add(line, "good", json_object_new_int64(r->good));
	json_object_object_add(line, "bad", json_object_new_int64(r->bad));
	json_object_object_add(line, "lost", json_object_new_int64(r->lost));
	json_object_object_add(
	    line, "per_s", json_object_new_double((double)r->good * 1e9 / (double)ns));
	json_object_object_add(line, "cpu_s", json_object_new_double((double)cpu_us / 1e6));
	json_object_object_add(
	    line, "p50", json_object_new_double((double)latency_quantile_ns(&r->took, 0.5) / 1e6));
	json_object_object_add(
	    line, "p99", json_object_new_double((double)latency_quantile_ns(&r->took, 0.99) / 1e6));
	puts(json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN));
	json_object_put(line);
}

static bool
open_requests(const char *path, struct requests *r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat facts;
	void *bytes = MAP_FAILED;

	if (fd >= 0 && fstat(fd, &facts) == 0 && facts.st_size > 0)
		bytes =
		    mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (bytes == MAP_FAILED)
		return false;
	r->at = bytes;
	r->end = r->at + facts.st_size;
	return true;
}

static bool
read_command(int argc, char **argv, struct command *c)
{
	static const struct option options[] = {{"port", required_argument, NULL, 'p'},
	    {"file", required_argument, NULL, 'f'}, {"clients", required_argument, NULL, 'c'},
	    {"seconds", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
	int option;

	*c = (struct command){.clients = 16, .seconds = 3};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p': c->port = strtoll(optarg, NULL, 10); break;
		case 'f': c->path = optarg; break;
		case 'c': c->clients = strtoll(optarg, NULL, 10); break;
		case 's': c->seconds = strtoll(optarg, NULL, 10); break;
		default: return false;
		}
	}
	return optind == argc && c->path != NULL && c->port > 0 && c->port < 65536 &&
	       c->clients > 0 && c->clients <= CLIENTS_MAX && c->seconds > 0;
}

int
main(int argc, char **argv)
{
	struct command command;
	struct requests requests;
	struct result *result = calloc(1, sizeof *result);
	struct client *clients = calloc(CLIENTS_MAX, sizeof *clients);
	int64_t begun_ns;
	bool ok;

	if (!read_command(argc, argv, &command) || result == NULL || clients == NULL) {
		fputs(usage, stderr);
		return 2;
	}
	if (!open_requests(command.path, &requests)) {
		fprintf(stderr, "callers: cannot read %s\n", command.path);
		return 1;
	}
	begun_ns = clock_ns();
	ok = run(&command, &requests, clients, result);
	report(result, clock_ns() - begun_ns);
	if (!ok)
		fprintf(stderr, "callers: no connection, or no answer: %s\n", strerror(errno));
	free(clients);
	free(result);
	return ok ? 0 : 1;
}
