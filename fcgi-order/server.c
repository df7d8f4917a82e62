#include "fcgi-order/server.h"

#include <errno.h>
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fcgi-order/entry.h"
#include "fcgi-order/handlers.h"
#include "fcgi-order/pg_store.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/service.h"

extern char **environ;

enum {
	BODY_MS = 5000,    /* a body must have arrived by then: no gateway waits longer */
	DISCARD_MS = 1000, /* how long more is read of a body that is too long */
	END_S = 12,        /* requests that run are finished within, or left behind */
};

/* Those of a process share it. */
struct server {
	struct entry *entry;
	int listen_fd;
	struct rules_slot *rules;
	struct rules *first; /* what cannot change while it runs is theirs; a reference */
	struct counters *counters;
	struct valve valve;
	struct ringer *ringer;
	atomic_bool has_failed;
	pthread_t threads[];
};

/* --- one request --- */

/* Where a body comes from: gives how many bytes it put into `bytes`, less than `n` at the end or
 * when the deadline has passed. */
typedef size_t read_body(void *from, char *bytes, size_t n, int64_t deadline_ms);

/* A web server that still sends may not look at an answer: lets it, for a moment. */
static void
discard(read_body *read_from, void *from)
{
	int64_t deadline_ms = clock_ms() + DISCARD_MS;
	char trash[4096];

	while (read_from(from, trash, sizeof trash, deadline_ms) == sizeof trash)
		;
}

/* Handles a request whose body is read with `read_from`; `context` has all but the time.  False
 * when not all of the body was read. */
static bool
handle(struct context *context, char **env, read_body *read_from, void *from, struct reply *reply)
{
	size_t most = (size_t)context->options->body_max;
	/* One byte more than allowed tells a body that is too long, whatever CONTENT_LENGTH says.
	 */
	char *body = malloc(most + 2);
	struct request request = {.env = env, .body = body};
	bool is_whole = false;

	if (body == NULL) {
		reply_text(reply, 503, "out of memory\n");
		return false;
	}
	request.body_len = read_from(from, body, most + 1, clock_ms() + BODY_MS);
	body[request.body_len] = '\0';
	context->now = (int64_t)time(NULL);
	context->client = request_variable(&request, "REMOTE_ADDR");
	if (request.body_len > most) {
		discard(read_from, from);
		handle_unread(context, &request, 413, reply);
	} else if (!request_is_whole(&request)) {
		handle_unread(context, &request, 400, reply);
	} else {
		is_whole = true;
		handle_request(context, &request, reply);
	}
	free(body);
	return is_whole;
}

/* The answer's header as CGI wants it (RFC 3875, section 6.3). */
static int
format_header(const struct reply *r, char *out, size_t size)
{
	char length[48] = "";

	if (r->status != 204) /* which must not have one: RFC 9110, section 8.6 */
		snprintf(length, sizeof length, "Content-Length: %zu\r\n",
		    r->body != NULL ? strlen(r->body) : 0);
	return snprintf(out, size, "Status: %d %s\r\n%s%s%s%s%s%sCache-Control: no-store\r\n%s\r\n",
	    r->status, reply_reason(r->status), r->content_type != NULL ? "Content-Type: " : "",
	    r->content_type != NULL ? r->content_type : "", r->content_type != NULL ? "\r\n" : "",
	    r->allow != NULL ? "Allow: " : "", r->allow != NULL ? r->allow : "",
	    r->allow != NULL ? "\r\n" : "", length);
}

/* --- FastCGI --- */

/* Byte by byte, because FCGX_GetStr() waits for the whole of a body that trickles in. */
static size_t
read_fcgi(void *from, char *bytes, size_t n, int64_t deadline_ms)
{
	FCGX_Stream *in = from;
	size_t got = 0;

	while (got < n) {
		int c;

		if (in->rdNext == in->stop && clock_ms() >= deadline_ms)
			break;
		c = FCGX_GetChar(in);
		if (c == EOF)
			break;
		bytes[got++] = (char)c;
	}
	return got;
}

static void
send_fcgi(FCGX_Stream *out, const struct reply *reply, bool is_head)
{
	char header[512];
	int n = format_header(reply, header, sizeof header);

	if (n < 0 || (size_t)n >= sizeof header)
		return;
	/* A web server that went away meanwhile is not our concern: the order is paid. */
	if (FCGX_PutStr(header, n, out) == n && reply->body != NULL && !is_head)
		FCGX_PutStr(reply->body, (int)strlen(reply->body), out);
}

static void
serve(const struct server *s, const struct order_store *store, FCGX_Request *fcgi)
{
	struct rules *rules = rules_slot_get(s->rules);
	struct context context = {&rules->options, &rules->keys, store, s->counters, 0, NULL};
	struct reply reply = {0};
	const char *method = FCGX_GetParam("REQUEST_METHOD", fcgi->envp);
	bool is_whole = handle(&context, fcgi->envp, read_fcgi, fcgi->in, &reply);

	send_fcgi(fcgi->out, &reply, method != NULL && strcmp(method, "HEAD") == 0);
	reply_fini(&reply);
	rules_release(rules);
	/* libfcgi reads on until the end or a silence; one that trickles would keep it for good. */
	if (!is_whole)
		entry_stop_reading();
	FCGX_Finish_r(fcgi);
	/* What was left unread would be taken for the connection's next request. */
	if (!is_whole)
		FCGX_Free(fcgi, 1);
}

