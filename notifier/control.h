/* control.h - what the payload of a notification on order_control says.  Pure.
 *
 *   {"acked":[42,43],"merchant":7,"by":"till-1"}  events were acked
 *   {"revoked":5,"merchant":7}                    a terminal's token holds no longer
 *   {"new_epoch":true,"merchant":7}               seqs may repeat; merchant null: of all
 *   {"probe":"9f3c01aa","call":1}                 a notifier tries whether it hears itself
 *
 * None is believed: each says what is worth a look. */
#ifndef NOTIFIER_CONTROL_H
#define NOTIFIER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum control_kind {
	CONTROL_ACKED,
	CONTROL_REVOKED,
	CONTROL_NEW_EPOCH,
	CONTROL_PROBE,
	CONTROL_UNKNOWN, /* of a later version, or of nobody's */
};

enum {
	CONTROL_SEQS_MAX = 1000, /* a payload has no room for more that matter */
	CONTROL_NONCE_MAX = 32,
};

struct control {
	enum control_kind kind;
	int64_t merchant; /* 0: none named (NEW_EPOCH: all; never of ACKED and REVOKED) */
	int64_t call;     /* PROBE */
	char nonce[CONTROL_NONCE_MAX + 1];
	size_t n_seqs; /* ACKED: 0 where none is named */
	int64_t seqs[CONTROL_SEQS_MAX];
};

void control_parse(const char *payload, struct control *c);

#endif
