#include "notifier/pace.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

enum { SET_BITS = 14, SETS = 1 << SET_BITS, WAYS = 4 };

static const int64_t ns_per_s = 1000000000;

/* A bucket that refills steadily is one number: when it will be full again. */
struct bucket {
	int64_t key; /* 0: free */
	int64_t full_ns;
};

struct pace {
	pthread_mutex_t lock;
	int64_t interval_ns; /* between two requests, steadily; 0: no bound */
	struct bucket buckets[SETS][WAYS];
};

struct pace *
pace_new(int64_t per_second)
{
	struct pace *p = calloc(1, sizeof *p); /* takes memory as addresses come */

	if (p == NULL)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pace_set_rate(p, per_second);
	return p;
}

void
pace_free(struct pace *p)
{
	if (p == NULL)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void
pace_set_rate(struct pace *p, int64_t per_second)
{
	pthread_mutex_lock(&p->lock);
	p->interval_ns = per_second == 0 ? 0 : ns_per_s / per_second;
	pthread_mutex_unlock(&p->lock);
}

/* The bucket of an address; where it has none the fullest of its set becomes it. */
static struct bucket *
find(struct pace *p, int64_t key)
{
	struct bucket *set = p->buckets[((uint64_t)key * 0x9e3779b97f4a7c15u) >> (64 - SET_BITS)];
	struct bucket *fullest = set;

	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].full_ns < fullest->full_ns)
			fullest = &set[i];
	}
	*fullest = (struct bucket){.key = key};
	return fullest;
}

bool
pace_admit(struct pace *p, int64_t address_key, int64_t now_ns)
{
	struct bucket *b;
	bool ok = true;

	if (address_key == 0)
		return true;
	pthread_mutex_lock(&p->lock);
	if (p->interval_ns > 0) {
		b = find(p, address_key);
		if (b->full_ns < now_ns)
			b->full_ns = now_ns;
		ok = b->full_ns + p->interval_ns - now_ns <= PACE_BURST_S * ns_per_s;
		if (ok)
			b->full_ns += p->interval_ns;
	}
	pthread_mutex_unlock(&p->lock);
	return ok;
}
