#include "shared/vigil.h"

#include <poll.h>
#include <sched.h>

#include "shared/clock.h"

enum {
	VIGIL_NS = 200000,   /* of one: a short statement takes half of that */
	SELDOM_NS = 5000000, /* from one question to the next */
	VAIN_NS = 50000000,  /* after one that was in vain: the machine has other things to do */
};

bool
vigil_is_worth_it(struct vigil *v, int64_t now_ns)
{
	bool is_seldom = now_ns - v->asked_ns >= SELDOM_NS;

	v->asked_ns = now_ns;
	return is_seldom && now_ns >= v->not_till_ns;
}

void
vigil_was_in_vain(struct vigil *v, int64_t now_ns)
{
	v->not_till_ns = now_ns + VAIN_NS;
}

bool
vigil_keep(struct vigil *v, int fd)
{
	int64_t now_ns = clock_ns(), until_ns = now_ns + VIGIL_NS;
	struct pollfd look = {.fd = fd, .events = POLLIN};

	if (!vigil_is_worth_it(v, now_ns))
		return false;
	for (; now_ns < until_ns; now_ns = clock_ns()) {
		if (poll(&look, 1, 0) > 0)
			return true;
		sched_yield();
	}
	vigil_was_in_vain(v, now_ns);
	return false;
}
