/* latency.h - how long things took: counts in buckets that grow with the value, so that a million
 * measurements cost no more than one and a quantile is off by 3 % at most.  Pure.  One owner. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdint.h>

enum { LATENCY_BUCKETS = 1984 };

/* Zeroed when empty. */
struct latency {
	int64_t n, max_ns;
	int64_t counts[LATENCY_BUCKETS];
};

void latency_add(struct latency *l, int64_t ns); /* below 0 counts as 0 */

/* The value that a share `q` (0 to 1) of all measurements does not exceed; 0 when there are none.
 */
int64_t latency_quantile_ns(const struct latency *l, double q);

#endif
