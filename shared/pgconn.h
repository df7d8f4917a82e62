/* pgconn.h - one connection to PostgreSQL that comes back by itself.
 * Owned by one thread.  Never blocks beyond the deadline it is given (but for looking up a host's
 * name: a resolver that hangs hangs us; hostaddr needs none); never retries a statement on its own,
 * because only the caller knows whether it may run twice (one that the server did not know has not
 * run: it is sent once more, whole). */
#ifndef SHARED_PGCONN_H
#define SHARED_PGCONN_H

#include <libpq-fe.h>
#include <stdint.h>

/* A statement that is prepared on each new connection under its name; where something between us
 * and the server loses what was prepared, it is sent whole each time. */
struct pgconn_statement {
	const char *name;
	const char *sql;
};

struct pgconn;

/* Gives a connection object that is not connected yet; NULL when out of memory.
 * `conninfo` (libpq syntax; keepalives and target_session_attrs=read-write are added unless it
 * names them) and `application_name` are copied.  `statements` (ends with a NULL name; may be NULL)
 * is borrowed for life. `session_sql` (may be NULL, borrowed) runs first on each new connection:
 * SET statement_timeout and the like.  Behind a pooler in transaction mode it says little about the
 * session that a statement runs in: nothing that must hold may hang on it. */
struct pgconn *pgconn_new(const char *conninfo, const char *application_name,
    const char *session_sql, const struct pgconn_statement *statements);
void pgconn_free(struct pgconn *c); /* accepts NULL */

/* True once connected and prepared.  If not connected, tries each host of the conninfo (at most
 * `wait_ms` for all of it; the one that was connected last first, unless it fell silent), but not
 * before the back-off of the last failure is over: then it returns 0 at once.  After a connection
 * was lost the first try is made at once. */
int pgconn_ready(struct pgconn *c, int wait_ms);

/* Notifications are kept for the owner, who takes them by PQnotifies(pgconn_raw()); else they are
 * dropped.  To be called before the first pgconn_ready(). */
void pgconn_keep_notifications(struct pgconn *c);

/* Somebody waits for what the next statement gives: its answer is awaited with open eyes (vigil.h).
 */
void pgconn_hurry(struct pgconn *c);

/* Runs a prepared statement with text parameters and waits at most `wait_ms`.  Gives the result, or
 * NULL when the connection was lost or the deadline passed (the connection is then dropped, and
 * whether the statement took effect is unknown).  A PGresult with an SQL error is given as it is.
 * PQclear() it. */
PGresult *pgconn_exec(
    struct pgconn *c, const char *statement, int n_params, const char *const *params, int wait_ms);

/* The same for the text of one statement that was not prepared. */
PGresult *pgconn_query(
    struct pgconn *c, const char *sql, int n_params, const char *const *params, int wait_ms);

/* Forget the connection: the next pgconn_ready() makes a new one. */
void pgconn_drop(struct pgconn *c);

/* The libpq connection while ready, else NULL: for its socket and its notifications. */
PGconn *pgconn_raw(struct pgconn *c);

/* How many connections were made so far: when the number is another one, the session is too. */
unsigned pgconn_count(const struct pgconn *c);

/* Why the last try failed, one line, without the connection string; "" when nothing failed. */
const char *pgconn_error(const struct pgconn *c);

/* When the server was heard last, as clock_ms() has it; 0: never. */
int64_t pgconn_heard_ms(const struct pgconn *c);

/* ms until pgconn_ready() would try again; 0 when it would try now or is connected. */
int pgconn_retry_ms(const struct pgconn *c);

#endif
