/* handover.h - takes a client's socket away from civetweb in the middle of a request.
 *
 * The socket moves to a new number, and a dead one takes its place: civetweb goes on with the old
 * number, finds its peer gone, and its shutdown() and close() hit nothing of ours. */
#ifndef NOTIFIER_HANDOVER_H
#define NOTIFIER_HANDOVER_H

#include <stdbool.h>

struct handover {
	int dead_fd;
};

bool handover_init(struct handover *h); /* false: no descriptors */
void handover_fini(struct handover *h);

/* The descriptor of the request that this thread is in, as far as it provably is the socket
 * between `peer`:peer_port and our server_port; -1 otherwise. */
int handover_find(const char *peer, int peer_port, int server_port);

/* Gives the socket behind `fd` under a new number; from now on `fd` is dead.  -1: no descriptors,
 * and nothing has changed. */
int handover_take(const struct handover *h, int fd);

#endif
