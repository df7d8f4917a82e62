/* partoptions.h - what the settings say to each part of the program.  Pure, but for a warning in
 * the log.  What is given borrows the settings. */
#ifndef NOTIFIER_PARTOPTIONS_H
#define NOTIFIER_PARTOPTIONS_H

#include <stdint.h>

#include "notifier/access.h"
#include "notifier/carrier.h"
#include "notifier/census.h"
#include "notifier/clerk.h"
#include "notifier/door.h"
#include "notifier/ledger.h"
#include "notifier/listener.h"
#include "notifier/options.h"
#include "notifier/pulse.h"

enum { DESCRIPTORS_RESERVED = 256 }; /* for civetweb's hands, the database, files */

/* `n_descriptors`: files that may be open. */
struct census_bounds partoptions_bounds(const struct options *o, int64_t n_descriptors);

struct access *partoptions_access(const struct options *o); /* the caller's; NULL: out of memory */

struct listener_options partoptions_listener(const struct options *o, struct pulse *pulse);
struct ledger_options partoptions_ledger(const struct options *o, struct pulse *pulse);
struct clerk_options partoptions_clerk(const struct options *o, int64_t n_descriptors);
struct carrier_options partoptions_carrier(const struct options *o, struct pulse *pulse);
struct door_options partoptions_door(
    const struct options *o, int64_t n_descriptors, struct pulse *pulse);

#endif
