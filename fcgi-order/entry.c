#include "fcgi-order/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "shared/backoff.h"
#include "shared/log.h"

enum { SILENCE_MAX_S = 5 }; /* how long the web server may neither send nor take a byte */

struct entry {
	int listen_fd;
	int closed_fd;        /* an eventfd: readable from entry_close() on */
	pthread_mutex_t turn; /* of the one thread that waits; guards the rest */
	struct backoff backoff;
	bool is_failing;
};

static _Thread_local struct entry *mine;
static _Thread_local int connection_fd = -1;

struct entry *
entry_new(int listen_fd)
{
	struct entry *e = calloc(1, sizeof *e);
	int flags = fcntl(listen_fd, F_GETFL);

	if (e == NULL)
		return NULL;
	e->listen_fd = listen_fd;
	e->closed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->backoff = (struct backoff){.base_ms = 200, .cap_ms = 2000};
	pthread_mutex_init(&e->turn, NULL);
	/* Other processes may accept from it too and be quicker: then we must not block in it. */
	if (flags >= 0 && e->closed_fd >= 0 && fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) == 0)
		return e;
	entry_free(e);
	return NULL;
}

void
entry_free(struct entry *e)
{
	if (e == NULL)
		return;
	if (e->closed_fd >= 0)
		close(e->closed_fd);
	pthread_mutex_destroy(&e->turn);
	free(e);
}

void
entry_join(struct entry *e)
{
	mine = e;
}

void
entry_close(struct entry *e)
{
	const uint64_t one = 1;
	ssize_t n = write(e->closed_fd, &one, sizeof one);

	(void)n; /* it cannot fail: the counter is 0 or 1 */
}

void
entry_stop_reading(void)
{
	if (connection_fd >= 0)
		shutdown(connection_fd, SHUT_RD);
}

/* --- accept() --- */

/* True when there is a connection, or the time is up (-1: never); else errno says why there will be
 * none any more: ECANCELED once closed. */
static bool
wait_for_connection(const struct entry *e, int fd, int wait_ms)
{
	struct pollfd fds[] = {
	    {.fd = e->closed_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	while (poll(fds, 2, wait_ms) < 0 && errno == EINTR)
		;
	if (fds[0].revents != 0)
		errno = ECANCELED;
	else if ((fds[1].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
		errno = EINVAL; /* somebody shut it down: accept() would say "later" for ever */
	else
		return true;
	return false;
}

static void
limit_silence(int fd)
{
	const struct timeval limit = {.tv_sec = SILENCE_MAX_S};

	/* Where it cannot be limited we serve all the same. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* Errors of this one connection or moment; after others the socket is of no use any more. */
static bool
may_pass(int error)
{
	return error != EBADF && error != EINVAL && error != ENOTSOCK && error != EOPNOTSUPP;
}

static void
went_well(struct entry *e)
{
	if (e->is_failing)
		log_info("connections are taken again");
	e->is_failing = false;
	backoff_reset(&e->backoff);
}

static void
went_wrong(struct entry *e, int error)
{
	if (!e->is_failing)
		log_warn("cannot take connections, will try again: reason=\"%s\"", strerror(error));
	e->is_failing = true;
	wait_for_connection(e, -1, backoff_next_ms(&e->backoff));
}

static int
take(struct entry *e, struct sockaddr *address, socklen_t *len)
{
	while (wait_for_connection(e, e->listen_fd, -1)) {
		int fd = accept4(e->listen_fd, address, len, SOCK_CLOEXEC);

		if (fd >= 0) {
			went_well(e);
			limit_silence(fd);
			return fd;
		}
		if (!may_pass(errno))
			return -1;
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			went_wrong(e, errno);
	}
	return -1;
}

/* What libfcgi calls; anybody else gets the plain system call. */
int
accept(int fd, struct sockaddr *address, socklen_t *len)
{
	int error;

	if (mine == NULL || fd != mine->listen_fd)
		return (int)syscall(SYS_accept, fd, address, len);
	pthread_mutex_lock(&mine->turn);
	connection_fd = take(mine, address, len);
	error = errno;
	pthread_mutex_unlock(&mine->turn);
	errno = error;
	return connection_fd;
}
