/* hear.h - what comes in from a terminal's socket: messages, or the body of an ack.  Belongs to a
 * carrier loop. */
#ifndef NOTIFIER_HEAR_H
#define NOTIFIER_HEAR_H

#include "notifier/conn.h"
#include "notifier/loop.h"

/* The socket is readable. */
void hear_socket(struct loop *l, struct conn *c);

/* An ack's body goes to the ledger if it is whole. */
void hear_body(struct loop *l, struct conn *c);

#endif
