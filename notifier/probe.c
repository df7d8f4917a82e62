#include "notifier/probe.h"

#include <stdio.h>
#include <string.h>

void
probe_reset(struct probe *p, int64_t now_ms)
{
	p->nonce[0] = '\0';
	p->next_ms = now_ms;
}

bool
probe_is_due(const struct probe *p, int64_t now_ms)
{
	return p->nonce[0] == '\0' && now_ms >= p->next_ms;
}

void
probe_begin(struct probe *p, const char *nonce)
{
	snprintf(p->nonce, sizeof p->nonce, "%s", nonce);
	p->heard = 0;
	p->deadline_ms = 0;
}

void
probe_called(struct probe *p, bool is_done, int64_t now_ms)
{
	if (p->nonce[0] == '\0')
		return;
	if (is_done) {
		p->deadline_ms = now_ms + PROBE_HEAR_MS;
		return;
	}
	p->nonce[0] = '\0';
	p->next_ms = now_ms + PROBE_RETRY_MS;
}

void
probe_hear(struct probe *p, const char *nonce, int64_t call)
{
	if (p->nonce[0] != '\0' && strcmp(nonce, p->nonce) == 0 && call >= 1 && call <= PROBE_CALLS)
		p->heard |= 1u << (call - 1);
}

bool
probe_judge(struct probe *p, int64_t now_ms)
{
	bool was_deaf = p->is_deaf;
	bool heard_all = p->heard == (1u << PROBE_CALLS) - 1;

	if (p->nonce[0] == '\0')
		return false;
	if (!heard_all && (p->deadline_ms == 0 || now_ms < p->deadline_ms))
		return false;
	p->is_deaf = !heard_all;
	p->nonce[0] = '\0';
	p->next_ms = now_ms + PROBE_AGAIN_MS;
	return p->is_deaf != was_deaf;
}
