/* wiring.h - who tells whom: the parts know nothing of each other but the functions that are filled
 * in here. */
#ifndef NOTIFIER_WIRING_H
#define NOTIFIER_WIRING_H

#include "notifier/carrier.h"
#include "notifier/clerk.h"
#include "notifier/door.h"
#include "notifier/ledger.h"
#include "notifier/listener.h"

struct wiring {
	/* The parts, borrowed: each is to be here before one that calls it is started, until that
	 * one has ended. */
	struct listener *listener;
	struct ledger *ledger;
	struct clerk *clerk;
	struct carrier *carrier;
	/* What each calls; it borrows that for its life. */
	struct listener_sink listener_sink;
	struct ledger_sink ledger_sink;
	struct clerk_sink clerk_sink;
	struct carrier_needs carrier_needs;
	struct door_answers door_answers;
};

/* Fills in what each calls, and no part yet.  The wiring is not to be moved from now on. */
void wiring_lay(struct wiring *w);

#endif
