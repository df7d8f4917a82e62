/* clerk_store.h - the clerk's statements: a connection to the database, and the books in it.
 * Owned by one thread. */
#ifndef NOTIFIER_CLERK_STORE_H
#define NOTIFIER_CLERK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "notifier/clerk_queue.h"
#include "notifier/clerk_sheet.h"

/* What came of a statement. */
enum clerk_answer {
	CLERK_OK,
	CLERK_REFUSED, /* an error of SQL, in the log: repeating it would not help */
	CLERK_LOST,    /* no database; whether it took effect is unknown */
};

struct clerk_store;

/* All is borrowed for its life: `name` is the notifier's, for people.  Does not connect yet.  NULL:
 * out of memory or random numbers. */
struct clerk_store *clerk_store_new(const char *conninfo, const char *name);
void clerk_store_free(struct clerk_store *s); /* accepts NULL */

/* Of this run of the program: another one for each, for what an earlier one left behind belongs to
 * somebody else. */
const char *clerk_store_id(const struct clerk_store *s);

/* Connects if need be, as pgconn_ready() does. */
bool clerk_store_ready(struct clerk_store *s, int wait_ms);
bool clerk_store_is_up(const struct clerk_store *s);
unsigned clerk_store_session(const struct clerk_store *s); /* another number: another session */
const char *clerk_store_error(const struct clerk_store *s);

/* The lease is renewed.  *is_new, where the answer is OK: the books had us not, so that whatever
 * was written of our connections is gone too. */
enum clerk_answer clerk_store_beat(struct clerk_store *s, bool is_poll_only, bool *is_new);
/* This notifier is taken off the books. */
enum clerk_answer clerk_store_bye(struct clerk_store *s);

/* Presence: all of ours is wiped out; some changes, at most CLERK_ROWS_MAX, are written, and
 * *n_gave_way others that poll went for them. */
enum clerk_answer clerk_store_forget(struct clerk_store *s);
enum clerk_answer clerk_store_presence(
    struct clerk_store *s, const struct clerk_change *changes, size_t n, int64_t *n_gave_way);

/* Facts, at most CLERK_ROWS_MAX; one may be told twice. */
enum clerk_answer clerk_store_delivered(
    struct clerk_store *s, const struct clerk_delivery *told, size_t n);

/* Raises alerts, at most so many, for what nobody acked, and gives how many it were. */
enum clerk_answer clerk_store_escalate(
    struct clerk_store *s, int64_t after_s, int most, int64_t *n_alerts);
/* How long the oldest event waits that nobody has acked; 0: there is none. */
enum clerk_answer clerk_store_oldest(struct clerk_store *s, int64_t *age_s);

#endif
