#include "notifier/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/answer.h"
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

static void
forget_claim(struct session *s)
{
	free(s->claim);
	s->claim = NULL;
}

void
session_forget_after(struct session *s)
{
	free(s->after);
	s->after = NULL;
}

void
session_fini(struct session *s)
{
	session_forget_after(s);
	forget_claim(s);
	free(s->terminal);
	s->terminal = NULL;
}

bool
session_set_after(struct session *s, const struct cursor *after)
{
	session_forget_after(s);
	s->after = malloc(sizeof *after);
	if (s->after != NULL)
		*s->after = *after;
	return s->after != NULL;
}

static bool
keep_claim(struct session *s, const struct claim *claim)
{
	forget_claim(s);
	s->claim = malloc(sizeof *claim);
	if (s->claim != NULL)
		*s->claim = *claim;
	return s->claim != NULL;
}

/* A v1 session still waits for its hello, which may bring a better token. */
bool
session_set_claim(struct session *s, const struct claim *claim)
{
	if (s->state == SESSION_ENTER)
		s->state = SESSION_CLAIM;
	return keep_claim(s, claim);
}

/* --- what the kinds differ in --- */

static const struct kind {
	enum wire wire;
	bool is_websocket;
	bool is_brief;    /* ends with its answer */
	bool is_streamed; /* hears all that is to be known, as it happens */
} kinds[] = {
    [SESSION_PLAIN] = {WIRE_PLAIN, .is_websocket = true},
    [SESSION_V1] = {WIRE_V1, .is_websocket = true, .is_streamed = true},
    [SESSION_SSE] = {WIRE_SSE, .is_streamed = true},
    [SESSION_POLL] = {WIRE_V1, .is_brief = true},
    [SESSION_ACK] = {WIRE_V1, .is_brief = true},
};

enum wire
session_wire(const struct session *s)
{
	return kinds[s->kind].wire;
}

bool
session_is_websocket(const struct session *s)
{
	return kinds[s->kind].is_websocket;
}

bool
session_is_streamed(const struct session *s)
{
	return kinds[s->kind].is_streamed;
}

bool
session_is_brief(const struct session *s)
{
	return kinds[s->kind].is_brief;
}

uint32_t
session_keep(const struct session *s)
{
	return s->kind == SESSION_V1 ? SESSION_V1_KEEP : SESSION_PLAIN_KEEP;
}

/* --- what a terminal says --- */

static const char *const audio_words[] = {
    [AUDIO_UNKNOWN] = "unknown", [AUDIO_ARMED] = "armed", [AUDIO_BLOCKED] = "blocked"};

const char *
session_audio_word(enum session_audio audio)
{
	return audio_words[audio];
}

enum session_audio
session_audio_of(const char *word)
{
	for (int i = 0; i < (int)(sizeof audio_words / sizeof *audio_words); i++) {
		if (strcmp(audio_words[i], word) == 0)
			return (enum session_audio)i;
	}
	return AUDIO_UNKNOWN;
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
	struct cursor cursor;
	const char *epoch;
	int64_t seq;

	if (after == NULL)
		return true;
	if (!json_object_is_type(after, json_type_object) ||
	    !json_get_text(after, "epoch", &epoch) || !json_get_int(after, "seq", &seq) || seq < 0)
		return false;
	cursor_set(&cursor, epoch, seq);
	return session_set_after(s, &cursor);
}

/* What is known by now of who speaks. */
static enum access_verdict
judge(struct session *s, const struct access *access, const char *token, int64_t now,
    struct grant *grant)
{
	struct claim claim;
	enum access_verdict verdict;

	/* The token of a hello wins over all others; without one the request's own counts. */
	if (token == NULL || access->auth == ACCESS_NONE) {
		*grant = s->grant;
		return s->claim != NULL         ? ACCESS_CLAIMED
		       : s->grant.merchant != 0 ? ACCESS_GRANTED
		                                : ACCESS_REFUSED;
	}
	verdict = access_by_token(access, token, now, grant, &claim);
	if (verdict != ACCESS_CLAIMED)
		forget_claim(s);
	else if (!keep_claim(s, &claim))
		return ACCESS_REFUSED;
	return verdict;
}

/* A later hello brings a fresh token; it cannot move the session to another merchant. */
static enum session_verdict
renew(struct session *s, const struct grant *grant, struct session_act *act)
{
	if (grant->merchant != s->grant.merchant)
		return refuse(act, CLOSE_FORBIDDEN);
	s->grant = *grant;
	if (grant->terminal == 0) {
		free(s->terminal); /* it was the name of a terminal's token */
		s->terminal = NULL;
	}
	return SESSION_GO_ON;
}

