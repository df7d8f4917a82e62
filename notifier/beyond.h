/* beyond.h - the un-acked events of a merchant above the lowest ones that an openset knows, as far
 * as his terminals here may ring for them; and how far it was looked whether they still are.
 * Pure; one owner; zeroed is empty, as it is where no merchant leaves very many un-acked.
 *
 * To look at them all is a pass: page after page, from the lowest on.  The first one finds which
 * there are: until then all that there may be are held, and those that it finds acked were so most
 * likely before anybody here was told of them. */
#ifndef NOTIFIER_BEYOND_H
#define NOTIFIER_BEYOND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/openset.h"
#include "notifier/seqruns.h"

enum { BEYOND_EVERY = 10 };

struct beyond {
	struct seqruns held;
	int64_t at;        /* of a pass: up to here it has looked */
	bool is_looking;   /* a pass goes on */
	bool must_again;   /* when it ends another one is to follow */
	bool is_first;     /* and nothing that was said since it began has been missed */
	bool must_look;    /* the next time is one to look at them */
	int n_passed_over; /* times since the last one that was */
};

void beyond_fini(struct beyond *b);

/* Terminals may hold any event from `first` to `last`: its first pass begins. */
void beyond_begin(struct beyond *b, int64_t first, int64_t last);

/* The same as of an openset. */
void beyond_add(struct beyond *b, int64_t seq);
void beyond_remove(struct beyond *b, int64_t seq);
bool beyond_may_hold(const struct beyond *b, int64_t seq);

/* The lowest were read, `above` is the last of them; there are more (`has_more`), or terminals may
 * hold more: a pass begins, now or after the one that goes on.  Where there are more and nothing is
 * known to have been missed, every BEYOND_EVERY-th time: it costs a query for each thousand. */
void beyond_look(struct beyond *b, int64_t above, bool has_more);

/* The pass is given up. */
void beyond_look_away(struct beyond *b);

/* The next time is one to look at them. */
void beyond_ask(struct beyond *b);

/* The same, for something may have been missed: also of what a first pass has yet to look at. */
void beyond_doubt(struct beyond *b);

/* A page was read: what is un-acked behind b->at, up to `upto`.  Of what was held, that which is
 * un-acked no more: `gone` takes OPENSET_MAX.  Gives how many, and moves on. */
size_t beyond_take(
    struct beyond *b, const struct opening *page, int64_t above, int64_t upto, int64_t *gone);

#endif
