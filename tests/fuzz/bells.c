/* bells - what anybody with a database login may say on order_events: it wakes, or is a whole
 * broadcast, or is nothing.
 * Input: a payload. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/bell.h"
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
	free(payload);
	return 0;
}
