#include "notifier/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "notifier/civet.h"
#include "notifier/handover.h"
#include "notifier/passage.h"
#include "notifier/selftest.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/loglimit.h"

enum { CONSOLE_NAME_MAX = 64, RETRY_MIN_MS = 500, RETRY_SPREAD_MS = 2500 };

struct door {
	struct mg_context *civetweb;
	struct civet_calls calls;
	const struct door_options *options;
	pthread_mutex_t access_lock;
	struct access *access; /* a reference */
	struct carrier *carrier;
	const struct door_answers *answers;
	struct census *census;
	struct loglimit refusals;
	struct pace *pace;
	struct metrics *metrics;
	struct gate *gate;
	struct gate_trust trust;
	struct handover handover;
	char self_test_path[40]; /* nobody else can guess it */
	atomic_int self_test_fd;
};

/* --- refusals --- */

static enum metric
metric_of(int status)
{
	switch (status) {
	case 401: return METRIC_REFUSED_UNAUTHORIZED;
	case 403: return METRIC_REFUSED_FORBIDDEN;
	case 404: return METRIC_REFUSED_NOT_FOUND;
	case 429: return METRIC_REFUSED_RATE;
	case 503: return METRIC_REFUSED_CAPACITY;
	default: return METRIC_REFUSED_BAD_REQUEST;
	}
}

/* What a client needs to know besides. */
static const char *
header_of(int status)
{
	switch (status) {
	case 401: return "WWW-Authenticate: Bearer\r\n";
	case 426: return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
	case 429: return "Retry-After: 1\r\n";
	case 503: return "Retry-After: 5\r\n";
	default: return "";
	}
}

/* One request on its way through the door. */
struct visit {
	struct door *door;
	struct access *access; /* a reference */
	struct mg_connection *mg;
	struct request request;
	char path[CIVET_PATH_SIZE]; /* decoded */
};

/* Anybody can be refused as often as he likes: some lines a second are enough. */
static void
tell_refused(struct visit *v, int status, const char *reason)
{
	struct loglimit *limit = &v->door->refusals;
	char address[64], client[4 * sizeof address];
	int64_t n_left_out;

	request_client_address(&v->request, v->access->trusted_proxy, address, sizeof address);
	log_escape(client, sizeof client, address, strlen(address));
	if (log_enabled(LOG_LEVEL_DEBUG))
		log_debug("refused: status=%d client=%s reason=\"%s\"", status, client, reason);
	else if (loglimit_pass(limit, clock_ms(), &n_left_out))
		log_info("refused: status=%d client=%s reason=\"%s\" left_out=%" PRId64, status,
		    client, reason, n_left_out);
}

static int
refuse(struct visit *v, int status, const char *reason)
{
	char headers[100];
	char text[200];

	metrics_add(v->door->metrics, metric_of(status), 1);
	tell_refused(v, status, reason);
	snprintf(text, sizeof text, "%s\n", reason);
	if (status == 405)
		snprintf(
		    headers, sizeof headers, "Allow: %s\r\n", passage_methods(v->request.path));
	else
		snprintf(headers, sizeof headers, "%s", header_of(status));
	return civet_say(v->mg, status, headers, text);
}

/* --- routes --- */

static int
serve_health(struct visit *v)
{
	return civet_say(v->mg, 200, "", "ok\n");
}

static int
serve_readiness(struct visit *v)
{
	const struct door_answers *answers = v->door->answers;

	if (answers->is_ready(answers->arg))
		return civet_say(v->mg, 200, "", "ready\n");
	return civet_say(v->mg, 503, "Retry-After: 1\r\n", "not listening to the database\n");
}

static int
serve_metrics(struct visit *v)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return civet_say(v->mg, 500, "", "out of memory\n");
	metrics_write(v->door->metrics, out);
	if (fclose(out) == 0)
		civet_send(v->mg, 200, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
		    text, len);
	free(text);
	return 200;
}

