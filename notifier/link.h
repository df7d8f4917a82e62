/* link.h - a terminal's connection within its loop: what the timer and the poller know of it, what
 * goes out, and how it ends.  Belongs to a carrier loop. */
#ifndef NOTIFIER_LINK_H
#define NOTIFIER_LINK_H

#include <stdbool.h>

#include "notifier/conn.h"
#include "notifier/loop.h"

/* Takes in a connection whose handshake is done. */
void link_adopt(struct loop *l, struct conn *c);

/* Who it is is known by now: it is not among those any more that must prove it. */
void link_know(struct loop *l, struct conn *c);

/* Lets a session whose grant is known into its merchant's room. */
void link_enter(struct loop *l, struct conn *c);

/* A ticket for what the connection waits for from the database; it has none yet. */
struct ticket link_take_ticket(struct loop *l, struct conn *c);
/* The connection that holds the ticket, which is used up; NULL: it has gone. */
struct conn *link_by_ticket(struct loop *l, int64_t number);

/* Says that the database is to judge the session's claim. */
void link_prove(struct loop *l, struct conn *c);

/* When the loop must look at it next; again whenever one of its times has changed. */
void link_set_timer(struct loop *l, struct conn *c);

/* Sends what waits. */
void link_flush(struct loop *l, struct conn *c);

/* Ends it in good order: the last words, then the time to see them; counted as `why`. */
void link_close(struct loop *l, struct conn *c, enum close_code code, enum metric why);

/* The same because of what the code says.  A poll and an ack are answered by a refusal. */
void link_refuse(struct loop *l, struct conn *c, enum close_code code);

/* Ends it.  It is freed when the round is over. */
void link_bury(struct loop *l, struct conn *c, enum metric why);
bool link_is_buried(const struct conn *c);
void link_free_buried(struct loop *l);

/* The loop's options are others now. */
void link_reconfigure(struct loop *l, struct conn *c);

/* Its time has come: what is due? */
void link_look_after(struct loop *l, struct conn *c);

/* In a drain each is told to go at a moment of its own. */
void link_plan_goodbye(struct loop *l, struct conn *c);

#endif
