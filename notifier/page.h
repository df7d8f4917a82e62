/* page.h - what the ledger reads for terminals that are not live: given from its thread to a loop.
 * A page answers all terminals of a merchant that need it; a ticket names the one that waits. */
#ifndef NOTIFIER_PAGE_H
#define NOTIFIER_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/hub.h"
#include "notifier/item.h"
#include "notifier/stand.h"

enum page_kind {
	PAGE_OPENING, /* how the stream stands, and which seqs are un-acked; no items */
	PAGE_UNACKED, /* un-acked events, in order, from `after` on */
	PAGE_EVENTS,  /* all events, in order, from `after` on */
	PAGE_ACKED,   /* which of them are acked, as items of item_new_acked() */
	PAGE_KINDS
};

enum { PAGE_ITEMS = 256 };

struct page {
	enum page_kind kind;
	int64_t merchant;
	char epoch[HUB_EPOCH_MAX + 1];
	int64_t top, kept_from;         /* of the stream, in the same snapshot */
	int64_t after;                  /* what was asked for: seq > after */
	bool is_last;                   /* there was nothing behind the last item */
	int64_t last;                   /* ACKED: up to here it tells all */
	struct item *items[PAGE_ITEMS]; /* references */
	size_t n_items;
	int64_t open[STAND_OPEN_MAX + 1]; /* OPENING: un-acked seqs */
	size_t n_open;
};

/* Who waits for an answer; `number` means something to that loop alone, 0 is nobody. */
struct ticket {
	int loop;
	int64_t number;
};

/* What the database has of a terminal. */
struct terminal_record {
	int64_t merchant;     /* 0: there is no such terminal, or it was revoked */
	const char *name;     /* borrowed */
	const char *hash_hex; /* borrowed; SHA-256 of its token */
};

struct page *page_new(enum page_kind kind, int64_t merchant, int64_t after); /* NULL: no memory */
void page_free(struct page *p);                                              /* accepts NULL */

/* What an opening says; borrows it. */
struct stand page_stand(const struct page *opening);

#endif
