#include "notifier/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json.h"
#include "shared/log.h"

void
session_init(struct session *s, enum session_kind kind, const struct grant *granted)
{
	*s = (struct session){
	    .kind = (uint8_t)kind,
	    .state = kind == SESSION_V1 ? SESSION_HELLO : SESSION_ENTER,
	    .grant = *granted,
	};
}

enum wire
session_wire(const struct session *s)
{
	return s->kind == SESSION_V1 ? WIRE_V1 : WIRE_PLAIN;
}

void
session_fini(struct session *s)
{
	free(s->after);
	s->after = NULL;
}

uint32_t
session_keep(const struct session *s)
{
	return s->kind == SESSION_V1 ? SESSION_V1_KEEP : SESSION_PLAIN_KEEP;
}

static enum session_verdict
refuse(struct session_act *act, enum close_code why)
{
	act->code = why;
	return SESSION_CLOSE;
}

/* Reads "after"; false when it is there and none. */
static bool
take_after(struct session *s, const json_object *hello)
{
	json_object *after = json_object_object_get(hello, "after");
	const char *epoch;
	int64_t seq;

	if (after == NULL)
		return true;
	if (!json_object_is_type(after, json_type_object) ||
	    !json_get_text(after, "epoch", &epoch) || !json_get_int(after, "seq", &seq) || seq < 0)
		return false;
	session_fini(s);
	s->after = calloc(1, sizeof *s->after);
	if (s->after == NULL)
		return false;
	/* One that is too long is cut, and so is of another epoch: as it should be. */
	snprintf(s->after->epoch, sizeof s->after->epoch, "%s", epoch);
	s->after->seq = seq;
	return true;
}

/* The token of a hello wins over all others; without one the request's own proof counts. */
static enum session_verdict
take_hello(struct session *s, const struct access *access, const json_object *hello, int64_t now,
    struct session_act *act)
{
	struct grant grant = s->grant;
	const char *token;
	int64_t version;

	if (!json_get_int(hello, "hello", &version) || version != 1)
		return refuse(act, CLOSE_BAD_PROTOCOL);
	if (json_has(hello, "token")) {
		if (!json_get_text(hello, "token", &token))
			return refuse(act, CLOSE_BAD_PROTOCOL);
		if (access->auth != ACCESS_NONE &&
		    access_by_token(access, token, now, &grant) != TOKEN_OK)
			return refuse(act, CLOSE_UNAUTHORIZED);
	}
	if (grant.merchant == 0)
		return refuse(act, CLOSE_UNAUTHORIZED);
	if (s->state == SESSION_HELLO) {
		if (!take_after(s, hello))
			return refuse(act, CLOSE_BAD_PROTOCOL);
		s->grant = grant;
		s->state = SESSION_ENTER;
		return SESSION_JOIN;
	}
	/* A later hello brings a fresh token; it cannot move the session to another merchant. */
	if (grant.merchant != s->grant.merchant)
		return refuse(act, CLOSE_FORBIDDEN);
	s->grant = grant;
	return SESSION_GO_ON;
}

static enum session_verdict
take_audio(struct session *s, const json_object *object, struct session_act *act)
{
	const char *audio;

	if (!json_get_text(object, "audio", &audio))
		return refuse(act, CLOSE_BAD_PROTOCOL);
	if (strcmp(audio, "armed") == 0)
		s->audio = AUDIO_ARMED;
	else if (strcmp(audio, "blocked") == 0)
		s->audio = AUDIO_BLOCKED;
	else
		s->audio = AUDIO_UNKNOWN;
	return SESSION_GO_ON;
}

/* {"ack":[seq, …]} */
static enum session_verdict
take_ack(const json_object *object, struct session_act *act)
{
	json_object *seqs = json_object_object_get(object, "ack");
	size_t n = json_object_is_type(seqs, json_type_array) ? json_object_array_length(seqs) : 0;

	if (n < 1 || n > SESSION_ACKS_MAX)
		return refuse(act, CLOSE_BAD_PROTOCOL);
	for (size_t i = 0; i < n; i++) {
		json_object *seq = json_object_array_get_idx(seqs, i);

		act->seqs[i] = json_object_get_int64(seq);
		if (!json_object_is_type(seq, json_type_int) || act->seqs[i] < 1)
			return refuse(act, CLOSE_BAD_PROTOCOL);
	}
	act->n_seqs = n;
	return SESSION_ACK;
}

