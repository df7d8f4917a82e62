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

#include "fcgi-order/handlers.h"
#include "fcgi-order/pg_store.h"
#include "shared/log.h"

extern char **environ;

enum { ACCEPT_PAUSE_MS = 100, NUDGE_MS = 20 };

struct server {
	int listen_fd;
	const struct options *options;
	struct counters *counters;
	atomic_bool is_stopping;
	atomic_int n_running;
};

static void
pause_ms(int ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* --- one request --- */

/* Where a body comes from: gives how many bytes it put into `bytes`, less than n at the end. */
typedef size_t read_body(void *from, char *bytes, size_t n);

/* Handles a request whose body is read with `read_from`. */
static void
handle(const struct server *s, const struct order_store *store, char **env, read_body *read_from,
    void *from, struct reply *reply)
{
	size_t most = (size_t)s->options->body_max;
	char *body = malloc(most + 2);
	struct request request = {.env = env, .body = body};
	struct context context = {
	    .options = s->options,
	    .store = store,
	    .counters = s->counters,
	    .now = (int64_t)time(NULL),
	};

	if (body == NULL) {
		reply_text(reply, 503, "out of memory\n");
		return;
	}
	/* One byte more than allowed tells a body that is too long, whatever CONTENT_LENGTH says.
	 */
	request.body_len = read_from(from, body, most + 1);
	body[request.body_len] = '\0';
	if (request.body_len > most)
		handle_too_long(&context, &request, reply);
	else
		handle_request(&context, &request, reply);
	free(body);
}

/* The answer's header as CGI wants it (RFC 3875, section 6.3). */
static int
format_header(const struct reply *r, char *out, size_t size)
{
	return snprintf(out, size, "Status: %d %s\r\n%s%s%s%s%s%sContent-Length: %zu\r\n\r\n",
	    r->status, reply_reason(r->status), r->content_type != NULL ? "Content-Type: " : "",
	    r->content_type != NULL ? r->content_type : "", r->content_type != NULL ? "\r\n" : "",
	    r->allow != NULL ? "Allow: " : "", r->allow != NULL ? r->allow : "",
	    r->allow != NULL ? "\r\n" : "", r->body != NULL ? strlen(r->body) : 0);
}

/* --- FastCGI --- */

static size_t
read_fcgi(void *from, char *bytes, size_t n)
{
	int got = FCGX_GetStr(bytes, (int)n, from);

	return got > 0 ? (size_t)got : 0;
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
	struct reply reply = {0};
	const char *method = FCGX_GetParam("REQUEST_METHOD", fcgi->envp);

	handle(s, store, fcgi->envp, read_fcgi, fcgi->in, &reply);
	send_fcgi(fcgi->out, &reply, method != NULL && strcmp(method, "HEAD") == 0);
	reply_fini(&reply);
	FCGX_Finish_r(fcgi);
}

static void *
run_thread(void *arg)
{
	struct server *s = arg;
	struct pg_store *store = pg_store_new(s->options, s->counters);
	FCGX_Request fcgi;

	if (store == NULL || FCGX_InitRequest(&fcgi, s->listen_fd, FCGI_FAIL_ACCEPT_ON_INTR) != 0)
		goto out;
	while (!atomic_load(&s->is_stopping)) {
		if (FCGX_Accept_r(&fcgi) == 0) {
			serve(s, pg_store_interface(store), &fcgi);
		} else if (!atomic_load(&s->is_stopping) && errno != EINTR) {
			log_warn("accept failed, will go on: pause_ms=%d reason=\"%s\"",
			    ACCEPT_PAUSE_MS, strerror(errno));
			pause_ms(ACCEPT_PAUSE_MS);
		}
	}
	FCGX_Free(&fcgi, 1);
out:
	pg_store_free(store);
	atomic_fetch_sub(&s->n_running, 1);
	return NULL;
}

/* Only interrupts accept(). */
static void
on_nudge(int signal)
{
	(void)signal;
}

/* Waits for the signal that ends the program. */
static void
wait_for_the_end(void)
{
	sigset_t signals;
	int got;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	while (sigwait(&signals, &got) != 0)
		;
}

/* Threads may sit in accept() on a socket that other processes share, so it cannot be shut down:
 * each is interrupted, again and again, because one may just be about to enter. */
static void
end_threads(struct server *s, const pthread_t *threads, int n)
{
	atomic_store(&s->is_stopping, true);
	FCGX_ShutdownPending();
	while (atomic_load(&s->n_running) > 0) {
		for (int i = 0; i < n; i++)
			pthread_kill(threads[i], SIGUSR1);
		pause_ms(NUDGE_MS);
	}
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

bool
server_run(int listen_fd, const struct options *options, struct counters *counters)
{
	const struct sigaction nudge = {.sa_handler = on_nudge};
	struct server s = {.listen_fd = listen_fd, .options = options, .counters = counters};
	pthread_t *threads = calloc((size_t)options->threads, sizeof *threads);
	int n = 0;

	if (threads == NULL || FCGX_Init() != 0 || sigaction(SIGUSR1, &nudge, NULL) != 0) {
		free(threads);
		return false;
	}
	while (n < options->threads) {
		atomic_fetch_add(&s.n_running, 1);
		if (pthread_create(&threads[n], NULL, run_thread, &s) != 0) {
			atomic_fetch_sub(&s.n_running, 1);
			break;
		}
		n++;
	}
	if (n > 0)
		wait_for_the_end();
	end_threads(&s, threads, n);
	free(threads);
	return n > 0;
}

bool
server_has_inherited_socket(void)
{
	return FCGX_IsCGI() == 0;
}

/* --- CGI --- */

static size_t
read_cgi(void *from, char *bytes, size_t n)
{
	/* CGI does not promise an end of file: CONTENT_LENGTH bounds what is there. */
	const char *length = getenv("CONTENT_LENGTH");
	unsigned long announced = length == NULL ? 0 : strtoul(length, NULL, 10);

	return fread(bytes, 1, announced < n ? announced : n, from);
}

bool
server_run_cgi(const struct options *options, struct counters *counters)
{
	const char *method = getenv("REQUEST_METHOD");
	struct server s = {.options = options, .counters = counters};
	struct pg_store *store = pg_store_new(options, counters);
	struct reply reply = {0};
	char header[512];
	bool ok;

	if (store == NULL)
		return false;
	handle(&s, pg_store_interface(store), environ, read_cgi, stdin, &reply);
	ok = format_header(&reply, header, sizeof header) > 0 && fputs(header, stdout) != EOF;
	if (ok && reply.body != NULL && (method == NULL || strcmp(method, "HEAD") != 0))
		ok = fputs(reply.body, stdout) != EOF;
	ok = fflush(stdout) == 0 && ok;
	reply_fini(&reply);
	pg_store_free(store);
	return ok;
}
