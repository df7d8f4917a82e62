/* gate.h - stands between the network and civetweb: a socket reaches civetweb only once its whole
 * request header has arrived, so no worker of civetweb ever waits for a slow or silent client.
 *
 * civetweb has no such hook.  What is exact is to define listen(), accept() and recv() in our own
 * executable: civetweb's calls then come to us, do the system call, and know more.  recv() tells
 * which descriptor a worker reads (civetweb has no call for that either) and gives civetweb the
 * header alone: what a client sent behind it stays in the socket for whoever owns it next.
 *
 * For that reason there is one gate per process, and it is reached through a pointer that no
 * function could be given. */
#ifndef NOTIFIER_GATE_H
#define NOTIFIER_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "notifier/census.h"
#include "notifier/metrics.h"
#include "notifier/pace.h"
#include "notifier/pulse.h"

enum {
	GATE_HEADER_MAX = 8191,         /* bytes of a request header */
	GATE_HEADER_MS = 3000,          /* for all of it to arrive */
	GATE_PENDING_PER_ADDRESS = 128, /* loopback and trusted proxies excepted */
};

struct gate_options {
	/* Sockets whose header is awaited; beyond, the oldest is dropped.  May be changed while it
	 * runs. */
	atomic_int max_pending;
	int max_descriptors; /* of the process: sessions and pending ones stay below */
	struct pulse *pulse; /* its thread beats; NULL: nobody looks */
};

/* Who speaks for many clients, and so is not bounded as one: asked in the gate's thread. */
struct gate_trust {
	bool (*is_proxy)(void *arg, const char *address);
	void *arg;
};

struct gate;

/* Borrows all.  From now on the listen() of civetweb is noted.  NULL: out of memory or descriptors.
 */
struct gate *gate_new(const struct gate_options *options, const struct gate_trust *trust,
    struct census *sessions, struct pace *pace, struct metrics *metrics);

/* Takes over the listening sockets that civetweb opened since.  False: it opened none (then this
 * civetweb does not call our listen()), or no thread could be made. */
bool gate_start(struct gate *g);

/* Where the first of the ports can be reached from this machine.  Gives the length of *address. */
socklen_t gate_address(const struct gate *g, struct sockaddr_storage *address);

/* Accepts nothing more: the ports are closed.  What is pending is dropped.
 * A second time it does nothing. */
void gate_stop(struct gate *g);
/* After civetweb has ended and no other thread calls recv() any more; accepts NULL. */
void gate_free(struct gate *g);

/* The descriptor that this thread's last recv() read from, or -1. */
int gate_last_descriptor(void);

#endif