static int
redirect_to_console(struct visit *v)
{
	char headers[512];
	const char *query = v->request.query;

	snprintf(headers, sizeof headers, "Location: /console/%s%.400s\r\n",
	    query != NULL ? "?" : "", query != NULL ? query : "");
	return civet_say(v->mg, 302,
	    strpbrk(headers, "\n") == strrchr(headers, '\n') ? headers : "", "see /console/\n");
}

/* Files lie flat in one directory: no name can lead out of it. */
static int
serve_console(struct visit *v)
{
	static const char headers[] =
	    "Content-Security-Policy: default-src 'self'; img-src 'self' data:;"
	    " connect-src 'self' ws: wss:; frame-ancestors 'none'\r\n"
	    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
	    "Cache-Control: no-cache\r\n";
	const char *name = v->request.path + strlen("/console/");
	char path[4096];

	if (*name == '\0')
		name = "index.html";
	if (*name == '.' || strlen(name) > CONSOLE_NAME_MAX ||
	    name[strspn(
		name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] != '\0')
		return refuse(v, 404, "there is no such file");
	snprintf(path, sizeof path, "%s/%s", v->door->options->console_dir, name);
	if (access(path, R_OK) != 0)
		return refuse(v, 404, "there is no such file");
	mg_send_mime_file2(v->mg, path, NULL, headers);
	return 200;
}

/* The socket of this visit, taken from civetweb; -1 when it cannot be had. */
static int
take_socket(struct visit *v)
{
	const struct mg_request_info *info = mg_get_request_info(v->mg);
	int fd = handover_find(info->remote_addr, info->remote_port, info->server_port);

	return fd < 0 ? -1 : handover_take(&v->door->handover, fd);
}

/* Who it is, as far as the request alone can say.  0, or the status of the refusal. */
static int
identify(struct visit *v, enum session_kind kind, struct newcomer *newcomer, const char **reason)
{
	switch (access_by_request(
	    v->access, &v->request, (int64_t)time(NULL), &newcomer->grant, &newcomer->claim)) {
	case ACCESS_GRANTED:
	case ACCESS_CLAIMED: return 0;
	case ACCESS_EXPIRED: *reason = "the token has expired"; break;
	case ACCESS_REFUSED: *reason = "a valid token is needed"; break;
	}
	/* A browser cannot see the status of a refused handshake: v1 hears it after its hello. */
	return kind == SESSION_V1 ? 0 : 401;
}

/* The request is good: the rest of this connection's life is the carrier's.  0, or a status. */
static int
hand_over(struct visit *v, struct newcomer *newcomer)
{
	newcomer->fd = take_socket(v);
	if (newcomer->fd < 0)
		return 503;
	if (carrier_adopt(v->door->carrier, newcomer))
		return 0;
	/* Out of memory.  civetweb has lost the socket: the refusal goes nowhere, but it is
	 * counted. */
	close(newcomer->fd);
	return 503;
}

/* A browser that lost its stream comes back after a while of its own: not all at once. */
static int
some_retry_ms(void)
{
	uint16_t n = 0;

	(void)!getrandom(&n, sizeof n, GRND_NONBLOCK);
	return RETRY_MIN_MS + n % RETRY_SPREAD_MS;
}

static int
enter(struct visit *v, const struct passage *p, struct newcomer *newcomer)
{
	struct door *d = v->door;
	char address[64];
	int status;

	request_client_address(&v->request, v->access->trusted_proxy, address, sizeof address);
	newcomer->address_key = census_address_key(address);
	if (!census_enter(d->census, newcomer->address_key))
		return refuse(v, 503, "too many connections");
	newcomer->name = p->sid;
	newcomer->kind = p->kind;
	newcomer->after = p->has_after ? &p->after : NULL;
	newcomer->wants_open = p->wants_open;
	newcomer->audio = p->audio;
	newcomer->body_len = p->body_len;
	status = hand_over(v, newcomer);
	if (status == 0)
		return 200;
	census_leave(d->census, newcomer->address_key);
	return refuse(v, status, "the connection could not be taken over");
}

/* A WebSocket, a stream, a poll, an ack. */
static int
serve_passage(struct visit *v)
{
	struct passage passage;
	struct newcomer newcomer = {0};
	char first[PASSAGE_FIRST_MAX];
	const char *reason = "";
	int status = passage_check(&v->request, &passage, &reason);

	if (status == 101 || status == 200)
		status = identify(v, passage.kind, &newcomer, &reason);
	if (status != 0)
		return refuse(v, status, reason);
	if (!passage_first(&v->request, &passage, some_retry_ms(), first, &newcomer.answer_len))
		return refuse(v, 503, "no answer could be made");
	newcomer.answer = first;
	if (strcmp(v->request.method, "HEAD") != 0)
		return enter(v, &passage, &newcomer);
	mg_write(v->mg, first, strstr(first, "\r\n\r\n") + 4 - first);
	return 200;
}

static int
serve_self_test(struct visit *v)
{
	struct door *d = v->door;
	int expected = -1, fd;

	if (strcmp(v->request.path, d->self_test_path) != 0)
		return refuse(v, 404, "there is nothing here");
	fd = take_socket(v);
	if (fd >= 0 && !atomic_compare_exchange_strong(&d->self_test_fd, &expected, fd))
		close(fd);
	return fd >= 0 ? 200 : refuse(v, 503, "no hand-over");
}

static const struct route {
	const char *path;
	bool is_prefix;  /* what follows the path belongs to the route too */
	bool any_method; /* the route judges the method itself */
	int (*serve)(struct visit *v);
} routes[] = {
    {"/ws/", true, true, serve_passage},
    {"/events/", true, true, serve_passage},
    {"/poll/", true, true, serve_passage},
    {"/ack/", true, true, serve_passage},
    {"/console/", true, false, serve_console},
    {"/console", false, false, redirect_to_console},
    {"/", false, false, redirect_to_console},
    {"/healthz", false, false, serve_health},
    {"/readyz", false, false, serve_readiness},
    {"/metrics", false, false, serve_metrics},
    {"/self-test/", true, false, serve_self_test},
};

static const struct route *
find_route(const char *path)
{
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		const struct route *r = &routes[i];

		if (r->is_prefix ? strncmp(path, r->path, strlen(r->path)) == 0
				 : strcmp(path, r->path) == 0)
			return r;
	}
	return NULL;
}

