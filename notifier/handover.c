#include "notifier/handover.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "notifier/gate.h"

enum { FIRST_DESCRIPTOR = 3 };

bool
handover_init(struct handover *h)
{
	int pair[2];

	h->dead_fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	close(pair[1]);
	h->dead_fd = pair[0];
	return true;
}

void
handover_fini(struct handover *h)
{
	if (h->dead_fd >= 0)
		close(h->dead_fd);
}

/* Text and port of one end of a socket; false when it is none of the internet. */
static bool
describe(const struct sockaddr_storage *end, char text[INET6_ADDRSTRLEN], int *port)
{
	const void *address;

	if (end->ss_family == AF_INET) {
		address = &((const struct sockaddr_in *)end)->sin_addr;
		*port = ntohs(((const struct sockaddr_in *)end)->sin_port);
	} else if (end->ss_family == AF_INET6) {
		address = &((const struct sockaddr_in6 *)end)->sin6_addr;
		*port = ntohs(((const struct sockaddr_in6 *)end)->sin6_port);
	} else {
		return false;
	}
	return inet_ntop(end->ss_family, address, text, INET6_ADDRSTRLEN) != NULL;
}

int
handover_find(const char *peer, int peer_port, int server_port)
{
	struct sockaddr_storage theirs = {0}, ours = {0};
	socklen_t theirs_len = sizeof theirs, ours_len = sizeof ours;
	char text[INET6_ADDRSTRLEN];
	int fd = gate_last_descriptor(), port;

	if (fd < 0 || getpeername(fd, (struct sockaddr *)&theirs, &theirs_len) != 0 ||
	    getsockname(fd, (struct sockaddr *)&ours, &ours_len) != 0)
		return -1;
	if (!describe(&theirs, text, &port) || port != peer_port || strcmp(text, peer) != 0)
		return -1;
	if (!describe(&ours, text, &port) || port != server_port)
		return -1;
	return fd;
}

int
handover_take(const struct handover *h, int fd)
{
	int taken = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);

	if (taken >= 0 && dup3(h->dead_fd, fd, O_CLOEXEC) < 0) {
		close(taken);
		return -1;
	}
	return taken;
}
