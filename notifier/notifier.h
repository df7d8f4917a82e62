/* notifier.h - all parts of the program as one: made in order, set anew while they run, unmade in
 * reverse.  Called by main()'s thread alone. */
#ifndef NOTIFIER_NOTIFIER_H
#define NOTIFIER_NOTIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "notifier/options.h"
#include "shared/program.h"

enum { NOTIFIER_DRAIN_GRACE_MS = 6000 }; /* for what was said goodbye to, at the end */

struct notifier;

/* Borrows both; `n_descriptors` files may be open.  NULL: out of memory. */
struct notifier *notifier_new(
    const struct options *options, const struct program_start *started_as, int64_t n_descriptors);
/* Ends what runs; accepts NULL. */
void notifier_free(struct notifier *n);

/* False: it could not, and why is in the log. */
bool notifier_start(struct notifier *n);

/* Reads the settings again and has every part go by them; or, where they are not good, not. */
void notifier_reload(struct notifier *n);

/* Tells the terminals to go elsewhere, spread over this time, and waits for that, somewhat longer
 * at most; the manager that runs us is fed meanwhile. */
int notifier_drain_ms(const struct notifier *n);
void notifier_drain(struct notifier *n);

/* How it is, for people. */
struct notifier_state {
	const char *words;
	int64_t n_terminals, n_merchants;
};
struct notifier_state notifier_state(const struct notifier *n);

/* The name of a thread that has stood still since this was called last, or NULL. */
const char *notifier_still(struct notifier *n);

#endif
