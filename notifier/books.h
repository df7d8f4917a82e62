/* books.h - what a loop tells the clerk: which terminals are there, and what was sent for the first
 * time.  Belongs to a carrier loop. */
#ifndef NOTIFIER_BOOKS_H
#define NOTIFIER_BOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "notifier/clerk_queue.h"
#include "notifier/conn.h"

struct loop;

enum { BOOKS_FACTS = 64 };

/* Facts of this round that are not told yet. */
struct books {
	struct clerk_delivery facts[BOOKS_FACTS];
	size_t n;
};

/* It is in its merchant's room, or what is known of it has changed. */
void books_present(struct loop *l, const struct conn *c);
/* It leaves the room. */
void books_gone(struct loop *l, const struct conn *c);

/* An event was sent to anybody for the first time: to this one. */
void books_first_sent(struct loop *l, const struct conn *c, const struct item *it);
/* The round is over: what is not told yet is told. */
void books_flush(struct loop *l);

#endif
