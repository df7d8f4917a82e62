#include "tests/bench/follower.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t
follower_hello(const struct follower *f, const char *hello, char *out, size_t size)
{
	size_t len = strlen(hello);
	int n;

	if (f->has_cursor && len > 0)
		n = snprintf(out, size, "%.*s,\"after\":{\"epoch\":\"%s\",\"seq\":%" PRId64 "}}",
		    (int)len - 1, hello, f->epoch, f->last);
	else
		n = snprintf(out, size, "%s", hello);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

void
follower_welcome(struct follower *f, const char *epoch, size_t epoch_len, bool recovered)
{
	if (epoch_len > FOLLOWER_EPOCH_MAX)
		epoch_len = FOLLOWER_EPOCH_MAX;
	memcpy(f->epoch, epoch, epoch_len);
	f->epoch[epoch_len] = '\0';
	f->is_strict = recovered && f->has_cursor;
	if (f->is_strict)
		return;
	f->has_cursor = false; /* until caught_up: what lies below is not all told */
	f->last = f->hole_first = f->hole_last = 0;
}

enum follower_verdict
follower_event(struct follower *f, int64_t seq)
{
	if (seq <= f->last)
		return seq >= f->hole_first && seq <= f->hole_last ? FOLLOWER_DISORDER
		                                                   : FOLLOWER_REPEAT;
	if (f->is_strict && seq > f->last + 1) {
		f->hole_first = f->last + 1;
		f->hole_last = seq - 1;
		f->last = seq;
		return FOLLOWER_HOLE;
	}
	f->last = seq;
	return FOLLOWER_GOOD;
}

enum follower_verdict
follower_caught_up(struct follower *f, int64_t top)
{
	enum follower_verdict verdict = FOLLOWER_GOOD;

	if (f->last > top) {
		verdict = FOLLOWER_EARLY;
	} else {
		if (f->is_strict && f->last < top)
			verdict = FOLLOWER_HOLE;
		f->last = top;
	}
	f->is_strict = true;
	f->has_cursor = f->epoch[0] != '\0';
	return verdict;
}
