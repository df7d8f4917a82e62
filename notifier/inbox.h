/* inbox.h - how other threads reach a carrier loop: notes, kept in order, looked at in batches.
 * Bounded: who posts into a full one waits for the loop. */
#ifndef NOTIFIER_INBOX_H
#define NOTIFIER_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/carrier.h"
#include "notifier/conn.h"
#include "notifier/handshake.h"
#include "notifier/hub.h"
#include "notifier/item.h"
#include "notifier/page.h"
#include "notifier/poller.h"

enum note_kind {
	NOTE_ADOPT,
	NOTE_STREAM,
	NOTE_OPEN,
	NOTE_DOUBT,
	NOTE_ITEM,
	NOTE_ITEM_TO_ALL,
	NOTE_PAGE,
	NOTE_KEPT,
	NOTE_RECORD,
	NOTE_TERMINALS,
	NOTE_RETELL,
	NOTE_CONFIGURE,
	NOTE_DRAIN,
	NOTE_STOP
};

/* A struct terminal_record that owns its texts, for the ticket of that number. */
struct record_note {
	int64_t ticket, merchant;
	char name[SID_MAX + 1], hash_hex[2 * CLAIM_HASH_BYTES + 1];
};

/* A struct stand that owns what it says. */
struct stand_note {
	int64_t merchant;
	struct stand stand;
	char epoch[HUB_EPOCH_MAX + 1];
	int64_t open[];
};

/* Copies; NULL: out of memory.  free() it. */
struct stand_note *stand_note_new(int64_t merchant, const struct stand *stand);

/* The terminals of a merchant whose tokens hold. */
struct terminals_note {
	int64_t merchant;
	size_t n;
	int64_t ids[];
};

/* What holds from now on. */
struct configure_note {
	struct carrier_options options;
	struct access *access; /* a reference */
};

struct note {
	enum note_kind kind;
	union {
		struct conn *conn;                /* ADOPT: owned */
		struct page *page;                /* PAGE: owned */
		struct item *item;                /* ITEM, ITEM_TO_ALL: a reference */
		struct stand_note *stand;         /* STREAM, OPEN: owned */
		int64_t ticket;                   /* KEPT */
		struct record_note *record;       /* RECORD: owned */
		struct terminals_note *terminals; /* TERMINALS: owned */
		struct configure_note *configure; /* CONFIGURE: owned */
		int drain_ms;                     /* DRAIN */
	};
};

enum { INBOX_FEW = 4 }; /* see inbox_take_few() */

struct notes {
	struct note *notes;
	size_t n, room;
};

struct inbox {
	struct poller *poller; /* of the loop that reads it: borrowed */
	pthread_mutex_t lock;
	pthread_cond_t has_room;
	struct notes notes;
	bool is_awake; /* it will be looked at without another wake-up */
};

void inbox_init(struct inbox *in, struct poller *poller);
void inbox_fini(struct inbox *in); /* drops what nobody took */

/* Any thread but the loop's, and not one that has its turn (it may wait for room, which whoever has
 * the turn makes).  The note is copied, what it owns is taken.  False: out of memory. */
bool inbox_post(struct inbox *in, const struct note *note);

/* Makes the loop look, if there is something and it is not about to. */
void inbox_wake(struct inbox *in);

/* Of who has the loop's turn: takes all that is there, if that is not much and the judge, who must
 * not block, says yes; gives how many.  0: all stays there. */
typedef bool inbox_judge(const void *arg, const struct note *notes, size_t n);
size_t inbox_take_few(
    struct inbox *in, struct note few[INBOX_FEW], inbox_judge *judge, const void *arg);

/* The loop's: takes all that is there and gives `spare` (empty, for its memory) in exchange. */
struct notes inbox_take(struct inbox *in, struct notes spare);

#endif
