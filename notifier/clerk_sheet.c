#include "notifier/clerk_sheet.h"

#include <stdint.h>

/* Begins an array in the room that the sheet has for it. */
#define START(sheet, array)                                                                        \
	pgarray_start(&array, (sheet)->array##_text, sizeof(sheet)->array##_text)

void
clerk_sheet_fill(struct clerk_sheet *s, const struct clerk_change *changes, size_t n)
{
	struct pgarray connections, merchants, terminals, kinds, audios, sinces, gones;

	START(s, connections);
	START(s, merchants);
	START(s, terminals);
	START(s, kinds);
	START(s, audios);
	START(s, sinces);
	START(s, gones);
	for (size_t i = 0; i < n; i++) {
		const struct clerk_change *c = &changes[i];

		if (c->kind == NULL) {
			pgarray_add(&gones, c->connection);
			continue;
		}
		pgarray_add(&connections, c->connection);
		pgarray_add(&merchants, c->merchant);
		pgarray_add_text(&terminals, c->terminal);
		pgarray_add_text(&kinds, c->kind);
		pgarray_add_text(&audios, c->audio);
		pgarray_add(&sinces, c->since_ms);
	}
	s->connections = pgarray_end(&connections);
	s->merchants = pgarray_end(&merchants);
	s->terminals = pgarray_end(&terminals);
	s->kinds = pgarray_end(&kinds);
	s->audios = pgarray_end(&audios);
	s->sinces = pgarray_end(&sinces);
	s->gones = pgarray_end(&gones);
}

void
clerk_slip_fill(struct clerk_slip *s, const struct clerk_delivery *told, size_t n)
{
	struct pgarray events, times, names;

	START(s, events);
	START(s, times);
	START(s, names);
	for (size_t i = 0; i < n; i++) {
		pgarray_add(&events, told[i].event_id);
		pgarray_add(&times, told[i].at_ms);
		pgarray_add_text(&names, told[i].to);
	}
	s->events = pgarray_end(&events);
	s->times = pgarray_end(&times);
	s->names = pgarray_end(&names);
}
