/* clock.h - time that never jumps, and the calendar's.  Any thread. */
#ifndef SHARED_CLOCK_H
#define SHARED_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds and nanoseconds since some fixed moment (CLOCK_MONOTONIC): for intervals and
 * deadlines. */
int64_t clock_ms(void);
int64_t clock_ns(void);

/* Milliseconds since 1970, as people and databases count: it may jump. */
int64_t clock_unix_ms(void);

/* A condition whose timed waits go by this clock, and the moment `wait_ms` from now for them. */
void clock_cond_init(pthread_cond_t *cond);
struct timespec clock_after(int wait_ms);

#endif
