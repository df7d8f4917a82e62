#include "notifier/pulse.h"

#include <assert.h>

struct pulse_place *
pulse_join(struct pulse *p, const char *name)
{
	struct pulse_place *place;

	if (p == NULL)
		return NULL;
	assert(p->n < PULSE_PLACES);
	place = &p->places[p->n++];
	place->name = name;
	place->seen = atomic_load(&place->beats);
	return place;
}

void
pulse_beat(struct pulse_place *place)
{
	if (place != NULL)
		atomic_fetch_add_explicit(&place->beats, 1, memory_order_relaxed);
}

const char *
pulse_look(struct pulse *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (atomic_load_explicit(&p->places[i].beats, memory_order_relaxed) ==
		    p->places[i].seen)
			return p->places[i].name;
	}
	for (size_t i = 0; i < p->n; i++)
		p->places[i].seen = atomic_load_explicit(&p->places[i].beats, memory_order_relaxed);
	return NULL;
}