/* The gate knows how fast a peer comes; for whom a proxy speaks is known here. */
static bool
is_too_fast(const struct visit *v)
{
	const struct door *d = v->door;
	char address[64];

	request_client_address(&v->request, v->access->trusted_proxy, address, sizeof address);
	return strcmp(address, v->request.peer) != 0 &&
	       !pace_admit(d->pace, census_address_key(address), clock_ns());
}

static int
answer(struct visit *v)
{
	const struct route *route;
	const char *reason;
	int status = civet_read(mg_get_request_info(v->mg), v->path, &v->request, &reason);

	if (status != 0)
		return refuse(v, status, reason);
	if (is_too_fast(v))
		return refuse(v, 429, "too many requests");
	route = find_route(v->path);
	reason = access_refusal(v->access, &v->request);
	if (reason != NULL)
		return refuse(v, 403, reason);
	if (route == NULL)
		return refuse(v, 404, "there is nothing here");
	if (!route->any_method && strcmp(v->request.method, "GET") != 0 &&
	    strcmp(v->request.method, "HEAD") != 0)
		return refuse(v, 405, "only GET and HEAD");
	return route->serve(v);
}

static struct access *
hold_access(struct door *d)
{
	struct access *a;

	pthread_mutex_lock(&d->access_lock);
	a = access_hold(d->access);
	pthread_mutex_unlock(&d->access_lock);
	return a;
}

