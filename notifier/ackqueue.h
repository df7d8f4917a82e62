/* ackqueue.h - acks that wait to be written.  Many are written together, for one flush of the disk;
 * where the database refuses some, a row is locked say, half as many are tried, and so on, until
 * the one that cannot be written stands alone: it waits aside, and keeps nobody else from being
 * kept.  Bounded.  Pure; the owner locks. */
#ifndef NOTIFIER_ACKQUEUE_H
#define NOTIFIER_ACKQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/handshake.h"
#include "notifier/page.h"

enum {
	ACKQUEUE_MAX = 4096,      /* acks waiting */
	ACKQUEUE_BATCH = 256,     /* acks written together */
	ACKQUEUE_SEQS = 2000,     /* seqs of them, unless the first alone has more */
	ACKQUEUE_ASIDE_MS = 1000, /* between two tries of one that waits aside */
};

struct ack {
	struct ack *next;
	struct ticket ticket;
	int64_t merchant;
	size_t n_seqs;
	char by[SID_MAX + 1];
	char seqs[]; /* a PostgreSQL array */
};

/* Gives an ack; NULL: out of memory.  free() it. */
struct ack *ack_new(
    struct ticket ticket, int64_t merchant, const int64_t *seqs, size_t n, const char *by);

struct ackqueue {
	struct ack *first, **last;
	struct ack *aside, **last_aside;
	size_t n, batch;
	int64_t aside_at_ms; /* when one of those aside is tried again */
	bool took_aside;     /* what was taken last is one of them */
};

void ackqueue_init(struct ackqueue *q);
void ackqueue_fini(struct ackqueue *q); /* frees what waits */

/* Takes the ack; false: there are too many, it stays the caller's. */
bool ackqueue_add(struct ackqueue *q, struct ack *a);

bool ackqueue_is_empty(const struct ackqueue *q); /* nor any aside */
bool ackqueue_is_due(const struct ackqueue *q);   /* some are to be written now */

/* Takes those that are to be written together now: a list; NULL: none.  It goes back by one of the
 * three below. */
struct ack *ackqueue_take(struct ackqueue *q, int64_t now_ms);

void ackqueue_kept(struct ackqueue *q, struct ack *list); /* frees it */
void ackqueue_refused(struct ackqueue *q, struct ack *list, int64_t now_ms);
void ackqueue_return(struct ackqueue *q, struct ack *list); /* there was no database */

#endif
