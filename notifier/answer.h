/* answer.h - the HTTP answers that the carrier gives: what comes before a stream, and the one
 * answer of a poll or an ack.  Every connection ends with its answer.  Pure: into an outbox. */
#ifndef NOTIFIER_ANSWER_H
#define NOTIFIER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/frame.h"
#include "notifier/hub.h"
#include "notifier/outbox.h"
#include "notifier/page.h"

enum {
	ANSWER_HEAD_MAX = 512,
	ANSWER_EVENTS_MAX = PAGE_ITEMS, /* of one poll */
	ANSWER_BYTES_MAX = 256 << 10,   /* of them, unless the first alone is longer */
};

/* Writes what comes before a stream of Server-Sent Events, with the time after which a browser is
 * to come back; gives its length. */
size_t answer_stream_head(char head[ANSWER_HEAD_MAX], int retry_ms);

/* One event of a stream: NULL name is that of every client, NULL id none.  False: out of memory. */
bool answer_stream_event(
    struct outbox *out, const char *name, const char *id, const char *text, size_t len);

/* What a poll is told. */
struct poll_answer {
	int64_t merchant;
	struct item_run run; /* the events */
	const char *epoch;
	int64_t seq; /* where the next poll goes on */
	bool recovered, is_caught_up;
	const char *open; /* of answer_open_header(); NULL: not asked for */
};

/* The header that tells the un-acked seqs up to a cursor; owned by the caller, NULL when out of
 * memory. */
char *answer_open_header(const struct stand *stand, int64_t upto);

/* How many events of a run, from seq `from` on, one answer holds; items of no seq are not for it.
 */
uint64_t answer_poll_fit(const struct item_run *run, int64_t from);

bool answer_poll(struct outbox *out, const struct poll_answer *answer);

/* {"acked":[…]}: these are kept. */
bool answer_acked(struct outbox *out, const int64_t *seqs, size_t n);

/* A refusal in the words of HTTP. */
bool answer_refusal(struct outbox *out, enum close_code code);

#endif