static enum session_verdict
take_hello(struct session *s, const struct access *access, const json_object *hello, int64_t now,
    struct session_act *act)
{
	struct grant grant;
	const char *token = NULL;
	int64_t version;

	if (!json_get_int(hello, "hello", &version) || version != 1 || s->state == SESSION_CLAIM ||
	    (json_has(hello, "token") && !json_get_text(hello, "token", &token)))
		return refuse(act, CLOSE_BAD_PROTOCOL);
	if (s->state == SESSION_HELLO && !take_after(s, hello))
		return refuse(act, CLOSE_BAD_PROTOCOL);
	switch (judge(s, access, token, now, &grant)) {
	case ACCESS_GRANTED: break;
	case ACCESS_CLAIMED:
		if (s->state == SESSION_HELLO)
			s->state = SESSION_CLAIM;
		return SESSION_PROVE;
	case ACCESS_EXPIRED:
	case ACCESS_REFUSED: return refuse(act, CLOSE_UNAUTHORIZED);
	}
	if (s->state != SESSION_HELLO)
		return renew(s, &grant, act);
	s->grant = grant;
	s->state = SESSION_ENTER;
	return SESSION_JOIN;
}

/* The name of a terminal's token stands for its sid. */
static bool
take_terminal_name(struct session *s, const char *name)
{
	free(s->terminal);
	s->terminal = strdup(name);
	return s->terminal != NULL;
}

enum session_verdict
session_prove(struct session *s, const struct terminal_record *record, struct session_act *act)
{
	struct grant grant = {.merchant = record->merchant};
	enum session_verdict verdict = SESSION_JOIN;

	if (s->claim == NULL)
		return SESSION_GO_ON;
	grant.terminal = s->claim->terminal;
	if (record->merchant == 0 || !claim_holds(s->claim, record->hash_hex))
		return refuse(act, CLOSE_UNAUTHORIZED);
	forget_claim(s);
	if (!take_terminal_name(s, record->name))
		return refuse(act, CLOSE_TRY_LATER);
	if (s->state != SESSION_CLAIM) {
		verdict = renew(s, &grant, act);
	} else {
		s->grant = grant;
		s->state = SESSION_ENTER;
	}
	return verdict;
}

static enum session_verdict
take_audio(struct session *s, const json_object *object, struct session_act *act)
{
	const char *audio;

	if (!json_get_text(object, "audio", &audio))
		return refuse(act, CLOSE_BAD_PROTOCOL);
	s->audio = (uint8_t)session_audio_of(audio);
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
	return SESSION_ACKED;
}

enum session_verdict
session_read_ack(const char *text, size_t len, struct session_act *act)
{
	json_object *object = json_read_object(text, len);
	enum session_verdict verdict =
	    object == NULL ? refuse(act, CLOSE_BAD_PROTOCOL) : take_ack(object, act);

	json_object_put(object);
	return verdict;
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
		verdict = s->state == SESSION_CLAIM ? refuse(act, CLOSE_BAD_PROTOCOL)
		                                    : take_ack(object, act);
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
	case SESSION_SSE:
	case SESSION_POLL:
	case SESSION_ACK: break; /* these have no messages */
	}
	return SESSION_GO_ON;
}

/* --- what it is told --- */

/* Says an object and lets go of it.  In a stream it is an event of that name, and `id` (or NULL)
 * becomes the cursor that the browser brings when it comes back. */
static bool
say(const struct session *s, struct outbox *out, const char *name, const char *id,
    json_object *object)
{
	size_t len = 0;
	const char *text = object == NULL ? NULL
	                                  : json_object_to_json_string_length(
						object, JSON_C_TO_STRING_PLAIN, &len);
	bool ok = text != NULL;

	if (ok && s->kind == SESSION_SSE)
		ok = answer_stream_event(out, name, id, text, len);
	else if (ok)
		ok = outbox_put_frame(out, FRAME_TEXT, text, len);
	json_object_put(object);
	return ok;
}

