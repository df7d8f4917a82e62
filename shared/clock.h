/* clock.h - time that never jumps.  Any thread. */
#ifndef SHARED_CLOCK_H
#define SHARED_CLOCK_H

#include <stdint.h>

/* Milliseconds and nanoseconds since some fixed moment (CLOCK_MONOTONIC): for intervals and
 * deadlines. */
int64_t clock_ms(void);
int64_t clock_ns(void);

#endif
