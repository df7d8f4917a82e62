/* item.h - one thing to show at a merchant's terminals, encoded once for each kind of client and
 * then shared by all of them.  Immutable; any thread may hold a reference. */
#ifndef NOTIFIER_ITEM_H
#define NOTIFIER_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How an item is written on the wire. */
enum wire {
	WIRE_PLAIN, /* WebSocket text frame for clients that know type, orderId and content */
	WIRE_V1,    /* WebSocket text frame of orderbell.v1 */
	WIRE_SSE,   /* event of a Server-Sent Events stream; its last field is the id, the cursor */
	WIRE_COUNT
};

/* What there is to tell.  All strings are borrowed, UTF-8, NUL-terminated. */
struct event {
	int64_t merchant;
	int64_t seq; /* 0: a live-only broadcast, which has no id, seq, epoch and at */
	int64_t id;  /* of its row */
	int64_t order_id;
	bool has_order_id;
	int type; /* 1 new order, 2 reminder, others are the DBA's own */
	const char *content;
	const char *epoch;
	const char *at;       /* RFC 3339, UTC */
	const char *acked_by; /* NULL while nobody has seen it */
	const char *details;  /* see details.h; not for plain clients */
};

struct item;

/* Encodes; gives a reference, NULL when out of memory.  With escape_plain the content that plain
 * clients get has & < > " ' as HTML entities: a known one puts it into its page raw. */
struct item *item_new(const struct event *ev, bool escape_plain);

enum { ITEM_ACKS_MAX = 1000 }; /* of one that tells of them */

/* Tells that a merchant's events were acked at terminal `by`; not for plain clients.  NULL when out
 * of memory. */
struct item *item_new_acked(int64_t merchant, const int64_t *seqs, size_t n, const char *by);

/* What an item of item_new_acked() tells; *n is 0 for others.  Borrowed. */
const int64_t *item_acked(const struct item *it, size_t *n, const char **by);

/* The same event after it was acked: who comes late is told so with it.  Gives a reference; NULL
 * when out of memory. */
struct item *item_with_ack(struct item *it, const char *by);

struct item *item_hold(struct item *it); /* one more reference */
void item_release(struct item *it);      /* accepts NULL */

int64_t item_merchant(const struct item *it);
int64_t item_seq(const struct item *it);

/* The bytes for that kind of client; *len is 0 when it is not to get this item. */
const uint8_t *item_wire(const struct item *it, enum wire wire, size_t *len);

/* The JSON text of an event, as in a v1 frame. */
const char *item_json(const struct item *it, size_t *len);

bool item_is_acked(const struct item *it); /* the event itself says by whom */

/* True for the first who asks, when it is an event that nobody has acked: it is being sent for the
 * first time, as far as this item knows. */
bool item_is_first_sent(struct item *it);
int64_t item_id(const struct item *it);    /* of the event's row; 0: none */
int64_t item_at_ms(const struct item *it); /* of its commit, Unix ms; 0: none */

/* Memory that the item takes, for those who keep many. */
size_t item_size(const struct item *it);

#endif
