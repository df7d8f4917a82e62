/* feed.h - where a terminal's events come from: pages of the table for what it has missed, its
 * merchant's ring for what is live.  Belongs to a carrier loop.  Sends, but never ends a
 * connection: what the socket said is given back.
 *
 * A terminal is one number, next_seq: it is sent exactly that event, from the ring if it is there,
 * else from a page.  So what is live and what was missed cannot race. */
#ifndef NOTIFIER_FEED_H
#define NOTIFIER_FEED_H

#include <stdbool.h>

#include "notifier/conn.h"
#include "notifier/loop.h"
#include "notifier/page.h"

/* The stream of its room is known (or is another one now): it may begin.  False: out of memory. */
bool feed_begin(struct loop *l, struct conn *c);

/* Sends all that is at hand, and asks the ledger for what is not. */
enum conn_status feed_send(struct loop *l, struct conn *c);

/* It hears how the stream stands, and so where it goes on.  False: out of memory. */
bool feed_welcome(struct conn *c, const struct stand *stand);

/* True when a page goes on where a terminal stands. */
bool feed_fits(const struct conn *c, const struct page *p);

/* Sends what it takes of a page that fits; the rest, when it has room again, is asked for again:
 * nobody holds a page while a terminal does not read.  feed_send() after it. */
enum conn_status feed_serve(struct loop *l, struct conn *c, const struct page *p);

/* A question about the room is answered: who still waits asks the next one, from where the last of
 * them stands. */
void feed_ask_again(struct loop *l, struct room *r, enum page_kind kind);

#endif
