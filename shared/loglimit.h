/* loglimit.h - so that what strangers can bring about at will does not fill the log: a few lines a
 * second, and how many were left out.  Any thread. */
#ifndef SHARED_LOGLIMIT_H
#define SHARED_LOGLIMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { LOGLIMIT_PER_S = 10 };

struct loglimit {
	pthread_mutex_t lock;
	int64_t since_ms;
	int n_passed;
	int64_t n_left_out;
};

void loglimit_init(struct loglimit *l);
void loglimit_fini(struct loglimit *l);

/* True when a line may be written now; *n_left_out tells how many were not since the last one. */
bool loglimit_pass(struct loglimit *l, int64_t now_ms, int64_t *n_left_out);

#endif
