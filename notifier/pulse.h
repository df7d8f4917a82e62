/* pulse.h - whether the threads that must never stand still really turn.
 * Each has a place and beats once a round; whoever looks is told of one that has not beaten since
 * his last look.  So a watchdog that is fed after a look is fed by all of them, and not by the one
 * thread that has nothing to do but feed it. */
#ifndef NOTIFIER_PULSE_H
#define NOTIFIER_PULSE_H

#include <stdatomic.h>
#include <stddef.h>

enum { PULSE_PLACES = 72 }; /* 64 loops of the carrier, and some others */

/* On a cache line of its own: nobody waits for a neighbour's beat. */
struct pulse_place {
	_Alignas(64) atomic_uint beats;
	unsigned seen;
	const char *name;
};

struct pulse {
	struct pulse_place places[PULSE_PLACES];
	size_t n;
};

/* A place for a thread that is about to start; before anybody looks.  `name` is borrowed, `p` may
 * be NULL: nobody will look. */
struct pulse_place *pulse_join(struct pulse *p, const char *name);

/* The thread of that place has done a round.  Accepts NULL. */
void pulse_beat(struct pulse_place *place);

/* One thread looks, always the same one.  NULL: each has beaten since his last look; else the name
 * of one that has not, and nobody's beats are used up. */
const char *pulse_look(struct pulse *p);

#endif
