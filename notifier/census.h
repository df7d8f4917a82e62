/* census.h - how many connections there are: in all, of one address, of one merchant.  Any thread.
 */
#ifndef NOTIFIER_CENSUS_H
#define NOTIFIER_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

struct census;

/* A bound of 0 is none. */
struct census_bounds {
	int64_t in_all, per_address, per_merchant;
};

struct census *census_new(const struct census_bounds *bounds); /* NULL: out of memory */
void census_free(struct census *c);                            /* accepts NULL */

/* From now on; who is in stays. */
void census_set_bounds(struct census *c, const struct census_bounds *bounds);

/* What an address (text) is counted under: IPv6 by its /64.  0 for loopback and for what is no
 * address: not counted, because a proxy or every program of this machine would share it. */
int64_t census_address_key(const char *address);

/* Counts one more; false when that would pass a bound: then nothing is counted. */
bool census_enter(struct census *c, int64_t address_key);
void census_leave(struct census *c, int64_t address_key);
bool census_enter_merchant(struct census *c, int64_t merchant);
void census_leave_merchant(struct census *c, int64_t merchant);

int64_t census_count(struct census *c);

#endif
