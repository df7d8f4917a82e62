#include "fcgi-order/rules.h"

#include <stdio.h>
#include <stdlib.h>

struct rules *
rules_new(struct options *options, char *error, size_t error_size)
{
	struct rules *r = calloc(1, sizeof *r);

	if (r == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	r->options = *options; /* the keys borrow them where they stay */
	if (!gateways_open(&r->keys, &r->options, error, error_size)) {
		gateways_close(&r->keys);
		free(r);
		return NULL;
	}
	*options = (struct options){0};
	atomic_init(&r->refs, 1);
	return r;
}

struct rules *
rules_hold(struct rules *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void
rules_release(struct rules *r)
{
	if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	gateways_close(&r->keys);
	settings_fini(options_table, &r->options);
	free(r);
}

void
rules_slot_init(struct rules_slot *slot, struct rules *first)
{
	pthread_mutex_init(&slot->lock, NULL);
	slot->now = first;
}

void
rules_slot_fini(struct rules_slot *slot)
{
	rules_release(slot->now);
	pthread_mutex_destroy(&slot->lock);
}

void
rules_slot_set(struct rules_slot *slot, struct rules *next)
{
	struct rules *old;

	pthread_mutex_lock(&slot->lock);
	old = slot->now;
	slot->now = next;
	pthread_mutex_unlock(&slot->lock);
	rules_release(old);
}

struct rules *
rules_slot_get(struct rules_slot *slot)
{
	struct rules *r;

	pthread_mutex_lock(&slot->lock);
	r = rules_hold(slot->now);
	pthread_mutex_unlock(&slot->lock);
	return r;
}
