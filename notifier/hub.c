#include "notifier/hub.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/idmap.h"
#include "notifier/missed.h"
#include "notifier/openset.h"

/* Of the items of a ring: there is room for others before it, and below all of them for the places
 * of members that were marked as lost (see mark_lost()). */
static const uint64_t FIRST_NUMBER = UINT64_C(1) << 41;
static const uint64_t MARKED_BY = UINT64_C(1) << 40;
static const uint64_t MARKED_END = UINT64_C(3) << 39;

struct room {
	int64_t merchant;
	int64_t top;
	char epoch[HUB_EPOCH_MAX + 1];
	int64_t complete_from; /* each event from this seq to top is in the ring */
	int64_t kept_from;     /* with `open`: what the listener told of it */
	struct openset open;
	bool knows_open;
	bool is_known;
	uint8_t asked;
	uint64_t told_at;
	struct item **ring; /* item number n is at ring[n % ring_room]; numbers start anywhere */
	uint32_t ring_room; /* a power of two, or 0 */
	uint64_t first, end;
	size_t ring_bytes;
	struct missed missed; /* of acks, by who was left behind */
	struct member *members;
	size_t n_members;
	struct member *cursor; /* the next one to be given as due; NULL: the first */
	size_t n_due;          /* so many from there on, around the end */
	uint32_t turn_left;
	struct {
		size_t bytes, items;
	} lap, last_lap; /* published since the cursor was at the first member, and before */
	bool is_dirty;   /* it is in the list of those */
	int64_t empty_since_ms;
	struct room *older, *newer; /* by last publication; only while its ring holds items */
	struct room *prev_empty, *next_empty; /* by the time it became empty */
	struct room *next_dirty;
};

struct hub {
	struct idmap rooms;
	size_t bytes; /* in all rings */
	uint64_t version;
	struct room *oldest, *newest;
	struct room *first_empty, *last_empty;
	struct room *first_dirty, *last_dirty;
};

struct hub *
hub_new(void)
{
	struct hub *h = calloc(1, sizeof *h);

	if (h != NULL)
		idmap_init(&h->rooms);
	return h;
}

/* --- the order of rooms by last publication --- */

static void
age_unlink(struct hub *h, struct room *r)
{
	*(r->older ? &r->older->newer : &h->oldest) = r->newer;
	*(r->newer ? &r->newer->older : &h->newest) = r->older;
	r->older = r->newer = NULL;
}

static void
age_append(struct hub *h, struct room *r)
{
	r->older = h->newest;
	*(h->newest ? &h->newest->newer : &h->oldest) = r;
	h->newest = r;
}

/* --- the order of rooms that wait to expire --- */

static void
empty_unlink(struct hub *h, struct room *r)
{
	*(r->prev_empty ? &r->prev_empty->next_empty : &h->first_empty) = r->next_empty;
	*(r->next_empty ? &r->next_empty->prev_empty : &h->last_empty) = r->prev_empty;
	r->prev_empty = r->next_empty = NULL;
}

static void
empty_append(struct hub *h, struct room *r)
{
	r->prev_empty = h->last_empty;
	*(h->last_empty ? &h->last_empty->next_empty : &h->first_empty) = r;
	h->last_empty = r;
}

/* --- rings --- */

/* An item leaves the ring, or does not get there: what it tells of acks is remembered. */
static void
note_missed(struct room *r, uint64_t number, const struct item *it)
{
	const char *by;
	size_t n;
	const int64_t *seqs = item_acked(it, &n, &by);

	missed_note(&r->missed, number, seqs, n);
}

static void
drop_first(struct hub *h, struct room *r)
{
	struct item *it = r->ring[r->first % r->ring_room];

	note_missed(r, r->first, it);
	r->ring_bytes -= item_size(it);
	h->bytes -= item_size(it);
	if (item_seq(it) != 0)
		r->complete_from = item_seq(it) + 1;
	item_release(it);
	r->first++;
}

static void
clear_ring(struct hub *h, struct room *r)
{
	if (r->first != r->end)
		age_unlink(h, r);
	while (r->first != r->end)
		drop_first(h, r);
	free(r->ring);
	r->ring = NULL;
	r->ring_room = 0;
}

static bool
grow_ring(struct room *r)
{
	uint32_t room = r->ring_room == 0 ? 4 : r->ring_room * 2;
	struct item **ring = malloc(room * sizeof *ring);

	if (ring == NULL)
		return false;
	for (uint64_t n = r->first; n != r->end; n++)
		ring[n % room] = r->ring[n % r->ring_room];
	free(r->ring);
	r->ring = ring;
	r->ring_room = room;
	return true;
}

