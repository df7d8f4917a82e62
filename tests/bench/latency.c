#include "tests/bench/latency.h"

enum { SUB_BITS = 5, SUB = 1 << SUB_BITS };

/* Values below SUB have a bucket each; above, each power of two is cut into SUB buckets. */
static int
bucket_of(uint64_t ns)
{
	int shift;

	if (ns < SUB)
		return (int)ns;
	shift = 63 - __builtin_clzll(ns) - SUB_BITS;
	return (shift + 1) * SUB + (int)((ns >> shift) - SUB);
}

/* The largest value of a bucket. */
static int64_t
top_of(int bucket)
{
	int shift = bucket / SUB - 1;

	if (bucket < SUB)
		return bucket;
	return (int64_t)((((uint64_t)(SUB + bucket % SUB) + 1) << shift) - 1);
}

void
latency_add(struct latency *l, int64_t ns)
{
	int bucket;

	if (ns < 0)
		ns = 0;
	bucket = bucket_of((uint64_t)ns);
	l->counts[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
	l->n++;
	if (ns > l->max_ns)
		l->max_ns = ns;
}

int64_t
latency_quantile_ns(const struct latency *l, double q)
{
	int64_t wanted = (int64_t)(q * (double)l->n + 0.5), seen = 0;

	if (wanted < 1)
		wanted = 1;
	for (int i = 0; i < LATENCY_BUCKETS; i++) {
		seen += l->counts[i];
		if (seen >= wanted)
			return top_of(i) < l->max_ns ? top_of(i) : l->max_ns;
	}
	return l->max_ns;
}