static bool
is_proxy(void *arg, const char *address)
{
	struct access *a = hold_access(arg);
	bool is_trusted = request_is_trusted(a->trusted_proxy, address);

	access_release(a);
	return is_trusted;
}

void
door_set_access(struct door *d, struct access *access)
{
	struct access *old;

	access_hold(access);
	pthread_mutex_lock(&d->access_lock);
	old = d->access;
	d->access = access;
	pthread_mutex_unlock(&d->access_lock);
	access_release(old);
}

static int
take_request(void *arg, struct mg_connection *mg)
{
	struct visit v = {.door = arg, .mg = mg, .access = hold_access(arg)};
	int status = answer(&v);

	access_release(v.access);
	return status;
}

static void
count_unread(void *arg, int status)
{
	struct door *d = arg;

	metrics_add(d->metrics, metric_of(status), 1);
}

/* --- opening and closing --- */

static bool
choose_self_test_path(struct door *d)
{
	uint64_t nonce;

	if (getrandom(&nonce, sizeof nonce, 0) != sizeof nonce)
		return false;
	snprintf(d->self_test_path, sizeof d->self_test_path, "/self-test/%016" PRIx64, nonce);
	return true;
}

struct door *
door_open(const struct door_options *options, struct access *access, struct carrier *carrier,
    const struct door_answers *answers, struct census *census, struct pace *pace,
    struct metrics *metrics, const char **reason)
{
	struct door *d = calloc(1, sizeof *d);

	*reason = "out of memory or descriptors";
	if (d == NULL)
		return NULL;
	d->options = options;
	pthread_mutex_init(&d->access_lock, NULL);
	loglimit_init(&d->refusals);
	d->access = access_hold(access);
	d->carrier = carrier;
	d->answers = answers;
	d->census = census;
	d->pace = pace;
	d->trust = (struct gate_trust){is_proxy, d};
	d->calls = (struct civet_calls){d, take_request, count_unread};
	d->metrics = metrics;
	atomic_init(&d->self_test_fd, -1);
	if (!choose_self_test_path(d) || !handover_init(&d->handover))
		goto failed;
	d->gate = gate_new(&options->gate, &d->trust, census, pace, metrics);
	if (d->gate == NULL)
		goto failed;
	*reason = "cannot listen: is the address right, and the port free?";
	d->civetweb = civet_start(options->listen, options->n_threads, &d->calls);
	if (d->civetweb == NULL)
		goto failed;
	*reason = "this civetweb does not call our listen(): another build than the program needs";
	if (!gate_start(d->gate))
		goto failed;
	return d;
failed:
	door_close(d);
	return NULL;
}

const char *
door_self_test(struct door *d)
{
	const char *reason = "no hand-over within 5 s";
	struct sockaddr_storage to;
	socklen_t len = gate_address(d->gate, &to);
	int client = selftest_connect(&to, len, d->self_test_path), taken = -1;

	if (client < 0)
		return "cannot connect to its own port";
	for (int waited_ms = 0; taken < 0 && waited_ms < SELFTEST_MS; waited_ms += 5) {
		poll(NULL, 0, 5);
		taken = atomic_load(&d->self_test_fd);
	}
	if (taken >= 0)
		reason = selftest_talk(client, taken);
	if (taken >= 0)
		close(taken);
	close(client);
	return reason;
}

void
door_shut(struct door *d)
{
	gate_stop(d->gate);
}

void
door_close(struct door *d)
{
	if (d == NULL)
		return;
	if (d->gate != NULL)
		gate_stop(d->gate);
	if (d->civetweb != NULL)
		mg_stop(d->civetweb);
	gate_free(d->gate);
	handover_fini(&d->handover);
	access_release(d->access);
	pthread_mutex_destroy(&d->access_lock);
	loglimit_fini(&d->refusals);
	free(d);
}
