#include "shared/loglimit.h"

enum { WINDOW_MS = 1000 };

void
loglimit_init(struct loglimit *l)
{
	*l = (struct loglimit){.since_ms = 0};
	pthread_mutex_init(&l->lock, NULL);
}

void
loglimit_fini(struct loglimit *l)
{
	pthread_mutex_destroy(&l->lock);
}

bool
loglimit_pass(struct loglimit *l, int64_t now_ms, int64_t *n_left_out)
{
	bool may_pass;

	pthread_mutex_lock(&l->lock);
	if (now_ms - l->since_ms >= WINDOW_MS) {
		l->since_ms = now_ms;
		l->n_passed = 0;
	}
	may_pass = l->n_passed < LOGLIMIT_PER_S;
	*n_left_out = l->n_left_out;
	l->n_passed += may_pass;
	l->n_left_out = may_pass ? 0 : l->n_left_out + 1;
	pthread_mutex_unlock(&l->lock);
	return may_pass;
}
