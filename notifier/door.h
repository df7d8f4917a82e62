/* door.h - civetweb, and all that is plain HTTP: the console's files, health, metrics, and every
 * handshake up to the moment when its socket goes to the carrier. */
#ifndef NOTIFIER_DOOR_H
#define NOTIFIER_DOOR_H

#include <stdbool.h>
#include <stddef.h>

#include "notifier/access.h"
#include "notifier/carrier.h"
#include "notifier/census.h"
#include "notifier/gate.h"
#include "notifier/metrics.h"
#include "notifier/pace.h"

struct door_options {
	const char *listen;      /* civetweb's listening_ports: "127.0.0.1:8790" */
	const char *console_dir; /* holds the files of /console/ */
	int n_threads;
	struct gate_options gate;
};

/* Asks the rest of the program; called in civetweb's threads. */
struct door_answers {
	void *arg;
	bool (*is_ready)(void *arg); /* listening to the database and caught up */
};

struct door;

/* Opens the ports.  All is borrowed for the door's life, but for `access`, of which it takes a
 * reference of its own.  NULL: it could not, and *reason says why. */
struct door *door_open(const struct door_options *options, struct access *access,
    struct carrier *carrier, const struct door_answers *answers, struct census *census,
    struct pace *pace, struct metrics *metrics, const char **reason);

/* Judges requests by this one from now on; `access` is held. */
void door_set_access(struct door *d, struct access *access);

/* Does one real hand-over through the loopback.  NULL when it works, else why it does not: then
 * this civetweb is not one that the program can run on. */
const char *door_self_test(struct door *d);

void door_shut(struct door *d);  /* accepts nothing more */
void door_close(struct door *d); /* ends civetweb; accepts NULL */

#endif
