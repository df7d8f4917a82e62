#include "notifier/idmap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void
idmap_init(struct idmap *m)
{
	*m = (struct idmap){0};
}

void
idmap_fini(struct idmap *m)
{
	free(m->slots);
	*m = (struct idmap){0};
}

void
idmap_clear(struct idmap *m)
{
	if (m->n > 0)
		memset(m->slots, 0, m->n_slots * sizeof *m->slots);
	m->n = 0;
}

/* Ids are dense and chosen by a database: a multiplication spreads them well enough. */
static size_t
home_of(const struct idmap *m, int64_t id)
{
	return (size_t)(((uint64_t)id * 0x9e3779b97f4a7c15u) >> 20) & (m->n_slots - 1);
}

/* The slot that holds id, or the empty one where it would go. */
static struct idmap_slot *
find(const struct idmap *m, int64_t id)
{
	size_t at = home_of(m, id);

	while (m->slots[at].id != 0 && m->slots[at].id != id)
		at = (at + 1) & (m->n_slots - 1);
	return &m->slots[at];
}

static bool
grow(struct idmap *m)
{
	struct idmap bigger = {.n_slots = m->n_slots == 0 ? 16 : m->n_slots * 2, .n = m->n};

	bigger.slots = calloc(bigger.n_slots, sizeof *bigger.slots);
	if (bigger.slots == NULL)
		return false;
	for (size_t i = 0; i < m->n_slots; i++) {
		if (m->slots[i].id != 0)
			*find(&bigger, m->slots[i].id) = m->slots[i];
	}
	free(m->slots);
	*m = bigger;
	return true;
}

void *
idmap_get(const struct idmap *m, int64_t id)
{
	return m->n == 0 || id <= 0 ? NULL : find(m, id)->value;
}

bool
idmap_put(struct idmap *m, int64_t id, void *value)
{
	struct idmap_slot *slot = m->n_slots == 0 ? NULL : find(m, id);

	assert(id > 0 && value != NULL);
	if (slot == NULL || slot->id == 0) {
		if ((m->n + 1) * 4 > m->n_slots * 3 && !grow(m))
			return false;
		slot = find(m, id);
		m->n++;
	}
	*slot = (struct idmap_slot){id, value};
	return true;
}

void *
idmap_remove(struct idmap *m, int64_t id)
{
	struct idmap_slot *hole;
	void *value;

	if (m->n == 0 || id <= 0)
		return NULL;
	hole = find(m, id);
	value = hole->value;
	if (hole->id == 0)
		return NULL;
	m->n--;
	/* Close the gap: pull back each follower that is allowed to sit there. */
	for (size_t at = (size_t)(hole - m->slots);;) {
		size_t home, gap = (size_t)(hole - m->slots);

		at = (at + 1) & (m->n_slots - 1);
		if (m->slots[at].id == 0)
			break;
		home = home_of(m, m->slots[at].id);
		if (((at - home) & (m->n_slots - 1)) >= ((at - gap) & (m->n_slots - 1))) {
			*hole = m->slots[at];
			hole = &m->slots[at];
		}
	}
	*hole = (struct idmap_slot){0, NULL};
	return value;
}

void *
idmap_next(const struct idmap *m, size_t *at)
{
	while (*at < m->n_slots) {
		struct idmap_slot *slot = &m->slots[(*at)++];

		if (slot->id != 0)
			return slot->value;
	}
	return NULL;
}
