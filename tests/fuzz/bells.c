/* bells - what anybody with a database login may say: on order_events it wakes, or is a whole
 * broadcast, or is nothing; on order_control it names what is worth a look, or nothing.
 * Input: a payload. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/bell.h"
#include "notifier/control.h"
#include "shared/json.h"
#include "tests/fuzz/by_the_book.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void
check_ring(const struct bell *bell)
{
	assert(bell->merchant > 0 && bell->seq >= 0 && bell->broadcast.content == NULL);
}

static void
check_broadcast(const struct bell *bell)
{
	const struct event *ev = &bell->broadcast;
	struct item *it;

	assert(bell->merchant >= 0 && ev->merchant == bell->merchant);
	assert(ev->type >= 1 && ev->content != NULL);
	assert(by_the_book_utf8((const uint8_t *)ev->content, strlen(ev->content), false));
	/* Live-only: it has no place in the merchant's stream. */
	assert(ev->seq == 0 && ev->epoch == NULL && ev->at == NULL && ev->acked_by == NULL);
	it = item_new(ev, true);
	assert(it != NULL && item_seq(it) == 0 && item_merchant(it) == bell->merchant);
	item_release(it);
}

static void
check_control(const char *payload)
{
	static struct control c;

	memset(&c, 0xff, sizeof c);
	control_parse(payload, &c);
	assert(c.n_seqs <= CONTROL_SEQS_MAX && (c.kind == CONTROL_UNKNOWN || c.merchant >= 0));
	assert(memchr(c.nonce, '\0', sizeof c.nonce) != NULL);
	switch (c.kind) {
	case CONTROL_ACKED:
		assert(c.merchant > 0);
		for (size_t i = 0; i < c.n_seqs; i++)
			assert(c.seqs[i] > 0);
		break;
	case CONTROL_REVOKED: assert(c.merchant > 0); break;
	case CONTROL_PROBE:
		assert(by_the_book_utf8((const uint8_t *)c.nonce, strlen(c.nonce), false));
		break;
	case CONTROL_NEW_EPOCH:
	case CONTROL_UNKNOWN: break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *payload = malloc(size + 1);
	struct bell bell;
	json_object *json;

	memcpy(payload, input, size);
	payload[size] = '\0';
	memset(&bell, 0xff, sizeof bell);
	bell_parse(payload, &bell, &json);
	switch (bell.kind) {
	case BELL_RING: check_ring(&bell); break;
	case BELL_BROADCAST: check_broadcast(&bell); break;
	case BELL_BAD: break;
	}
	assert(bell.kind == BELL_BAD || json != NULL);
	json_object_put(json);
	check_control(payload);
	free(payload);
	return 0;
}
