/* hub.h - merchants, their terminals, and the recent items of each merchant.
 *
 * A room is a merchant that has (or just had) terminals.  It keeps its recent items in a ring; a
 * member is a terminal's place in that ring.  Nothing is copied per member: what a member is still
 * to be sent is read from the ring, so a slow one costs no more than a prompt one.  A member that
 * the ring has left behind is lost: it must resume from the database.  That knows events; which of
 * them were acked by items that are in the ring no more the room remembers for a while.
 *
 * One hub belongs to one carrier loop.  Pure: no I/O; the owner brings the time. */
#ifndef NOTIFIER_HUB_H
#define NOTIFIER_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/item.h"
#include "notifier/stand.h"

enum {
	HUB_EPOCH_MAX = 31,         /* bytes of an epoch's text */
	HUB_RING_ITEMS = 1024,      /* per room, a power of two */
	HUB_RING_BYTES = 512 << 10, /* per room */
	HUB_TOTAL_BYTES = 64 << 20, /* all rings of a hub */
	HUB_LINGER_MS = 60000,      /* how long a room outlives its last member */
	HUB_TURN = 32,              /* members of a room before another room has its turn */
};

struct hub;
struct room;

/* Embedded in what represents a terminal; zeroed while it is in no room. */
struct member {
	struct room *room;
	struct member *prev, *next;
	uint64_t pos; /* number of the item it gets next */
};

struct hub *hub_new(void);    /* NULL: out of memory */
void hub_free(struct hub *h); /* accepts NULL; no members may be left */

/* Puts a member into the room of a merchant, behind all items that are there.  False when out of
 * memory.  *is_new tells that the room was made for it: its stream is not known yet. */
bool hub_join(struct hub *h, struct member *m, int64_t merchant, bool *is_new);
void hub_leave(struct hub *h, struct member *m, int64_t now_ms);

/* Closes one room that has had no member for HUB_LINGER_MS and gives its merchant; 0 when there is
 * none.  Call until 0. */
int64_t hub_expire(struct hub *h, int64_t now_ms);

/* The room of a merchant, or NULL. */
struct room *hub_room(const struct hub *h, int64_t merchant);

/* The listener has told where the merchant's stream stands: from now on its items come.  What the
 * ring holds of earlier numbers is dropped. */
void hub_set_stream(struct hub *h, struct room *r, const struct stand *stand);

/* It has told (as of the last item) which events nobody has acked: from now on the room knows that
 * itself, by the items that come, until it is said that any room's knowledge is in doubt. */
void room_set_open(struct room *r, const struct stand *stand);
void hub_doubt_open(struct hub *h);

/* How its stream stands, as of the last item.  Borrows the room until it changes. */
struct stand room_stand(const struct room *r);

/* When it was told last whose tokens hold, by a count of its keeper's; 0: never. */
void room_set_told_at(struct room *r, uint64_t told_at);
uint64_t room_told_at(const struct room *r);

bool room_is_known(const struct room *r);
int64_t room_merchant(const struct room *r);
const char *room_epoch(const struct room *r); /* "" while not known */
int64_t room_top(const struct room *r);       /* the last seq published */
size_t room_n_members(const struct room *r);
struct member *room_members(const struct room *r); /* first of a list by ->next */

/* Appends an item to its merchant's ring and takes a reference of its own.  What an acked item
 * tells is noted with the events in the ring, too.  Gives the room, or NULL when there is nobody to
 * show it to: no such room, or its seq was published before. */
struct room *hub_publish(struct hub *h, struct item *it);

/* Events of the table: all there are with a seq from `from` up to that of the last one, in order.
 * Those that go right before what a ring holds are kept in it as well, newest first, as far as
 * there is room: who comes later need not ask the table.  Takes references of its own. */
void hub_keep_before(
    struct hub *h, struct room *r, int64_t from, struct item *const *items, size_t n);

/* Appends an item to every ring. */
void hub_publish_to_all(struct hub *h, struct item *it);

/* The next member whose room has items that were published since the member was last given here;
 * NULL: no more.  The rooms take turns: however many a storm is for, a single item of another room
 * does not wait for all of them. */
struct member *hub_next_due(struct hub *h);

/* How full a ring is of items that members may not have been given since, in hundredths.  At 100
 * and more it leaves behind some that did nothing but wait for their turn. */
unsigned room_load(const struct room *r);

/* Another number when what some member is to be sent may be other bytes. */
uint64_t hub_version(const struct hub *h);

/* True when the ring holds every event of the merchant with a seq from `seq` up to room_top(). */
bool room_covers(const struct room *r, int64_t seq);

/* Questions that a loop has put to the ledger for a room and that are not answered yet, a bit each.
 */
uint8_t *room_asked(struct room *r);

/* Items still ahead of a member. */
uint64_t member_n_ahead(const struct member *m);
bool member_is_lost(const struct member *m); /* the ring no longer has its next item */

/* What was acked by items that a lost member was not given and that are in the ring no more: seqs
 * from `from` on, ascending, at most `most`; gives how many.  There may be some that it knows of.
 * False of member_knows_missed(): there were too many, not all are remembered. */
size_t member_missed(const struct member *m, int64_t from, int64_t *seqs, size_t most);
bool member_knows_missed(const struct member *m);

/* Some items in a row: the i-th is slots[(at + i) & mask]. */
struct item_run {
	struct item *const *slots;
	uint64_t mask, at, n;
};

/* What is ahead of a member that is not lost, up to and including the last event with seq <= most.
 */
struct item_run member_run(const struct member *m, int64_t most);

/* Moves a member back to the first item of the ring with that seq or a higher one; one that stands
 * before it already stays there.  A lost one moves on to that, or to the first one before it that
 * is no event: those it has not been given. */
void member_seek(struct member *m, int64_t seq);

#endif