/* Makes place for an item of that size within the bounds of the room and of the hub. */
static void
make_place(struct hub *h, struct room *r, size_t size)
{
	bool had_items = r->first != r->end;

	while (r->first != r->end &&
	       (r->end - r->first >= HUB_RING_ITEMS || r->ring_bytes + size > HUB_RING_BYTES))
		drop_first(h, r);
	if (had_items && r->first == r->end)
		age_unlink(h, r);
	while (h->bytes + size > HUB_TOTAL_BYTES && h->oldest != NULL)
		clear_ring(h, h->oldest);
}

static void
mark_dirty(struct hub *h, struct room *r)
{
	h->version++;
	r->n_due = r->n_members;
	if (r->is_dirty)
		return;
	r->lap = r->last_lap = (typeof(r->lap)){0};
	r->turn_left = HUB_TURN;
	r->is_dirty = true;
	r->next_dirty = NULL;
	*(h->last_dirty ? &h->last_dirty->next_dirty : &h->first_dirty) = r;
	h->last_dirty = r;
}

static void
push(struct hub *h, struct room *r, struct item *it)
{
	make_place(h, r, item_size(it));
	if (r->end - r->first == r->ring_room && !grow_ring(r)) {
		/* Out of memory: the item cannot be kept, so all who have not reached it are lost
		 * to the ring and resume from the database. */
		clear_ring(h, r);
		note_missed(r, r->end, it);
		r->first = ++r->end;
		r->complete_from = r->top + 1;
		mark_dirty(h, r);
		return;
	}
	if (r->first != r->end)
		age_unlink(h, r);
	r->ring[r->end++ % r->ring_room] = item_hold(it);
	r->ring_bytes += item_size(it);
	h->bytes += item_size(it);
	age_append(h, r);
	mark_dirty(h, r);
	r->lap.bytes += item_size(it);
	r->lap.items++;
}

/* Where the event of that seq is in the ring; NULL: it is not. */
static struct item **
find_event(const struct room *r, int64_t seq)
{
	uint64_t low = r->first, high = r->end;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2, at = mid;
		struct item **slot = &r->ring[at % r->ring_room];

		/* Between the events there are items without a seq. */
		while (at < high && item_seq(*slot) == 0)
			slot = &r->ring[++at % r->ring_room];
		if (at == high || item_seq(*slot) > seq)
			high = mid;
		else if (item_seq(*slot) < seq)
			low = at + 1;
		else
			return slot;
	}
	return NULL;
}

/* The ring's copy of an event that was acked says so from now on. */
static void
mark_acked(struct hub *h, struct room *r, int64_t seq, const char *by)
{
	struct item **slot = find_event(r, seq), *acked;

	acked = slot == NULL ? NULL : item_with_ack(*slot, by);
	if (acked == NULL)
		return; /* out of memory: the acked item itself tells it all the same */
	r->ring_bytes += item_size(acked) - item_size(*slot);
	h->bytes += item_size(acked) - item_size(*slot);
	item_release(*slot);
	*slot = acked;
	h->version++;
}

static void
mark_all_acked(struct hub *h, struct room *r, const struct item *it)
{
	const char *by;
	size_t n;
	const int64_t *seqs = item_acked(it, &n, &by);

	for (size_t i = 0; i < n; i++) {
		mark_acked(h, r, seqs[i], by);
		openset_remove(&r->open, seqs[i]);
	}
}

/* What is un-acked is known as long as all is heard. */
static void
note_open(struct room *r, const struct item *it)
{
	if (!r->knows_open)
		return;
	if (item_is_acked(it))
		openset_remove(&r->open, item_seq(it));
	else
		(void)openset_add(&r->open, item_seq(it)); /* then it says that it is cut */
}

struct room *
hub_publish(struct hub *h, struct item *it)
{
	struct room *r = idmap_get(&h->rooms, item_merchant(it));

	if (r == NULL)
		return NULL;
	if (item_seq(it) != 0) {
		if (item_seq(it) <= r->top)
			return NULL; /* never a repeat */
		r->top = item_seq(it);
		note_open(r, it);
	}
	mark_all_acked(h, r, it);
	push(h, r, it);
	return r;
}

/* Who was left behind by the ring stays so, whatever comes to stand before it: its place is moved
 * below all numbers. */
static void
mark_lost(struct room *r)
{
	for (struct member *m = r->members; m != NULL; m = m->next) {
		if (member_is_lost(m) && m->pos >= MARKED_END)
			m->pos -= MARKED_BY;
	}
}

static uint64_t
place_of(const struct member *m)
{
	return m->pos < MARKED_END ? m->pos + MARKED_BY : m->pos;
}

static bool
has_room_before(const struct hub *h, const struct room *r, size_t size)
{
	return r->end - r->first < HUB_RING_ITEMS && r->ring_bytes + size <= HUB_RING_BYTES &&
	       h->bytes + size <= HUB_TOTAL_BYTES && r->first > 1;
}

