#include "notifier/wheel.h"

#include <stddef.h>

void
wheel_init(struct wheel *w, int64_t now_ms)
{
	w->tick = 0;
	w->start_ms = now_ms;
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		w->slots[i].prev = w->slots[i].next = &w->slots[i];
}

void
wheel_cancel(struct wheel_timer *t)
{
	if (t->next == NULL)
		return;
	t->prev->next = t->next;
	t->next->prev = t->prev;
	t->prev = t->next = NULL;
}

void
wheel_set(struct wheel *w, struct wheel_timer *t, int64_t due_ms)
{
	int64_t tick = (due_ms - w->start_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
	struct wheel_timer *head;

	wheel_cancel(t);
	/* Never into the slot that is being run: a timer that is always due would run for ever. */
	t->due_tick = tick > w->tick ? (uint32_t)tick : w->tick + 1;
	head = &w->slots[t->due_tick % WHEEL_SLOTS];
	t->prev = head->prev;
	t->next = head;
	t->prev->next = t->next->prev = t;
}

struct wheel_timer *
wheel_run(struct wheel *w, int64_t now_ms)
{
	uint32_t now_tick = (uint32_t)((now_ms - w->start_ms) / WHEEL_TICK_MS);

	for (;;) {
		struct wheel_timer *head = &w->slots[w->tick % WHEEL_SLOTS];

		for (struct wheel_timer *t = head->next; t != head; t = t->next) {
			if (t->due_tick <= w->tick) {
				wheel_cancel(t);
				return t;
			}
		}
		if (w->tick >= now_tick)
			return NULL;
		w->tick++;
	}
}

void
wheel_each(const struct wheel *w, void (*visit)(void *arg, struct wheel_timer *t), void *arg)
{
	for (size_t i = 0; i < WHEEL_SLOTS; i++) {
		const struct wheel_timer *head = &w->slots[i];

		for (struct wheel_timer *t = head->next; t != head; t = t->next)
			visit(arg, t);
	}
}

void
wheel_empty(struct wheel *w, struct wheel_timer *all)
{
	all->prev = all->next = all;
	for (size_t i = 0; i < WHEEL_SLOTS; i++) {
		struct wheel_timer *head = &w->slots[i];

		if (head->next == head)
			continue;
		head->next->prev = all->prev;
		all->prev->next = head->next;
		head->prev->next = all;
		all->prev = head->prev;
		head->prev = head->next = head;
	}
}

struct wheel_timer *
wheel_take(struct wheel_timer *all)
{
	struct wheel_timer *t = all->next;

	if (t == all)
		return NULL;
	wheel_cancel(t);
	return t;
}
