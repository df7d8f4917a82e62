/* watches.h - the merchants whose events somebody here waits for, and how far each was read.
 * Pure; one owner. */
#ifndef NOTIFIER_WATCHES_H
#define NOTIFIER_WATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/hub.h"
#include "notifier/idmap.h"

/* A merchant that is watched. */
struct watch {
	int64_t merchant;
	int64_t last; /* seq of the last event passed on */
	char epoch[HUB_EPOCH_MAX + 1];
	unsigned n_watchers;
	bool is_known;      /* its stream was read */
	bool is_dirty;      /* may have events beyond `last`: is in the list of those */
	bool was_asked;     /* somebody waits to hear where the stream stands */
	bool has_no_stream; /* there was no row for it when it was read last */
};

struct watches {
	struct idmap by_merchant;
	struct watch **dirty; /* room for all watches */
	size_t n_dirty, dirty_room;
	bool has_unknown; /* there may be some that are not known yet */
};

void watches_init(struct watches *ws);
void watches_fini(struct watches *ws);

/* Watches are counted: each start needs its end.  Gives the watch. */
struct watch *watches_start(struct watches *ws, int64_t merchant);
void watches_end(struct watches *ws, int64_t merchant); /* none of it: passed over */

struct watch *watches_get(const struct watches *ws, int64_t merchant); /* NULL: not watched */
size_t watches_count(const struct watches *ws);

/* Walks: start with *at = 0; NULL at the end.  Nothing may start or end meanwhile. */
struct watch *watches_next(const struct watches *ws, size_t *at);

/* A known watch may have events beyond its last one. */
void watches_mark_dirty(struct watches *ws, struct watch *w);

/* Takes the first of those off their list, at most `most`; gives how many. */
size_t watches_take_dirty(struct watches *ws, struct watch **taken, size_t most);

#endif
