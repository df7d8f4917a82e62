/* floor_crowd.h - the floor's connections: takes WebSocket upgrades and writes a stream to all of
 * them, and does nothing else whatever.  One thread; owns its descriptors. */
#ifndef BENCH_FLOOR_CROWD_H
#define BENCH_FLOOR_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/floor_stream.h"

enum floor_mode {
	FLOOR_SEND,  /* one send() per event and connection */
	FLOOR_BATCH, /* one for all that waits for a connection */
};

struct floor_crowd;

/* Listens on 127.0.0.1; port 0 takes a free one.  `stream` is borrowed for the crowd's life, and
 * emptied by it when all have got all.  NULL: out of memory, descriptors or ports. */
struct floor_crowd *floor_crowd_new(
    uint16_t port, int watched_fd, enum floor_mode mode, struct floor_stream *stream);
void floor_crowd_free(struct floor_crowd *c); /* accepts NULL */

uint16_t floor_crowd_port(const struct floor_crowd *c);

/* Waits for whatever happens and serves the connections.  True: watched_fd has become readable. */
bool floor_crowd_step(struct floor_crowd *c);

/* The stream has grown: writes what the sockets take. */
void floor_crowd_deliver(struct floor_crowd *c);

#endif
