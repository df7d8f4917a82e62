/* pghosts.h - the servers that a libpq connection string names, one at a time.
 * libpq goes on to the next host when one stays silent only where it blocks; who connects without
 * blocking has to do it himself.  Pure; one owner. */
#ifndef SHARED_PGHOSTS_H
#define SHARED_PGHOSTS_H

#include <stdbool.h>
#include <stddef.h>

struct pghosts;

/* True when libpq understands the string (key=value or a URI). */
bool pghosts_understands(const char *conninfo);

/* Gives the hosts of a connection string, at least one (what libpq takes when none is named).
 * NULL: out of memory, or not understood. */
struct pghosts *pghosts_new(const char *conninfo);
void pghosts_free(struct pghosts *h); /* accepts NULL */

size_t pghosts_count(const struct pghosts *h);

/* Most keywords of one connection, the closing NULL included. */
enum { PGHOSTS_KEYWORDS_MAX = 96 };

/* Fills in what connects to host `i`, from index `n` on (what stands before are defaults), for
 * PQconnectStartParams().  The texts are borrowed from `h`. */
void pghosts_fill(const struct pghosts *h, size_t i, const char *keywords[PGHOSTS_KEYWORDS_MAX],
    const char *values[PGHOSTS_KEYWORDS_MAX], size_t n);

#endif
