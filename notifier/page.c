#include "notifier/page.h"

#include <stdlib.h>

struct page *
page_new(enum page_kind kind, int64_t merchant, int64_t after)
{
	struct page *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->kind = kind;
	p->merchant = merchant;
	p->after = after;
	return p;
}

void
page_free(struct page *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_items; i++)
		item_release(p->items[i]);
	free(p);
}

struct stand
page_stand(const struct page *opening)
{
	return (struct stand){
	    .epoch = opening->epoch,
	    .top = opening->top,
	    .kept_from = opening->kept_from,
	    .knows_open = true,
	    .n_open = opening->n_open,
	    .open = opening->open,
	};
}
