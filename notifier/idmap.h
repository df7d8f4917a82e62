/* idmap.h - from a positive id to a pointer: an open-addressing hash table.  Pure; one owner.
 * The pointers stay the caller's. */
#ifndef NOTIFIER_IDMAP_H
#define NOTIFIER_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idmap_slot {
	int64_t id; /* 0: empty */
	void *value;
};

struct idmap {
	struct idmap_slot *slots;
	size_t n_slots; /* a power of two, or 0 */
	size_t n;
};

void idmap_init(struct idmap *m);
void idmap_fini(struct idmap *m);
void idmap_clear(struct idmap *m); /* empties it and keeps its memory */

void *idmap_get(const struct idmap *m, int64_t id); /* NULL: not there */
bool idmap_put(struct idmap *m, int64_t id,
    void *value); /* id > 0; false: out of memory, never when it replaces */
void *idmap_remove(struct idmap *m, int64_t id); /* gives what was there, or NULL */

/* Walks: start with *at = 0; NULL at the end.  The map must not change meanwhile. */
void *idmap_next(const struct idmap *m, size_t *at);

#endif
