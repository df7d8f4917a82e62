/* probe.h - whether notifications reach us at all: we call ourselves, from another connection, and
 * listen.  Pure; the owner makes the calls and brings the time (ms).
 *
 * Behind a pooler in transaction mode LISTEN is that of a server connection which is ours for the
 * length of a statement: notifications go wherever that connection is just then.  It is ours again
 * now and then, so one call may be heard by chance: several must be, one after the other. */
#ifndef NOTIFIER_PROBE_H
#define NOTIFIER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PROBE_CALLS = 3,
	PROBE_CALL_GAP_MS = 100,
	PROBE_HEAR_MS = 2000,    /* to be heard after the last call */
	PROBE_AGAIN_MS = 180000, /* whatever it said last time, so that a false alarm heals */
	PROBE_RETRY_MS = 30000,  /* where the calls could not be made */
	PROBE_NONCE_MAX = 32,
};

struct probe {
	char nonce[PROBE_NONCE_MAX + 1]; /* "": no probe is under way */
	unsigned heard;                  /* a bit for each call */
	int64_t deadline_ms;             /* 0: the calls are being made */
	int64_t next_ms;
	bool is_deaf; /* the last verdict */
};

/* A new session: is to be probed at once. */
void probe_reset(struct probe *p, int64_t now_ms);

bool probe_is_due(const struct probe *p, int64_t now_ms);

/* The calls 1 to PROBE_CALLS with that nonce begin; they are told to be over, or to have failed. */
void probe_begin(struct probe *p, const char *nonce);
void probe_called(struct probe *p, bool is_done, int64_t now_ms);

/* A call was heard. */
void probe_hear(struct probe *p, const char *nonce, int64_t call);

/* All that had come by then was heard.  True when the verdict has changed. */
bool probe_judge(struct probe *p, int64_t now_ms);

#endif
