#include "notifier/gate.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "notifier/poller.h"
#include "notifier/request.h"
#include "shared/clock.h"
#include "shared/log.h"

enum {
	LISTENERS_MAX = 8,
	READY_MAX = 1024,          /* sockets on their way to civetweb */
	ACCEPT_BATCH = 64,         /* before the pending ones are looked at again */
	ACCEPT_PAUSE_MS = 100,     /* after accept() failed */
	DESCRIPTORS_RESERVED = 64, /* for the database, files and the like */
};

/* A socket whose header has not wholly arrived. */
struct pending {
	struct pending *older, *newer;
	int64_t since_ms;
	int64_t address_key;
	int fd;
};

struct gate {
	const struct gate_options *options;
	const struct gate_trust *trust;
	struct census *sessions, *addresses;
	struct pace *pace;
	struct metrics *metrics;
	struct pulse_place *pulse;
	struct poller poller;
	pthread_t thread;
	atomic_bool is_started;
	atomic_bool is_stopping;

	int noted[LISTENERS_MAX]; /* civetweb's numbers; once started a semaphore sits there */
	int real[LISTENERS_MAX];  /* the listening sockets themselves */
	int n_listeners;
	int64_t paused_until_ms;
	int64_t tell_ms; /* when one that comes too fast is told of again */

	struct pending *oldest, *newest;
	size_t n_pending;

	int semaphore; /* counts what is ready: civetweb polls it in place of its listening sockets
	                */
	pthread_mutex_t lock;
	pthread_cond_t has_room;
	int ready[READY_MAX];
	unsigned first_ready, n_ready;

	/* By descriptor: bytes of the header that civetweb has not read yet. */
	atomic_ushort *header_left;
	size_t n_header_left;
};

static struct gate *_Atomic the_gate; /* set before civetweb starts, cleared after it ended */
static _Thread_local int last_descriptor = -1;

/* --- what civetweb calls --- */

int
listen(int fd, int backlog)
{
	struct gate *g = the_gate;

	if (g != NULL && !g->is_started && g->n_listeners < LISTENERS_MAX)
		g->noted[g->n_listeners++] = fd;
	return (int)syscall(SYS_listen, fd, backlog);
}

static bool
is_noted(const struct gate *g, int fd)
{
	for (int i = 0; g != NULL && i < g->n_listeners; i++) {
		if (g->noted[i] == fd)
			return true;
	}
	return false;
}

/* Takes the next ready socket; -1 when there is none. */
static int
take_ready(struct gate *g)
{
	int fd = -1;

	pthread_mutex_lock(&g->lock);
	if (g->n_ready > 0) {
		fd = g->ready[g->first_ready % READY_MAX];
		g->first_ready++;
		g->n_ready--;
		pthread_cond_signal(&g->has_room);
	}
	pthread_mutex_unlock(&g->lock);
	return fd;
}

int
accept(int fd, struct sockaddr *address, socklen_t *len)
{
	struct gate *g = the_gate;
	uint64_t one;
	int got;

	if (!is_noted(g, fd))
		return (int)syscall(SYS_accept4, fd, address, len, 0);
	/* Before gate_start() the number is still a listening socket, and not ours to read. */
	if (!g->is_started || read(g->semaphore, &one, sizeof one) != sizeof one) {
		errno = EAGAIN;
		return -1;
	}
	got = take_ready(g);
	if (got >= 0 && getpeername(got, address, len) != 0)
		memset(address, 0, *len); /* reset meanwhile: civetweb will see it when it reads */
	if (got < 0)
		errno = EAGAIN;
	return got;
}

ssize_t
recv(int fd, void *bytes, size_t size, int flags)
{
	struct gate *g = the_gate;
	unsigned left = 0;
	ssize_t n;

	last_descriptor = fd;
	if (g != NULL && fd >= 0 && (size_t)fd < g->n_header_left)
		left = atomic_load_explicit(&g->header_left[fd], memory_order_relaxed);
	if (left > 0 && size > left)
		size = left;
	n = syscall(SYS_recvfrom, fd, bytes, size, flags, NULL, NULL);
	if (left > 0 && n > 0 && (flags & MSG_PEEK) == 0)
		atomic_store_explicit(&g->header_left[fd], (unsigned short)(left - (unsigned)n),
		    memory_order_relaxed);
	return n;
}

