#include "notifier/session.h"

#include <inttypes.h>
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

uint32_t
session_keep(const struct session *s)
{
	return s->kind == SESSION_V1 ? SESSION_V1_KEEP : SESSION_PLAIN_KEEP;
}

static enum session_verdict
refuse(enum close_code *code, enum close_code why)
{
	*code = why;
	return SESSION_CLOSE;
}

/* The token of a hello wins over all others; without one the request's own proof counts. */
static enum session_verdict
take_hello(struct session *s, const struct access *access, const json_object *hello, int64_t now,
    enum close_code *code)
{
	struct grant grant = s->grant;
	const char *token;
	int64_t version;

	if (!json_get_int(hello, "hello", &version) || version != 1)
		return refuse(code, CLOSE_BAD_PROTOCOL);
	if (json_has(hello, "token")) {
		if (!json_get_text(hello, "token", &token))
			return refuse(code, CLOSE_BAD_PROTOCOL);
		if (access->auth != ACCESS_NONE &&
		    access_by_token(access, token, now, &grant) != TOKEN_OK)
			return refuse(code, CLOSE_UNAUTHORIZED);
	}
	if (grant.merchant == 0)
		return refuse(code, CLOSE_UNAUTHORIZED);
	if (s->state == SESSION_HELLO) {
		s->grant = grant;
		s->state = SESSION_ENTER;
		return SESSION_JOIN;
	}
	/* A later hello brings a fresh token; it cannot move the session to another merchant. */
	if (grant.merchant != s->grant.merchant)
		return refuse(code, CLOSE_FORBIDDEN);
	s->grant = grant;
	return SESSION_GO_ON;
}

static enum session_verdict
take_audio(struct session *s, const json_object *object, enum close_code *code)
{
	const char *audio;

	if (!json_get_text(object, "audio", &audio))
		return refuse(code, CLOSE_BAD_PROTOCOL);
	if (strcmp(audio, "armed") == 0)
		s->audio = AUDIO_ARMED;
	else if (strcmp(audio, "blocked") == 0)
		s->audio = AUDIO_BLOCKED;
	else
		s->audio = AUDIO_UNKNOWN;
	return SESSION_GO_ON;
}

static enum session_verdict
receive_v1(struct session *s, const struct access *access, const struct frame_message *message,
    int64_t now, enum close_code *code)
{
	json_object *object = NULL;
	enum session_verdict verdict = SESSION_GO_ON;

	if (message->opcode != FRAME_TEXT || message->kept < message->len)
		return refuse(code, CLOSE_BAD_PROTOCOL);
	object = json_read_object((const char *)message->payload, message->len);
	if (object == NULL)
		return refuse(code, CLOSE_BAD_PROTOCOL);
	if (json_has(object, "audio"))
		verdict = take_audio(s, object, code);
	if (verdict == SESSION_GO_ON && json_has(object, "hello"))
		verdict = take_hello(s, access, object, now, code);
	else if (verdict == SESSION_GO_ON && s->state == SESSION_HELLO)
		verdict = refuse(code, CLOSE_BAD_PROTOCOL);
	/* Frames of a later version of the protocol are none of our business. */
	json_object_put(object);
	return verdict;
}

enum session_verdict
session_receive(struct session *s, const struct access *access, const struct frame_message *message,
    const char *name, int64_t now, enum close_code *code)
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
	case SESSION_V1: return receive_v1(s, access, message, now, code);
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

bool
session_welcome(
    struct session *s, const char *epoch, int64_t top, int heartbeat_s, struct outbox *out)
{
	json_object *welcome, *caught_up;
	bool ok;

	s->state = SESSION_LIVE;
	if (s->kind != SESSION_V1)
		return true;
	welcome = json_object_new_object();
	caught_up = json_object_new_object();
	if (welcome != NULL) {
		json_object_object_add(welcome, "welcome", json_object_new_int(1));
		json_object_object_add(
		    welcome, "merchant", json_object_new_int64(s->grant.merchant));
		json_object_object_add(welcome, "epoch", json_object_new_string(epoch));
		json_object_object_add(welcome, "top", json_object_new_int64(top));
		json_object_object_add(welcome, "recovered", json_object_new_boolean(false));
		json_object_object_add(welcome, "open", json_object_new_array());
		json_object_object_add(welcome, "heartbeat", json_object_new_int(heartbeat_s));
	}
	if (caught_up != NULL)
		json_object_object_add(caught_up, "caught_up", json_object_new_int64(top));
	ok = put_json(out, welcome);
	return put_json(out, caught_up) && ok;
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