static enum session_verdict
receive_v1(struct session *s, const struct access *access, const struct frame_message *message,
    int64_t now, struct session_act *act)
{
	json_object *object = NULL;
	enum session_verdict verdict = SESSION_GO_ON;

	if (message->opcode != FRAME_TEXT || message->kept < message->len)
		return refuse(act, CLOSE_BAD_PROTOCOL);
	object = json_read_object((const char *)message->payload, message->len);
	if (object == NULL)
		return refuse(act, CLOSE_BAD_PROTOCOL);
	if (json_has(object, "audio"))
		verdict = take_audio(s, object, act);
	if (verdict == SESSION_GO_ON && json_has(object, "hello"))
		verdict = take_hello(s, access, object, now, act);
	else if (verdict == SESSION_GO_ON && s->state == SESSION_HELLO)
		verdict = refuse(act, CLOSE_BAD_PROTOCOL);
	else if (verdict == SESSION_GO_ON && json_has(object, "ack"))
		verdict = take_ack(object, act);
	/* Frames of a later version of the protocol are none of our business. */
	json_object_put(object);
	return verdict;
}

enum session_verdict
session_receive(struct session *s, const struct access *access, const struct frame_message *message,
    const char *name, int64_t now, struct session_act *act)
{
	char text[200];

	switch ((enum session_kind)s->kind) {
	case SESSION_PLAIN:
		if (log_enabled(LOG_LEVEL_DEBUG))
			log_debug("plain client says: merchant=%" PRId64 " sid=%s bytes=%" PRIu32
				  " text=\"%s\"",
			    s->grant.merchant, name, message->len,
			    log_escape(text, sizeof text, message->payload, message->kept));
		return SESSION_GO_ON;
	case SESSION_V1: return receive_v1(s, access, message, now, act);
	}
	return SESSION_GO_ON;
}

/* Sends an object and lets go of it. */
static bool
put_json(struct outbox *out, json_object *object)
{
	size_t len = 0;
	const char *text = object == NULL ? NULL
	                                  : json_object_to_json_string_length(
						object, JSON_C_TO_STRING_PLAIN, &len);
	bool ok = text != NULL && outbox_put_frame(out, FRAME_TEXT, text, len);

	json_object_put(object);
	return ok;
}

/* A cursor holds when its numbers are the stream's, and nothing behind it was pruned. */
static bool
is_recovered(const struct session *s, const struct page *opening)
{
	return s->after != NULL && strcmp(s->after->epoch, opening->epoch) == 0 &&
	       s->after->seq <= opening->top && s->after->seq + 1 >= opening->kept_from;
}

/* Un-acked seqs up to the cursor: the terminal has seen these events, and goes on ringing for them
 * alone.  What does not fit is told by open_from: from there on all count as open. */
static void
add_open(json_object *welcome, const struct page *opening, int64_t upto)
{
	json_object *open = json_object_new_array();

	for (size_t i = 0; i < opening->n_open && opening->open[i] <= upto; i++) {
		if (i == PAGE_OPEN_MAX) {
			json_object_object_add(
			    welcome, "open_from", json_object_new_int64(opening->open[i]));
			break;
		}
		json_object_array_add(open, json_object_new_int64(opening->open[i]));
	}
	json_object_object_add(welcome, "open", open);
}

bool
session_welcome(struct session *s, const struct page *opening, int heartbeat_s, struct outbox *out,
    struct session_start *start)
{
	json_object *welcome = json_object_new_object();
	bool recovered = is_recovered(s, opening);

	*start = (struct session_start){
	    .next = recovered ? s->after->seq + 1 : 1, .from_unacked = !recovered};
	s->state = SESSION_LIVE;
	json_object_object_add(welcome, "welcome", json_object_new_int(1));
	json_object_object_add(welcome, "merchant", json_object_new_int64(s->grant.merchant));
	json_object_object_add(welcome, "epoch", json_object_new_string(opening->epoch));
	json_object_object_add(welcome, "top", json_object_new_int64(opening->top));
	json_object_object_add(welcome, "recovered", json_object_new_boolean(recovered));
	add_open(welcome, opening, recovered ? s->after->seq : 0);
	json_object_object_add(welcome, "heartbeat", json_object_new_int(heartbeat_s));
	session_fini(s);
	return put_json(out, welcome);
}

bool
session_caught_up(const struct session *s, int64_t top, struct outbox *out)
{
	json_object *caught_up;

	if (s->kind != SESSION_V1)
		return true;
	caught_up = json_object_new_object();
	json_object_object_add(caught_up, "caught_up", json_object_new_int64(top));
	return put_json(out, caught_up);
}

bool
session_heartbeat(const struct session *s, struct outbox *out)
{
	static const char beat[] = "{\"heartbeat\":1}";

	if (!outbox_put_frame(out, FRAME_PING, NULL, 0))
		return false;
	return s->kind != SESSION_V1 || s->state != SESSION_LIVE ||
	       outbox_put_frame(out, FRAME_TEXT, beat, sizeof beat - 1);
}

bool
session_is_expired(const struct session *s, int64_t now)
{
	return s->grant.exp != 0 && now >= s->grant.exp;
}
