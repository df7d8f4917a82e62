/* ear.h - what the listener does with the notifications it hears.  Owned by the listener's thread.
 *
 * None is believed: anybody who may log in may NOTIFY.  Each only says what is worth a look. */
#ifndef NOTIFIER_EAR_H
#define NOTIFIER_EAR_H

#include <stdbool.h>

#include "notifier/probe.h"
#include "notifier/reader.h"

/* All is borrowed. */
struct ear {
	const struct listener_options *options;
	struct reader *reader;
	struct probe *probe;
};

/* Hears all that has come.  False: the connection was lost. */
bool ear_hear(struct ear *e);

#endif
