#include "notifier/census.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/idmap.h"
#include "notifier/request.h"

struct census {
	struct census_bounds bounds;
	pthread_mutex_t lock;
	int64_t n;
	struct idmap by_address, by_merchant; /* the count itself is the pointer */
};

struct census *
census_new(const struct census_bounds *bounds)
{
	struct census *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->bounds = *bounds;
	pthread_mutex_init(&c->lock, NULL);
	idmap_init(&c->by_address);
	idmap_init(&c->by_merchant);
	return c;
}

void
census_free(struct census *c)
{
	if (c == NULL)
		return;
	idmap_fini(&c->by_address);
	idmap_fini(&c->by_merchant);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void
census_set_bounds(struct census *c, const struct census_bounds *bounds)
{
	pthread_mutex_lock(&c->lock);
	c->bounds = *bounds;
	pthread_mutex_unlock(&c->lock);
}

int64_t
census_address_key(const char *address)
{
	/* ::ffff:192.0.2.1 is 192.0.2.1: all of IPv4 in one /64 would be one client. */
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	unsigned char bytes[16];
	size_t n = 4;
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	if (request_is_loopback(address, false))
		return 0;
	if (inet_pton(AF_INET, address, bytes) != 1) {
		if (inet_pton(AF_INET6, address, bytes) != 1)
			return 0;
		n = 8;
		if (memcmp(bytes, mapped, sizeof mapped) == 0) {
			memmove(bytes, bytes + sizeof mapped, 4);
			n = 4;
		}
	}
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return (int64_t)(hash >> 1 | 1);
}

/* Adds one to a count that must stay within its bound. */
static bool
count_up(struct idmap *counts, int64_t key, int64_t bound)
{
	uintptr_t n = (uintptr_t)idmap_get(counts, key);

	if (key == 0)
		return true;
	if (bound != 0 && (int64_t)n >= bound)
		return false;
	return idmap_put(counts, key, (void *)(n + 1));
}

static void
count_down(struct idmap *counts, int64_t key)
{
	uintptr_t n = (uintptr_t)idmap_get(counts, key);

	if (n > 1)
		idmap_put(counts, key, (void *)(n - 1)); /* it is there: cannot fail */
	else
		idmap_remove(counts, key);
}

bool
census_enter(struct census *c, int64_t address_key)
{
	bool is_in;

	pthread_mutex_lock(&c->lock);
	is_in = (c->bounds.in_all == 0 || c->n < c->bounds.in_all) &&
	        count_up(&c->by_address, address_key, c->bounds.per_address);
	c->n += is_in;
	pthread_mutex_unlock(&c->lock);
	return is_in;
}

void
census_leave(struct census *c, int64_t address_key)
{
	pthread_mutex_lock(&c->lock);
	count_down(&c->by_address, address_key);
	c->n--;
	pthread_mutex_unlock(&c->lock);
}

bool
census_enter_merchant(struct census *c, int64_t merchant)
{
	bool is_in;

	pthread_mutex_lock(&c->lock);
	is_in = count_up(&c->by_merchant, merchant, c->bounds.per_merchant);
	pthread_mutex_unlock(&c->lock);
	return is_in;
}

void
census_leave_merchant(struct census *c, int64_t merchant)
{
	pthread_mutex_lock(&c->lock);
	count_down(&c->by_merchant, merchant);
	pthread_mutex_unlock(&c->lock);
}

int64_t
census_count(struct census *c)
{
	int64_t n;

	pthread_mutex_lock(&c->lock);
	n = c->n;
	pthread_mutex_unlock(&c->lock);
	return n;
}