/* Puts an item before all others.  False: there is no room. */
static bool
push_before(struct hub *h, struct room *r, struct item *it)
{
	size_t size = item_size(it);

	if (!has_room_before(h, r, size) || (r->end - r->first == r->ring_room && !grow_ring(r)))
		return false;
	if (r->first == r->end)
		age_append(h, r);
	h->version++;
	r->ring[--r->first % r->ring_room] = item_hold(it);
	r->ring_bytes += size;
	h->bytes += size;
	return true;
}

void
hub_keep_before(struct hub *h, struct room *r, int64_t from, struct item *const *items, size_t n)
{
	if (!r->is_known || n == 0 || item_seq(items[n - 1]) + 1 < r->complete_from)
		return; /* something is missing between */
	mark_lost(r);
	while (n > 0 && item_seq(items[n - 1]) >= r->complete_from)
		n--;
	for (; n > 0; n--) {
		if (!push_before(h, r, items[n - 1]))
			return;
		r->complete_from = item_seq(items[n - 1]);
	}
	if (from < r->complete_from)
		r->complete_from = from; /* what is missing down to there was pruned */
}

void
hub_publish_to_all(struct hub *h, struct item *it)
{
	size_t at = 0;
	struct room *r;

	while ((r = idmap_next(&h->rooms, &at)) != NULL)
		push(h, r, it);
}

/* Takes the first of the dirty rooms off their list. */
static void
take_dirty(struct hub *h)
{
	struct room *r = h->first_dirty;

	h->first_dirty = r->next_dirty;
	if (h->first_dirty == NULL)
		h->last_dirty = NULL;
	r->is_dirty = false;
	r->n_due = 0;
}

/* Its turn is over: others go first. */
static void
end_turn(struct hub *h, struct room *r)
{
	r->turn_left = HUB_TURN;
	if (r == h->last_dirty)
		return;
	h->first_dirty = r->next_dirty;
	r->next_dirty = NULL;
	h->last_dirty->next_dirty = r;
	h->last_dirty = r;
}

/* The next one around the circle of a room's members. */
static struct member *
next_due(struct room *r)
{
	struct member *m = r->cursor;

	if (m == NULL) {
		m = r->members;
		r->last_lap = r->lap;
		r->lap = (typeof(r->lap)){0};
	}
	r->cursor = m->next;
	r->n_due--;
	r->turn_left--;
	return m;
}

struct member *
hub_next_due(struct hub *h)
{
	struct room *r;

	while ((r = h->first_dirty) != NULL) {
		if (r->n_due == 0 || r->members == NULL)
			take_dirty(h);
		else if (r->turn_left == 0)
			end_turn(h, r);
		else
			return next_due(r);
	}
	return NULL;
}

static unsigned
hundredths(size_t part, size_t whole)
{
	return (unsigned)(part * 100 / whole);
}

unsigned
room_load(const struct room *r)
{
	unsigned bytes = hundredths(r->lap.bytes + r->last_lap.bytes, HUB_RING_BYTES);
	unsigned items = hundredths(r->lap.items + r->last_lap.items, HUB_RING_ITEMS);

	if (!r->is_dirty || r->n_due == 0)
		return 0;
	return bytes > items ? bytes : items;
}

uint64_t
hub_version(const struct hub *h)
{
	return h->version;
}

/* --- rooms and members --- */

static void
free_room(struct hub *h, struct room *r)
{
	assert(r->members == NULL && !r->is_dirty);
	clear_ring(h, r);
	missed_fini(&r->missed);
	openset_fini(&r->open);
	idmap_remove(&h->rooms, r->merchant);
	free(r);
}

void
hub_free(struct hub *h)
{
	size_t at = 0;
	struct room *r;

	if (h == NULL)
		return;
	while (hub_next_due(h) != NULL)
		;
	while ((r = idmap_next(&h->rooms, &at)) != NULL) {
		free_room(h, r);
		at = 0;
	}
	idmap_fini(&h->rooms);
	free(h);
}

static struct room *
make_room(struct hub *h, int64_t merchant)
{
	struct room *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->merchant = merchant;
	r->first = r->end = FIRST_NUMBER;
	if (!idmap_put(&h->rooms, merchant, r)) {
		free(r);
		return NULL;
	}
	return r;
}

bool
hub_join(struct hub *h, struct member *m, int64_t merchant, bool *is_new)
{
	struct room *r = idmap_get(&h->rooms, merchant);

	*is_new = r == NULL;
	if (r == NULL)
		r = make_room(h, merchant);
	else if (r->members == NULL)
		empty_unlink(h, r);
	if (r == NULL)
		return false;
	*m = (struct member){.room = r, .next = r->members, .pos = r->end};
	if (r->members != NULL)
		r->members->prev = m;
	r->members = m;
	r->n_members++;
	r->n_due += r->n_due > 0; /* it comes to stand on the way of the cursor */
	return true;
}

