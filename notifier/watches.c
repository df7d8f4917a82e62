#include "notifier/watches.h"

#include <stdlib.h>
#include <string.h>

void
watches_init(struct watches *ws)
{
	*ws = (struct watches){0};
	idmap_init(&ws->by_merchant);
}

void
watches_fini(struct watches *ws)
{
	size_t at = 0;
	struct watch *w;

	while ((w = watches_next(ws, &at)) != NULL) {
		watch_forget_open(w);
		free(w);
	}
	idmap_fini(&ws->by_merchant);
	free(ws->dirty);
}

struct watch *
watches_get(const struct watches *ws, int64_t merchant)
{
	return idmap_get(&ws->by_merchant, merchant);
}

size_t
watches_count(const struct watches *ws)
{
	return ws->by_merchant.n;
}

struct watch *
watches_next(const struct watches *ws, size_t *at)
{
	return idmap_next(&ws->by_merchant, at);
}

/* A watch that is forgotten would lose orders in silence: no memory is the end. */
struct watch *
watches_start(struct watches *ws, int64_t merchant, int watcher)
{
	struct watch *w = watches_get(ws, merchant);

	if (w == NULL) {
		w = calloc(1, sizeof *w);
		if (w == NULL || !idmap_put(&ws->by_merchant, merchant, w))
			abort();
		w->merchant = merchant;
		w->last = INT64_MAX;
	}
	if (watches_count(ws) > ws->dirty_room) {
		ws->dirty_room = watches_count(ws) * 2;
		ws->dirty = realloc(ws->dirty, ws->dirty_room * sizeof(struct watch *));
		if (ws->dirty == NULL)
			abort();
	}
	w->watchers |= UINT64_C(1) << watcher;
	if (!w->is_known) {
		w->was_asked = true;
		ws->has_unknown = true;
	}
	return w;
}

void
watches_end(struct watches *ws, int64_t merchant, int watcher)
{
	struct watch *w = watches_get(ws, merchant);

	if (w == NULL)
		return;
	w->watchers &= ~(UINT64_C(1) << watcher);
	if (w->watchers != 0)
		return;
	for (size_t i = 0; w->is_dirty && i < ws->n_dirty; i++) {
		if (ws->dirty[i] == w) {
			ws->dirty[i] = ws->dirty[--ws->n_dirty];
			break;
		}
	}
	idmap_remove(&ws->by_merchant, merchant);
	watch_forget_open(w);
	free(w);
}

void
watches_mark_due(struct watches *ws, struct watch *w)
{
	w->reread_at_ms = 0;
	beyond_ask(&w->beyond);
	ws->has_due = true;
}

void
watches_doubt_all(struct watches *ws)
{
	size_t at = 0;
	struct watch *w;

	while ((w = watches_next(ws, &at)) != NULL) {
		w->is_open_sure = false;
		beyond_doubt(&w->beyond);
		watches_mark_due(ws, w);
	}
}

struct stand
watch_stand(const struct watch *w)
{
	return (struct stand){
	    .epoch = w->epoch,
	    .top = w->last,
	    .kept_from = w->kept_from,
	    .knows_open = w->is_open_sure && !w->open.is_cut,
	    .n_open = w->open.n,
	    .open = w->open.seqs,
	};
}

void
watch_note_open(struct watch *w, int64_t seq)
{
	int64_t left_out = openset_add(&w->open, seq);

	if (left_out != 0)
		beyond_add(&w->beyond, left_out);
}

void
watch_note_acked(struct watch *w, int64_t seq)
{
	openset_remove(&w->open, seq);
	beyond_remove(&w->beyond, seq);
}

bool
watch_may_hold(const struct watch *w, int64_t seq)
{
	return openset_has(&w->open, seq) || beyond_may_hold(&w->beyond, seq);
}

int64_t
watch_lowest_end(const struct watch *w)
{
	if (!w->open.is_cut)
		return INT64_MAX;
	return w->open.n == 0 ? 0 : w->open.seqs[w->open.n - 1];
}

void
watch_set_open(struct watch *w, const struct opening *now)
{
	int64_t end = now->is_all ? INT64_MAX : now->seqs[now->n - 1];

	/* Those that it leaves out go on being held. */
	for (uint32_t i = w->open.n; i > 0 && w->open.seqs[i - 1] > end; i--)
		beyond_add(&w->beyond, w->open.seqs[i - 1]);
	for (size_t i = 0; i < now->n; i++)
		beyond_remove(&w->beyond, now->seqs[i]);
	openset_set(&w->open, now->seqs, now->n, now->is_all);
	beyond_look(&w->beyond, watch_lowest_end(w), w->open.is_cut);
}

void
watch_forget_open(struct watch *w)
{
	openset_fini(&w->open);
	beyond_fini(&w->beyond);
}

void
watches_hold(struct watches *ws, int64_t merchant)
{
	struct watch *w = watches_get(ws, merchant);

	if (w != NULL)
		w->n_holds++;
}

void
watches_release(struct watches *ws, int64_t merchant)
{
	struct watch *w = watches_get(ws, merchant);

	if (w == NULL || w->n_holds == 0 || --w->n_holds > 0 || !w->is_awaited)
		return;
	w->is_awaited = false;
	watches_mark_dirty(ws, w);
}

void
watches_mark_dirty(struct watches *ws, struct watch *w)
{
	if (w->is_dirty || !w->is_known)
		return;
	w->is_dirty = true;
	ws->dirty[ws->n_dirty++] = w;
}

/* From the front: however busy some are, each has its turn. */
size_t
watches_take_dirty(struct watches *ws, struct watch **taken, size_t most)
{
	size_t n = 0, at = 0;

	for (; n < most && at < ws->n_dirty; at++) {
		struct watch *w = ws->dirty[at];

		w->is_dirty = false;
		w->is_awaited = w->n_holds > 0;
		if (!w->is_awaited)
			taken[n++] = w;
	}
	ws->n_dirty -= at;
	memmove(ws->dirty, ws->dirty + at, ws->n_dirty * sizeof(struct watch *));
	return n;
}

void
watches_put_back(struct watches *ws, struct watch *const *taken, size_t n, size_t n_served)
{
	for (size_t i = 0; i < n; i++)
		watches_mark_dirty(ws, taken[(n_served + i) % n]);
}
