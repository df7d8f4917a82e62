#include "fcgi-order/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static int
fail(int fd, const char *where, const char *what, char *error, size_t error_size)
{
	snprintf(error, error_size, "socket %s: %s: %s", where, what, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int
listen_at_port(const char *where, char *error, size_t error_size)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const int on = 1;
	char *end;
	long port = strtol(where + 1, &end, 10);
	int fd;

	if (*end != '\0' || end == where + 1 || port < 1 || port > 65535) {
		errno = EINVAL;
		return fail(-1, where, "is no :PORT", error, error_size);
	}
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0)
		return fail(fd, where, "cannot listen", error, error_size);
	return fd;
}

/* True when nobody listens at the path: the socket was left behind. */
static int
is_leftover(const struct sockaddr_un *address)
{
	/* A busy one whose queue is full must not make us wait. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int is_refused = fd >= 0 &&
	                 connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
	                 errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return is_refused;
}

static int
bind_path(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t mask = umask(~mode & 0777); /* so from its first moment */
	int rc = bind(fd, (const struct sockaddr *)address, sizeof *address);

	umask(mask);
	return rc;
}

static int
listen_at_path(const char *path, mode_t mode, char *error, size_t error_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat about;
	int fd;

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return fail(-1, path, "cannot listen", error, error_size);
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (lstat(path, &about) == 0) {
		bool is_socket = S_ISSOCK(about.st_mode);

		if (!is_socket || !is_leftover(&address)) {
			errno = EADDRINUSE;
			return fail(-1, path,
			    is_socket ? "another process listens there" : "is there and no socket",
			    error, error_size);
		}
		unlink(path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind_path(fd, &address, mode) != 0 || listen(fd, BACKLOG) != 0)
		return fail(fd, path, "cannot listen", error, error_size);
	return fd;
}

int
socket_listen(const char *where, mode_t mode, char *error, size_t error_size)
{
	return *where == ':' ? listen_at_port(where, error, error_size)
	                     : listen_at_path(where, mode, error, error_size);
}

void
socket_unlink(const char *where)
{
	if (*where != ':')
		unlink(where);
}
