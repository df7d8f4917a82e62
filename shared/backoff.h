/* backoff.h - how long to wait before the next try: full jitter, rand(0, min(cap, base * 2^n)).
 * Pure but for its random numbers; one owner. */
#ifndef SHARED_BACKOFF_H
#define SHARED_BACKOFF_H

struct backoff {
	int base_ms, cap_ms; /* set once by the owner */
	int failures;        /* 0 after success */
};

/* Counts one more failure and gives the wait in ms. */
int backoff_next_ms(struct backoff *b);
void backoff_reset(struct backoff *b);

#endif
