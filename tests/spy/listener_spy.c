/* listener_spy CONNINFO - a listener whose sink is standard output: a JSON object a line for each
 * call.  It is told what to do on standard input, a line each: `watch N`, `unwatch N`; and ends
 * with it. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/listener.h"
#include "shared/log.h"

/* Both threads print. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
stream(void *arg, uint64_t watchers, int64_t merchant, const struct stand *stand)
{
	(void)arg;
	(void)watchers;
	pthread_mutex_lock(&lock);
	printf("{\"stream\":%" PRId64 ",\"epoch\":\"%s\",\"top\":%" PRId64 ",\"open\":", merchant,
	    stand->epoch, stand->top);
	for (size_t i = 0; stand->knows_open && i < stand->n_open; i++)
		printf("%s%" PRId64, i == 0 ? "[" : ",", stand->open[i]);
	printf("%s}\n", !stand->knows_open ? "null" : stand->n_open == 0 ? "[]" : "]");
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

/* What v1 clients get, behind the frame's header. */
static void
item_to_all(void *arg, struct item *it)
{
	size_t len, at;
	const uint8_t *wire = item_wire(it, WIRE_V1, &len);

	(void)arg;
	at = wire[1] < 126 ? 2 : wire[1] == 126 ? 4 : 10; /* a length may look like a brace */
	pthread_mutex_lock(&lock);
	printf("{\"item\":%" PRId64 ",\"message\":%.*s}\n", item_merchant(it), (int)(len - at),
	    (const char *)wire + at);
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

static void
item(void *arg, uint64_t watchers, struct item *it)
{
	(void)watchers;
	item_to_all(arg, it);
}

static void
terminals(void *arg, uint64_t watchers, int64_t merchant, const int64_t *ids, size_t n)
{
	(void)arg;
	(void)watchers;
	pthread_mutex_lock(&lock);
	printf("{\"terminals\":%" PRId64 ",\"ids\":[", merchant);
	for (size_t i = 0; i < n; i++)
		printf("%s%" PRId64, i == 0 ? "" : ",", ids[i]);
	printf("]}\n");
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

static void
flush(void *arg)
{
	(void)arg;
}

int
main(int argc, char **argv)
{
	static struct metrics metrics;
	const struct listener_sink sink = {
	    .stream = stream,
	    .item = item,
	    .item_to_all = item_to_all,
	    .terminals = terminals,
	    .flush = flush,
	};
	struct listener_options options = {.conninfo = argc == 2 ? argv[1] : ""};
	struct listener *l;
	char line[80];

	log_open("listener_spy");
	l = listener_new(&options, &sink, &metrics);
	if (l == NULL || !listener_start(l))
		return EXIT_FAILURE;
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (strncmp(line, "watch ", 6) == 0)
			listener_watch(l, 0, strtoll(line + 6, NULL, 10));
		else if (strncmp(line, "unwatch ", 8) == 0)
			listener_unwatch(l, 0, strtoll(line + 8, NULL, 10));
	}
	listener_stop(l);
	listener_free(l);
	return EXIT_SUCCESS;
}