static void *
run_thread(void *arg)
{
	struct server *s = arg;
	struct pg_store *store =
	    pg_store_new(&s->first->options, s->counters, &s->valve, s->ringer);
	const struct order_store *interface = store == NULL ? NULL : pg_store_interface(store);
	FCGX_Request fcgi;
	int rc = -ENOMEM;

	if (store == NULL || FCGX_InitRequest(&fcgi, s->listen_fd, 0) != 0)
		goto out;
	entry_join(s->entry);
	interface->is_up(interface->arg); /* connects: the first callback need not wait for it */
	while ((rc = FCGX_Accept_r(&fcgi)) == 0)
		serve(s, interface, &fcgi);
	FCGX_Free(&fcgi, 1);
out:
	if (rc != -ECANCELED && !atomic_exchange(&s->has_failed, true)) {
		log_err("cannot go on: reason=\"%s\"", strerror(-rc));
		kill(getpid(), SIGTERM); /* to the thread that waits for it */
	}
	pg_store_free(store);
	return NULL;
}

/* Lets the first n threads finish what they do; gives how many did not in time. */
static int
end_threads(struct server *s, int n)
{
	struct timespec deadline;
	int n_left = 0;

	entry_close(s->entry);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += END_S;
	for (int i = 0; i < n; i++)
		n_left += pthread_timedjoin_np(s->threads[i], NULL, &deadline) != 0;
	return n_left;
}

/* Starts as many as can be; gives their number. */
static int
start_threads(struct server *s)
{
	int n = 0, rc = 0, wanted = (int)s->first->options.threads;

	while (n < wanted && (rc = pthread_create(&s->threads[n], NULL, run_thread, s)) == 0)
		n++;
	if (rc != 0)
		log_err("cannot start all threads: wanted=%d started=%d reason=\"%s\"", wanted, n,
		    strerror(rc));
	return n;
}

enum server_end
server_run(int listen_fd, struct rules_slot *rules, struct counters *counters,
    void (*wait)(void *arg), void *arg)
{
	struct rules *first = rules_slot_get(rules);
	size_t n_threads = (size_t)first->options.threads;
	struct server *s = calloc(1, sizeof *s + n_threads * sizeof *s->threads);
	enum server_end end = SERVER_FAILED;
	int n, n_left;

	if (s == NULL || FCGX_Init() != 0 || (s->entry = entry_new(listen_fd)) == NULL ||
	    (s->ringer = ringer_new(&first->options, counters)) == NULL) {
		log_err("cannot start: reason=\"%s\"", strerror(errno));
		goto out;
	}
	s->listen_fd = listen_fd;
	s->rules = rules;
	s->first = first;
	s->counters = counters;
	s->valve.most = (int)n_threads;
	atomic_init(&s->valve.allowed, (int)n_threads);
	n = start_threads(s);
	if (n > 0) {
		service_ready();
		wait(arg);
		service_stopping((int64_t)(END_S + 1) * 1000);
	}
	n_left = end_threads(s, n);
	if (n_left > 0) {
		log_warn("ended with requests unfinished: requests=%d", n_left);
		return SERVER_ABANDONED; /* and `s` stays theirs */
	}
	end = n > 0 && !atomic_load(&s->has_failed) ? SERVER_ENDED : SERVER_FAILED;
out:
	if (s != NULL) {
		ringer_free(s->ringer);
		entry_free(s->entry);
	}
	free(s);
	rules_release(first);
	return end;
}

bool
server_has_inherited_socket(void)
{
	return FCGX_IsCGI() == 0;
}

/* --- CGI --- */

/* The deadline is the web server's affair: it ends a CGI program that takes too long. */
static size_t
read_cgi(void *from, char *bytes, size_t n, int64_t deadline_ms)
{
	/* CGI does not promise an end of file: CONTENT_LENGTH bounds what is there. */
	size_t *left = from, want = *left < n ? *left : n, got = fread(bytes, 1, want, stdin);

	(void)deadline_ms;
	*left -= got;
	return got;
}

bool
server_run_cgi(const struct rules *rules, struct counters *counters)
{
	const char *method = getenv("REQUEST_METHOD"), *length = getenv("CONTENT_LENGTH");
	size_t left = length == NULL ? 0 : strtoul(length, NULL, 10);
	struct valve valve = {.most = 1, .allowed = 1};
	struct pg_store *store = pg_store_new(&rules->options, counters, &valve, NULL);
	struct context context = {&rules->options, &rules->keys, NULL, counters, 0, NULL};
	struct reply reply = {0};
	char header[512];
	bool ok;

	if (store == NULL)
		return false;
	context.store = pg_store_interface(store);
	handle(&context, environ, read_cgi, &left, &reply);
	ok = format_header(&reply, header, sizeof header) > 0 && fputs(header, stdout) != EOF;
	if (ok && reply.body != NULL && (method == NULL || strcmp(method, "HEAD") != 0))
		ok = fputs(reply.body, stdout) != EOF;
	ok = fflush(stdout) == 0 && ok;
	reply_fini(&reply);
	pg_store_free(store);
	return ok;
}
