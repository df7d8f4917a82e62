#include "notifier/selftest.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
selftest_connect(const struct sockaddr_storage *to, socklen_t len, const char *path)
{
	int fd = len == 0 ? -1 : socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)to, len) == 0 &&
	    dprintf(fd, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\nbehind", path) > 0)
		return fd;
	close(fd);
	return -1;
}

/* Reads exactly n bytes within the time; false when they do not come. */
static bool
read_exactly(int fd, char *bytes, size_t n)
{
	for (size_t at = 0; at < n;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		ssize_t got = poll(&wait, 1, SELFTEST_MS) == 1 ? read(fd, bytes + at, n - at) : -1;

		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	return true;
}

const char *
selftest_talk(int client, int taken)
{
	char bytes[6];

	if (!read_exactly(taken, bytes, 6) || memcmp(bytes, "behind", 6) != 0)
		return "what follows a request header does not stay in the socket";
	if (write(taken, "over", 4) != 4 || !read_exactly(client, bytes, 4) ||
	    memcmp(bytes, "over", 4) != 0)
		return "the socket does not outlive civetweb's close()";
	return NULL;
}