int
gate_last_descriptor(void)
{
	return last_descriptor;
}

/* --- pending sockets; the gate's own thread --- */

static const char *
write_address(const struct sockaddr_storage *address, char text[INET6_ADDRSTRLEN])
{
	text[0] = '\0';
	if (address->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text,
		    INET6_ADDRSTRLEN);
	else if (address->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text,
		    INET6_ADDRSTRLEN);
	return text;
}

static void
forget(struct gate *g, struct pending *p)
{
	*(p->older ? &p->older->newer : &g->oldest) = p->newer;
	*(p->newer ? &p->newer->older : &g->newest) = p->older;
	g->n_pending--;
	metrics_set(g->metrics, METRIC_PENDING, (int64_t)g->n_pending);
	poller_remove(&g->poller, p->fd);
	census_leave(g->addresses, p->address_key);
	free(p);
}

/* Ends one without civetweb; `answer` (may be NULL) is sent if the socket takes it at once. */
static void
turn_away(struct gate *g, struct pending *p, const char *answer, enum metric why)
{
	char bytes[GATE_HEADER_MAX + 1];
	int fd = p->fd;

	forget(g, p);
	metrics_add(g->metrics, why, 1);
	if (answer != NULL) {
		/* Closing over what was not read would reset the connection, and the answer might
		 * never be seen. */
		(void)!syscall(SYS_recvfrom, fd, bytes, sizeof bytes, MSG_DONTWAIT, NULL, NULL);
		(void)!send(fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	close(fd);
}

/* Its address has sent too many of late.  One line a second is enough. */
static void
turn_away_too_fast(struct gate *g, struct pending *p)
{
	static const char too_fast[] =
	    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\n"
	    "Content-Length: 0\r\n\r\n";
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof address;
	char text[INET6_ADDRSTRLEN];
	int64_t now = clock_ms();

	if (now >= g->tell_ms && getpeername(p->fd, (struct sockaddr *)&address, &len) == 0) {
		g->tell_ms = now + 1000;
		log_warn("an address sends too many requests: address=%s refused=%" PRId64,
		    write_address(&address, text),
		    metrics_get(g->metrics, METRIC_REFUSED_RATE) + 1);
	}
	turn_away(g, p, too_fast, METRIC_REFUSED_RATE);
}

/* Hands one to civetweb.  Waits while civetweb has READY_MAX of them: its workers never wait for
 * clients, so that is short, and new ones wait in the backlog. */
static void
hand_in(struct gate *g, struct pending *p, size_t header_len)
{
	uint64_t one = 1;
	int fd = p->fd;

	forget(g, p);
	atomic_store_explicit(
	    &g->header_left[fd], (unsigned short)header_len, memory_order_relaxed);
	pthread_mutex_lock(&g->lock);
	while (g->n_ready == READY_MAX && !atomic_load(&g->is_stopping))
		pthread_cond_wait(&g->has_room, &g->lock);
	if (g->n_ready == READY_MAX) {
		pthread_mutex_unlock(&g->lock);
		close(fd);
		return;
	}
	g->ready[(g->first_ready + g->n_ready) % READY_MAX] = fd;
	g->n_ready++;
	pthread_mutex_unlock(&g->lock);
	if (write(g->semaphore, &one, sizeof one) < 0)
		assert(errno == EAGAIN);
}

/* Something has arrived on a pending socket. */
static void
look_at(struct gate *g, struct pending *p)
{
	static const char too_long[] =
	    "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n"
	    "Content-Length: 0\r\n\r\n";
	char bytes[GATE_HEADER_MAX + 1];
	ssize_t n =
	    syscall(SYS_recvfrom, p->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
	size_t len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		int fd = p->fd;

		forget(g, p);
		close(fd);
		return;
	}
	len = request_header_length(bytes, (size_t)n);
	if (len > 0 && len <= GATE_HEADER_MAX) {
		if (pace_admit(g->pace, p->address_key, clock_ns()))
			hand_in(g, p, len);
		else
			turn_away_too_fast(g, p);
	} else if ((size_t)n > GATE_HEADER_MAX)
		turn_away(g, p, too_long, METRIC_GATE_TOO_LONG);
}

static bool
has_place(const struct gate *g)
{
	int64_t used = census_count(g->sessions) + (int64_t)g->n_pending + DESCRIPTORS_RESERVED;

	return g->n_pending < (size_t)g->options->max_pending && used < g->options->max_descriptors;
}

/* What the address of a socket is counted under: 0, not at all. */
static int64_t
address_key_of(const struct gate *g, const struct sockaddr_storage *address)
{
	char text[INET6_ADDRSTRLEN];

	write_address(address, text);
	return g->trust->is_proxy(g->trust->arg, text) ? 0 : census_address_key(text);
}

/* Takes a new socket in; it is closed where it cannot be. */
static void
admit(struct gate *g, int fd, const struct sockaddr_storage *address)
{
	struct pending *p;
	int64_t key = address_key_of(g, address);

	while (!has_place(g) && g->oldest != NULL)
		turn_away(g, g->oldest, NULL, METRIC_GATE_EVICTED);
	if ((size_t)fd >= g->n_header_left || !has_place(g) || !census_enter(g->addresses, key)) {
		metrics_add(g->metrics, METRIC_GATE_EVICTED, 1);
		close(fd);
		return;
	}
	p = calloc(1, sizeof *p);
	if (p == NULL || !poller_add_edge(&g->poller, fd, p)) {
		census_leave(g->addresses, key);
		free(p);
		close(fd);
		return;
	}
	*p = (struct pending){
	    .older = g->newest, .since_ms = clock_ms(), .address_key = key, .fd = fd};
	*(g->newest ? &g->newest->newer : &g->oldest) = p;
	g->newest = p;
	g->n_pending++;
	metrics_set(g->metrics, METRIC_PENDING, (int64_t)g->n_pending);
	/* Mostly its request came along with it; else the poller tells. */
	look_at(g, p);
}

/* Without descriptors accept() fails at once and the backlog stays readable: look away a while. */
static void
pause_accepting(struct gate *g, int reason)
{
	metrics_add(g->metrics, METRIC_GATE_ACCEPT_FAILED, 1);
	log_warn("accept failed, will go on: pause_ms=%d reason=\"%s\"", ACCEPT_PAUSE_MS,
	    strerror(reason));
	g->paused_until_ms = clock_ms() + ACCEPT_PAUSE_MS;
	for (int i = 0; i < g->n_listeners; i++)
		poller_change(&g->poller, g->real[i], &g->real[i], false, false);
}

static void
resume_accepting(struct gate *g)
{
	g->paused_until_ms = 0;
	for (int i = 0; i < g->n_listeners; i++)
		poller_change(&g->poller, g->real[i], &g->real[i], true, false);
}

static void
accept_some(struct gate *g, int listener)
{
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage address = {0};
		socklen_t len = sizeof address;
		int fd = accept4(
		    listener, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			admit(g, fd, &address);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			pause_accepting(g, errno);
		return; /* nobody waits, or the one that waited has gone */
	}
}

static int
next_wait_ms(const struct gate *g)
{
	int64_t now = clock_ms(), due = now + 1000;

	if (g->oldest != NULL && g->oldest->since_ms + GATE_HEADER_MS < due)
		due = g->oldest->since_ms + GATE_HEADER_MS;
	if (g->paused_until_ms != 0 && g->paused_until_ms < due)
		due = g->paused_until_ms;
	return due > now ? (int)(due - now) : 0;
}

static void
drop_the_late(struct gate *g)
{
	static const char too_late[] =
	    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
	int64_t now = clock_ms();

	/* Not all of a crowd in one go: somebody good may be waiting behind. */
	for (int i = 0; i < ACCEPT_BATCH && g->oldest != NULL; i++) {
		if (now - g->oldest->since_ms < GATE_HEADER_MS)
			break;
		turn_away(g, g->oldest, too_late, METRIC_GATE_TIMED_OUT);
	}
	if (g->paused_until_ms != 0 && now >= g->paused_until_ms)
		resume_accepting(g);
}

static bool
is_listener(const struct gate *g, const void *what)
{
	return (const int *)what >= g->real && (const int *)what < g->real + LISTENERS_MAX;
}

static void *
run(void *arg)
{
	struct gate *g = arg;
	struct poller_event events[POLLER_BATCH];

	pthread_setname_np(pthread_self(), "gate");
	while (!atomic_load(&g->is_stopping)) {
		size_t n = poller_wait(&g->poller, events, next_wait_ms(g));

		pulse_beat(g->pulse);
		/* The pending first: accepting may drop some that this batch names. */
		for (size_t i = 0; i < n; i++) {
			if (events[i].what != NULL && !is_listener(g, events[i].what))
				look_at(g, events[i].what);
		}
		for (size_t i = 0; i < n; i++) {
			if (events[i].what != NULL && is_listener(g, events[i].what))
				accept_some(g, *(int *)events[i].what);
		}
		drop_the_late(g);
	}
	return NULL;
}

/* --- start and stop --- */

struct gate *
gate_new(const struct gate_options *options, const struct gate_trust *trust,
    struct census *sessions, struct pace *pace, struct metrics *metrics)
{
	static const struct census_bounds bounds = {.per_address = GATE_PENDING_PER_ADDRESS};
	struct gate *g = calloc(1, sizeof *g);

	assert(the_gate == NULL);
	if (g == NULL)
		return NULL;
	g->options = options;
	g->trust = trust;
	g->sessions = sessions;
	g->pace = pace;
	g->metrics = metrics;
	g->pulse = pulse_join(options->pulse, "gate");
	g->poller = (struct poller){-1, -1};
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->has_room, NULL);
	g->addresses = census_new(&bounds);
	g->n_header_left = (size_t)options->max_descriptors;
	g->header_left = calloc(g->n_header_left, sizeof *g->header_left);
	g->semaphore = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
	if (g->addresses == NULL || g->header_left == NULL || g->semaphore < 0 ||
	    !poller_open(&g->poller)) {
		gate_free(g);
		return NULL;
	}
	the_gate = g;
	return g;
}

/* Moves a listening socket to a number of its own and puts the semaphore in its place. */
static bool
take_over(struct gate *g, int i)
{
	int flags;

	g->real[i] = fcntl(g->noted[i], F_DUPFD_CLOEXEC, 3);
	if (g->real[i] < 0)
		return false;
	flags = fcntl(g->real[i], F_GETFL);
	return fcntl(g->real[i], F_SETFL, flags | O_NONBLOCK) == 0 &&
	       dup3(g->semaphore, g->noted[i], O_CLOEXEC) >= 0 &&
	       poller_add(&g->poller, g->real[i], &g->real[i], true, false);
}

bool
gate_start(struct gate *g)
{
	for (int i = 0; i < g->n_listeners; i++) {
		if (!take_over(g, i))
			return false;
	}
	if (g->n_listeners == 0 || pthread_create(&g->thread, NULL, run, g) != 0)
		return false;
	g->is_started = true;
	return true;
}

socklen_t
gate_address(const struct gate *g, struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	socklen_t len = sizeof *address;

	if (getsockname(g->real[0], (struct sockaddr *)address, &len) != 0)
		return 0;
	if (address->ss_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY))
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (address->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
		v6->sin6_addr = in6addr_loopback;
	return len;
}

void
gate_stop(struct gate *g)
{
	if (!g->is_started || atomic_load(&g->is_stopping))
		return;
	pthread_mutex_lock(&g->lock);
	atomic_store(&g->is_stopping, true);
	pthread_cond_broadcast(&g->has_room);
	pthread_mutex_unlock(&g->lock);
	poller_wake(&g->poller);
	pthread_join(g->thread, NULL);
	while (g->oldest != NULL)
		turn_away(g, g->oldest, NULL, METRIC_GATE_EVICTED);
	for (int i = 0; i < g->n_listeners; i++) {
		poller_remove(&g->poller, g->real[i]);
		close(g->real[i]);
	}
	/* civetweb goes on with what it has; its numbers are the semaphore, which it will close. */
}

void
gate_free(struct gate *g)
{
	int fd;

	if (g == NULL)
		return;
	if (the_gate == g)
		the_gate = NULL;
	while ((fd = take_ready(g)) >= 0)
		close(fd);
	poller_close(&g->poller);
	if (g->semaphore >= 0)
		close(g->semaphore);
	census_free(g->addresses);
	free(g->header_left);
	pthread_cond_destroy(&g->has_room);
	pthread_mutex_destroy(&g->lock);
	free(g);
}
