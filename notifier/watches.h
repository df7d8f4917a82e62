/* watches.h - the merchants whose events somebody here waits for, and how far each was read.
 * Pure; one owner. */
#ifndef NOTIFIER_WATCHES_H
#define NOTIFIER_WATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/beyond.h"
#include "notifier/hub.h"
#include "notifier/idmap.h"
#include "notifier/openset.h"

enum { WATCHERS_MAX = 64 };

/* A merchant that is watched. */
struct watch {
	int64_t merchant;
	int64_t last; /* seq of the last event passed on; INT64_MAX: its stream was never read */
	char epoch[HUB_EPOCH_MAX + 1];
	uint64_t watchers;    /* a bit each */
	unsigned n_holds;     /* while there are any nothing of it is read */
	bool is_known;        /* its stream was read, and what is open there */
	bool is_open_sure;    /* and nothing that was said of it since has been missed */
	bool is_dirty;        /* may have events beyond `last`: is in the list of those */
	bool is_awaited;      /* may have some, but is held */
	bool was_asked;       /* somebody waits to hear where the stream stands */
	bool has_no_stream;   /* there was no row for it when it was read last */
	bool has_terminals;   /* has, or had when that was read last, terminals with tokens of their
	                         own */
	int64_t kept_from;    /* of the stream, when that was read last */
	int64_t reread_at_ms; /* when to read next what is open, and whose tokens hold */
	struct openset open;
	struct beyond beyond; /* and what there is of them above */
};

struct watches {
	struct idmap by_merchant;
	struct watch **dirty; /* room for all watches */
	size_t n_dirty, dirty_room;
	/* What there may be to read: */
	bool has_unknown;  /* of some that are not known yet */
	bool has_due;      /* what is open, of some whose time has come */
	bool has_beyond;   /* the same of those above the lowest, of some */
	bool must_compare; /* of any: where all streams stand is to be compared now */
};

void watches_init(struct watches *ws);
void watches_fini(struct watches *ws);

/* A watcher, of at most WATCHERS_MAX, watches a merchant from its start to its end.  Gives the
 * watch.
 */
struct watch *watches_start(struct watches *ws, int64_t merchant, int watcher);
void watches_end(struct watches *ws, int64_t merchant, int watcher); /* no watch: passed over */

struct watch *watches_get(const struct watches *ws, int64_t merchant); /* NULL: not watched */
size_t watches_count(const struct watches *ws);

/* Walks: start with *at = 0; NULL at the end.  Nothing may start or end meanwhile. */
struct watch *watches_next(const struct watches *ws, size_t *at);

/* What is open there is to be read now. */
void watches_mark_due(struct watches *ws, struct watch *w);
/* The same of all; until then nobody is sure of it. */
void watches_doubt_all(struct watches *ws);

/* How its stream stands, as far as it was passed on. */
struct stand watch_stand(const struct watch *w);

/* Terminals were told of an event, or that it is acked; may they hold it for un-acked? */
void watch_note_open(struct watch *w, int64_t seq);
void watch_note_acked(struct watch *w, int64_t seq);
bool watch_may_hold(const struct watch *w, int64_t seq);

/* What was read is open from now on; those above the lowest are looked at next. */
void watch_set_open(struct watch *w, const struct opening *now);
/* Whatever it knew of open ones is of no use. */
void watch_forget_open(struct watch *w);
/* The highest that `open` knows; all above is left to `beyond`. */
int64_t watch_lowest_end(const struct watch *w);

/* Holds are counted; of one that is not watched they are passed over. */
void watches_hold(struct watches *ws, int64_t merchant);
void watches_release(struct watches *ws, int64_t merchant);

/* A known watch may have events beyond its last one. */
void watches_mark_dirty(struct watches *ws, struct watch *w);

/* Takes the first of those off their list, at most `most`, but for those that are held; gives how
 * many. */
size_t watches_take_dirty(struct watches *ws, struct watch **taken, size_t most);

/* Of `n` that were taken any may have more, but what was read was cut short: the first n_served had
 * their turn, and go on the list behind the others. */
void watches_put_back(struct watches *ws, struct watch *const *taken, size_t n, size_t n_served);

#endif
