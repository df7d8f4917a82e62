#include "notifier/inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INBOX_MAX = 65536 }; /* notes */

void
inbox_init(struct inbox *in, struct poller *poller)
{
	*in = (struct inbox){.poller = poller};
	pthread_mutex_init(&in->lock, NULL);
	pthread_cond_init(&in->has_room, NULL);
}

struct stand_note *
stand_note_new(int64_t merchant, const struct stand *stand)
{
	size_t open_size = stand->n_open * sizeof *stand->open;
	struct stand_note *note = malloc(sizeof *note + open_size);

	if (note == NULL)
		return NULL;
	note->merchant = merchant;
	note->stand = *stand;
	note->stand.epoch = note->epoch;
	note->stand.open = note->open;
	snprintf(note->epoch, sizeof note->epoch, "%s", stand->epoch);
	if (open_size > 0)
		memcpy(note->open, stand->open, open_size);
	return note;
}

static void
drop_note(const struct note *note)
{
	switch (note->kind) {
	case NOTE_ADOPT: conn_free(note->conn); break;
	case NOTE_ITEM:
	case NOTE_ITEM_TO_ALL: item_release(note->item); break;
	case NOTE_STREAM:
	case NOTE_OPEN: free(note->stand); break;
	case NOTE_PAGE: page_free(note->page); break;
	case NOTE_RECORD: free(note->record); break;
	case NOTE_TERMINALS: free(note->terminals); break;
	case NOTE_CONFIGURE:
		access_release(note->configure->access);
		free(note->configure);
		break;
	case NOTE_DOUBT:
	case NOTE_KEPT:
	case NOTE_RETELL:
	case NOTE_DRAIN:
	case NOTE_STOP: break;
	}
}

void
inbox_fini(struct inbox *in)
{
	for (size_t i = 0; i < in->notes.n; i++)
		drop_note(&in->notes.notes[i]);
	free(in->notes.notes);
	pthread_cond_destroy(&in->has_room);
	pthread_mutex_destroy(&in->lock);
}

static bool
notes_add(struct notes *to, const struct note *note)
{
	if (to->n == to->room) {
		size_t room = to->room == 0 ? 64 : to->room * 2;
		struct note *notes = realloc(to->notes, room * sizeof *notes);

		if (notes == NULL)
			return false;
		to->notes = notes;
		to->room = room;
	}
	to->notes[to->n++] = *note;
	return true;
}

bool
inbox_post(struct inbox *in, const struct note *note)
{
	bool ok;

	pthread_mutex_lock(&in->lock);
	while (in->notes.n >= INBOX_MAX) {
		poller_wake(in->poller);
		pthread_cond_wait(&in->has_room, &in->lock);
	}
	ok = notes_add(&in->notes, note);
	pthread_mutex_unlock(&in->lock);
	return ok;
}

void
inbox_wake(struct inbox *in)
{
	bool must_wake;

	pthread_mutex_lock(&in->lock);
	must_wake = in->notes.n > 0 && !in->is_awake;
	in->is_awake = in->is_awake || must_wake;
	pthread_mutex_unlock(&in->lock);
	if (must_wake)
		poller_wake(in->poller);
}

size_t
inbox_take_few(struct inbox *in, struct note few[INBOX_FEW], inbox_judge *judge, const void *arg)
{
	size_t n = 0;

	pthread_mutex_lock(&in->lock);
	if (in->notes.n > 0 && in->notes.n <= INBOX_FEW &&
	    judge(arg, in->notes.notes, in->notes.n)) {
		n = in->notes.n;
		memcpy(few, in->notes.notes, n * sizeof *few);
		in->notes.n = 0;
	}
	pthread_mutex_unlock(&in->lock);
	return n;
}

struct notes
inbox_take(struct inbox *in, struct notes spare)
{
	struct notes taken;

	pthread_mutex_lock(&in->lock);
	taken = in->notes;
	in->notes = spare;
	in->is_awake = false;
	pthread_cond_broadcast(&in->has_room);
	pthread_mutex_unlock(&in->lock);
	return taken;
}
