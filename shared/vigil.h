/* vigil.h - waiting awake for a moment: an answer may come sooner than a processor that was put to
 * sleep is back.  Costs a twentieth of a processor at most; what is asked often waits asleep, since
 * then the processors are awake anyway and their time is dear.  One owner. */
#ifndef SHARED_VIGIL_H
#define SHARED_VIGIL_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed at first. */
struct vigil {
	int64_t asked_ns;    /* when it was asked last whether it is worth it */
	int64_t not_till_ns; /* the last one was in vain */
};

/* Looks whether a socket can be read, again and again for 0.2 ms at most, and lets others run in
 * between.  True: it can.  False: not yet, or it is not worth the while: the caller is to sleep. */
bool vigil_keep(struct vigil *v, int fd);

/* What vigil_keep() asks itself first, and notes afterwards: pure. */
bool vigil_is_worth_it(struct vigil *v, int64_t now_ns);
void vigil_was_in_vain(struct vigil *v, int64_t now_ns);

#endif
