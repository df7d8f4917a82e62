#include "notifier/wiring.h"

/* --- what the listener tells --- */

static void
sink_stream(void *arg, uint64_t loops, int64_t merchant, const struct stand *stand)
{
	carrier_post_stream(((struct wiring *)arg)->carrier, loops, merchant, stand);
}

static void
sink_open(void *arg, uint64_t loops, int64_t merchant, const struct stand *stand)
{
	carrier_post_open(((struct wiring *)arg)->carrier, loops, merchant, stand);
}

static void
sink_doubt(void *arg)
{
	carrier_post_doubt(((struct wiring *)arg)->carrier);
}

static void
sink_item(void *arg, uint64_t loops, struct item *it)
{
	carrier_post_item(((struct wiring *)arg)->carrier, loops, it);
}

static void
sink_item_to_all(void *arg, struct item *it)
{
	carrier_post_item_to_all(((struct wiring *)arg)->carrier, it);
}

static void
sink_terminals(void *arg, uint64_t loops, int64_t merchant, const int64_t *ids, size_t n)
{
	carrier_post_terminals(((struct wiring *)arg)->carrier, loops, merchant, ids, n);
}

static void
sink_mode(void *arg, bool is_poll_only)
{
	clerk_set_mode(((struct wiring *)arg)->clerk, is_poll_only);
}

static void
sink_flush(void *arg)
{
	carrier_flush(((struct wiring *)arg)->carrier);
}

/* --- what the carrier asks for --- */

static void
watch(void *arg, int loop, int64_t merchant)
{
	listener_watch(((struct wiring *)arg)->listener, loop, merchant);
}

static void
unwatch(void *arg, int loop, int64_t merchant)
{
	listener_unwatch(((struct wiring *)arg)->listener, loop, merchant);
}

static void
hold(void *arg, int64_t merchant)
{
	listener_hold(((struct wiring *)arg)->listener, merchant);
}

static void
release(void *arg, int64_t merchant)
{
	listener_release(((struct wiring *)arg)->listener, merchant);
}

static void
ask(void *arg, int loop, enum page_kind kind, int64_t merchant, int64_t after)
{
	ledger_ask(((struct wiring *)arg)->ledger, loop, kind, merchant, after);
}

static bool
ack(void *arg, struct ticket ticket, int64_t merchant, const int64_t *seqs, size_t n,
    const char *by)
{
	return ledger_ack(((struct wiring *)arg)->ledger, ticket, merchant, seqs, n, by);
}

static bool
prove(void *arg, struct ticket ticket, int64_t terminal)
{
	return ledger_prove(((struct wiring *)arg)->ledger, ticket, terminal);
}

static void
present(void *arg, const struct clerk_presence *presence)
{
	clerk_present(((struct wiring *)arg)->clerk, presence);
}

static void
gone(void *arg, int64_t connection)
{
	clerk_gone(((struct wiring *)arg)->clerk, connection);
}

static void
delivered(void *arg, const struct clerk_delivery *facts, size_t n)
{
	clerk_delivered(((struct wiring *)arg)->clerk, facts, n);
}

/* --- what the clerk and the ledger answer --- */

static void
sink_retell(void *arg)
{
	carrier_retell(((struct wiring *)arg)->carrier);
}

static void
sink_kept(void *arg, struct ticket ticket)
{
	carrier_post_kept(((struct wiring *)arg)->carrier, ticket);
}

static void
sink_record(void *arg, struct ticket ticket, const struct terminal_record *record)
{
	carrier_post_record(((struct wiring *)arg)->carrier, ticket, record);
}

static void
sink_page(void *arg, int loop, struct page *p)
{
	carrier_post_page(((struct wiring *)arg)->carrier, loop, p);
}

/* --- what the door asks --- */

static bool
is_ready(void *arg)
{
	return listener_is_ready(((struct wiring *)arg)->listener);
}

/* --- all of it --- */

void
wiring_lay(struct wiring *w)
{
	*w = (struct wiring){
	    .listener_sink =
		{
		    .arg = w,
		    .stream = sink_stream,
		    .open = sink_open,
		    .doubt = sink_doubt,
		    .item = sink_item,
		    .item_to_all = sink_item_to_all,
		    .terminals = sink_terminals,
		    .mode = sink_mode,
		    .flush = sink_flush,
		},
	    .ledger_sink = {w, sink_page, sink_kept, sink_record},
	    .clerk_sink = {w, sink_retell},
	    .carrier_needs =
		{
		    .arg = w,
		    .watch = watch,
		    .unwatch = unwatch,
		    .hold = hold,
		    .release = release,
		    .ask = ask,
		    .ack = ack,
		    .prove = prove,
		    .present = present,
		    .gone = gone,
		    .delivered = delivered,
		},
	    .door_answers = {w, is_ready},
	};
}
