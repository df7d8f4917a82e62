#include "shared/backoff.h"

#include <stdint.h>
#include <sys/random.h>

enum { DOUBLINGS_MAX = 20 };

int
backoff_next_ms(struct backoff *b)
{
	int64_t most = (int64_t)b->base_ms
	               << (b->failures < DOUBLINGS_MAX ? b->failures : DOUBLINGS_MAX);
	uint32_t random = 0;

	if (most > b->cap_ms)
		most = b->cap_ms;
	if (b->failures < DOUBLINGS_MAX)
		b->failures++;
	/* Without randomness the wait is the shortest: worse, not wrong. */
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
		random = 0;
	return (int)(random % (uint64_t)(most + 1));
}

void
backoff_reset(struct backoff *b)
{
	b->failures = 0;
}