void
session_find_start(const struct session *s, const struct stand *stand, struct session_start *start)
{
	const struct cursor *after = s->after;
	bool is_of_stream =
	    after != NULL && strcmp(after->epoch, stand->epoch) == 0 && after->seq <= stand->top;

	start->recovered = is_of_stream && after->seq + 1 >= stand->kept_from;
	start->from_unacked = !start->recovered;
	/* A stream's and a poll's cursor moves with each event, also while the un-acked ones are
	 * told: who was interrupted among them goes on behind it, or would never get through. */
	start->next =
	    start->recovered || (is_of_stream && s->kind != SESSION_V1) ? after->seq + 1 : 1;
}

/* Un-acked seqs up to the cursor: the terminal has seen these events, and goes on ringing for them
 * alone.  What does not fit is told by open_from: from there on all count as open.  Gives that, 0
 * where it is not there. */
static int64_t
add_open(json_object *welcome, const struct stand *stand, int64_t upto)
{
	json_object *open = json_object_new_array();
	int64_t from = 0;

	for (size_t i = 0; i < stand->n_open && stand->open[i] <= upto; i++) {
		if (i == STAND_OPEN_MAX) {
			from = stand->open[i];
			json_object_object_add(welcome, "open_from", json_object_new_int64(from));
			break;
		}
		json_object_array_add(open, json_object_new_int64(stand->open[i]));
	}
	json_object_object_add(welcome, "open", open);
	return from;
}

bool
session_welcome(struct session *s, const struct stand *stand, int heartbeat_s, struct outbox *out,
    struct session_start *start)
{
	json_object *welcome = json_object_new_object();
	int64_t open_from;

	session_find_start(s, stand, start);
	s->state = SESSION_LIVE;
	json_object_object_add(welcome, "welcome", json_object_new_int(1));
	json_object_object_add(welcome, "merchant", json_object_new_int64(s->grant.merchant));
	json_object_object_add(welcome, "epoch", json_object_new_string(stand->epoch));
	json_object_object_add(welcome, "top", json_object_new_int64(stand->top));
	json_object_object_add(welcome, "recovered", json_object_new_boolean(start->recovered));
	open_from = add_open(welcome, stand, start->next - 1);
	json_object_object_add(welcome, "heartbeat", json_object_new_int(heartbeat_s));
	if (open_from != 0 && start->recovered)
		s->after->seq = open_from - 1;
	else
		session_forget_after(s);
	return say(s, out, "welcome", NULL, welcome);
}

bool
session_caught_up(const struct session *s, const char *epoch, int64_t top, struct outbox *out)
{
	char id[HUB_EPOCH_MAX + 24];
	json_object *caught_up;

	if (!session_is_streamed(s))
		return true;
	snprintf(id, sizeof id, "%s:%" PRId64, epoch, top);
	caught_up = json_object_new_object();
	json_object_object_add(caught_up, "caught_up", json_object_new_int64(top));
	return say(s, out, "caught_up", id, caught_up);
}

bool
session_heartbeat(const struct session *s, struct outbox *out)
{
	static const char beat[] = "{\"heartbeat\":1}", comment[] = ":\n\n";

	switch ((enum session_kind)s->kind) {
	case SESSION_PLAIN: return outbox_put_frame(out, FRAME_PING, NULL, 0);
	case SESSION_V1:
		return outbox_put_frame(out, FRAME_PING, NULL, 0) &&
		       (s->state != SESSION_LIVE ||
			   outbox_put_frame(out, FRAME_TEXT, beat, sizeof beat - 1));
	case SESSION_SSE: return outbox_put(out, comment, sizeof comment - 1);
	case SESSION_POLL:
	case SESSION_ACK: return true;
	}
	return true;
}

bool
session_goodbye(const struct session *s, enum close_code code, struct outbox *out)
{
	bool is_unanswered =
	    session_is_brief(s) || (s->state == SESSION_CLAIM && s->kind != SESSION_V1);
	json_object *bye;

	if (is_unanswered) {
		outbox_clear(out); /* what would have been said to a good token */
		return answer_refusal(out, code);
	}
	if (session_is_websocket(s))
		return outbox_put_close(out, code);
	bye = json_object_new_object();
	json_object_object_add(bye, "code", json_object_new_int((int)code));
	return say(s, out, "bye", NULL, bye);
}

bool
session_is_expired(const struct session *s, int64_t now)
{
	return s->grant.exp != 0 && now >= s->grant.exp;
}

bool
session_is_revoked(const struct session *s, const int64_t *terminals, size_t n)
{
	if (s->grant.terminal == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (terminals[i] == s->grant.terminal)
			return false;
	}
	return true;
}