void
hub_leave(struct hub *h, struct member *m, int64_t now_ms)
{
	struct room *r = m->room;

	*(m->prev ? &m->prev->next : &r->members) = m->next;
	if (m->next != NULL)
		m->next->prev = m->prev;
	if (r->cursor == m)
		r->cursor = m->next;
	*m = (struct member){0};
	if (--r->n_members == 0) {
		r->empty_since_ms = now_ms;
		empty_append(h, r);
	}
}

int64_t
hub_expire(struct hub *h, int64_t now_ms)
{
	struct room *r = h->first_empty;
	int64_t merchant;

	if (r == NULL || r->is_dirty || now_ms - r->empty_since_ms < HUB_LINGER_MS)
		return 0;
	merchant = r->merchant;
	empty_unlink(h, r);
	free_room(h, r);
	return merchant;
}

struct room *
hub_room(const struct hub *h, int64_t merchant)
{
	return idmap_get(&h->rooms, merchant);
}

void
hub_set_stream(struct hub *h, struct room *r, const struct stand *stand)
{
	/* Also what came before it was known, for another loop's sake: `complete_from` is beyond.
	 */
	clear_ring(h, r);
	/* Those who are told of this stream are told what is open from here on. */
	missed_fini(&r->missed);
	h->version++;
	snprintf(r->epoch, sizeof r->epoch, "%s", stand->epoch);
	r->top = stand->top;
	r->complete_from = stand->top + 1;
	r->is_known = true;
	room_set_open(r, stand);
}

void
room_set_open(struct room *r, const struct stand *stand)
{
	r->kept_from = stand->kept_from;
	r->knows_open = stand->knows_open;
	openset_set(&r->open, stand->open, r->knows_open ? stand->n_open : 0, true);
}

void
hub_doubt_open(struct hub *h)
{
	size_t at = 0;
	struct room *r;

	while ((r = idmap_next(&h->rooms, &at)) != NULL) {
		r->knows_open = false;
		openset_fini(&r->open);
	}
}

struct stand
room_stand(const struct room *r)
{
	return (struct stand){
	    .epoch = r->epoch,
	    .top = r->top,
	    .kept_from = r->kept_from,
	    .knows_open = r->knows_open && !r->open.is_cut,
	    .n_open = r->open.n,
	    .open = r->open.seqs,
	};
}

bool
room_covers(const struct room *r, int64_t seq)
{
	return r->is_known && seq >= r->complete_from;
}

uint8_t *
room_asked(struct room *r)
{
	return &r->asked;
}

bool
room_is_known(const struct room *r)
{
	return r->is_known;
}

void
room_set_told_at(struct room *r, uint64_t told_at)
{
	r->told_at = told_at;
}

uint64_t
room_told_at(const struct room *r)
{
	return r->told_at;
}

int64_t
room_merchant(const struct room *r)
{
	return r->merchant;
}

const char *
room_epoch(const struct room *r)
{
	return r->epoch;
}

int64_t
room_top(const struct room *r)
{
	return r->top;
}

size_t
room_n_members(const struct room *r)
{
	return r->n_members;
}

struct member *
room_members(const struct room *r)
{
	return r->members;
}

uint64_t
member_n_ahead(const struct member *m)
{
	return m->room->end - m->pos;
}

bool
member_is_lost(const struct member *m)
{
	return m->pos < m->room->first;
}

size_t
member_missed(const struct member *m, int64_t from, int64_t *seqs, size_t most)
{
	return missed_since(&m->room->missed, place_of(m), from, seqs, most);
}

bool
member_knows_missed(const struct member *m)
{
	return missed_knows(&m->room->missed, place_of(m));
}

struct item_run
member_run(const struct member *m, int64_t most)
{
	const struct room *r = m->room;
	struct item_run run = {.slots = r->ring, .mask = r->ring_room - 1, .at = m->pos};

	assert(!member_is_lost(m));
	run.n = r->end - m->pos;
	if (most >= r->top)
		return run;
	for (uint64_t i = 0; i < run.n; i++) {
		if (item_seq(run.slots[(run.at + i) & run.mask]) > most)
			run.n = i;
	}
	return run;
}

void
member_seek(struct member *m, int64_t seq)
{
	const struct room *r = m->room;
	bool is_lost = member_is_lost(m);
	uint64_t at = r->first;

	for (; at != r->end; at++) {
		int64_t own = item_seq(r->ring[at & (r->ring_room - 1)]);

		if (own >= seq || (own == 0 && is_lost))
			break;
	}
	if (is_lost || m->pos > at)
		m->pos = at;
}
