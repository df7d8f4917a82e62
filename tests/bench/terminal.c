#include "tests/bench/terminal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/clock.h"
#include "tests/bench/mqtt.h"
#include "tests/bench/stamps.h"
#include "tests/bench/wsclient.h"

enum {
	REQUEST_MAX = 8192,
	HELLO_MAX = 4096,
	PATH_LEN_MAX = 1024,
	DRAIN_BUFFER = 1 << 20,
	BACKOFF_BASE_MS = 500,
	BACKOFF_CAP_MS = 20000,
	STEADY_S = 5, /* a connection that lasted so long was no failure */
};

/* --- opening --- */

static bool
bind_source(const struct terminal *t, const struct terminal_target *target)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	const int one = 1;

	if (target->n_sources == 0)
		return true;
	from.sin_addr.s_addr =
	    htonl(INADDR_LOOPBACK + 1 + (uint32_t)(t->number % target->n_sources));
	/* The port is chosen by connect(), which knows the other end: many more can be had. */
	return setsockopt(t->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) == 0 &&
	       bind(t->fd, (struct sockaddr *)&from, sizeof from) == 0;
}

static bool
is_connecting(struct terminal *t, const struct terminal_target *target)
{
	t->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0 || !bind_source(t, target))
		return false;
	if (t->kind == TERMINAL_STUCK && target->receive_buffer > 0 &&
	    setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &target->receive_buffer,
		sizeof target->receive_buffer) != 0)
		return false;
	return connect(t->fd, (const struct sockaddr *)&target->address, sizeof target->address) ==
	           0 ||
	       errno == EINPROGRESS;
}

bool
terminal_open(struct terminal *t, const struct terminal_target *target, struct tally *tally)
{
	t->start_ns = clock_ns();
	t->live_ns = 0;
	t->said_close = t->is_ending = false;
	t->state = TERMINAL_CONNECTING;
	if (!target->resumes) {
		t->n_events = 0;
		t->follower = (struct follower){0};
	} else if (t->lost_ns != 0) {
		tally->n_reconnects++;
	}
	if (tally->first_start_ns == 0)
		tally->first_start_ns = t->start_ns;
	if (is_connecting(t, target))
		return true;
	tally->n_no_connection++;
	terminal_close(t);
	return false;
}

void
terminal_close(struct terminal *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->was_live && t->lost_ns == 0)
		t->lost_ns = clock_ns();
	t->fd = -1;
	t->state = TERMINAL_GONE;
	free(t->rest);
	t->rest = NULL;
	t->rest_len = 0;
}

static void
reset(struct terminal *t)
{
	const struct linger at_once = {.l_onoff = 1};

	setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	terminal_close(t);
}

int
terminal_wait_ms(struct terminal *t)
{
	if (t->is_refused)
		return -1;
	t->backoff.base_ms = BACKOFF_BASE_MS;
	t->backoff.cap_ms = BACKOFF_CAP_MS;
	/* The first failure is one already: rand(0, 1 s). */
	if (t->live_ns != 0 && clock_ns() - t->live_ns > STEADY_S * 1000000000LL)
		backoff_reset(&t->backoff);
	else if (t->backoff.failures == 0)
		t->backoff.failures = 1;
	return backoff_next_ms(&t->backoff);
}

/* --- talking --- */

/* Sends all of it or loses the rest: what a terminal says is short. */
static void
say(struct terminal *t, struct tally *tally, const void *bytes, size_t n)
{
	if (send(t->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
		tally->n_unsent++;
}

static void
say_frame(struct terminal *t, struct tally *tally, unsigned opcode, const void *payload, size_t len)
{
	uint8_t frame[REQUEST_MAX];

	if (len > sizeof frame - WSCLIENT_FRAME_ROOM)
		len = sizeof frame - WSCLIENT_FRAME_ROOM;
	say(t, tally, frame, wsclient_frame(frame, opcode, payload, len));
}

static void
say_hello(struct terminal *t, const struct terminal_target *target, struct tally *tally)
{
	char hello[HELLO_MAX];
	size_t n = target->topic == NULL
	               ? follower_hello(&t->follower, target->hello, hello, sizeof hello)
	               : mqtt_hello((uint8_t *)hello, sizeof hello, target->topic, t->number);

	if (n == 0)
		tally->n_unsent++;
	say_frame(t, tally, target->topic == NULL ? WSCLIENT_TEXT : WSCLIENT_BINARY, hello, n);
}

/* The path with its {i} and {m} filled in. */
static void
fill_path(const struct terminal *t, const struct terminal_target *target, char *out, size_t size)
{
	size_t at = 0;

	for (const char *c = target->path; *c != '\0' && at + 24 < size;) {
		if (strncmp(c, "{i}", 3) == 0 || strncmp(c, "{m}", 3) == 0) {
			int64_t n = c[1] == 'i' ? t->number : 1 + t->number % target->n_merchants;

			at += (size_t)snprintf(out + at, size - at, "%" PRId64, n);
			c += 3;
		} else {
			out[at++] = *c++;
		}
	}
	out[at] = '\0';
}

static void
ask(struct terminal *t, const struct terminal_target *target, struct tally *tally)
{
	char path[PATH_LEN_MAX], request[REQUEST_MAX];
	size_t n;

	fill_path(t, target, path, sizeof path);
	n = wsclient_request(request, sizeof request, target->host, path,
	    target->topic != NULL   ? "mqtt"
	    : target->hello != NULL ? "orderbell.v1"
				    : NULL,
	    target->headers);
	if (t->kind == TERMINAL_CYCLE && t->goodbye == GOODBYE_EARLY) {
		/* Every second one leaves a request without its end behind. */
		say(t, tally, request, t->number / GOODBYE_COUNT % 2 == 0 ? n : n / 2);
		terminal_close(t);
		return;
	}
	say(t, tally, request, n);
	t->state = TERMINAL_ASKED;
}

static void
start(struct terminal *t, const struct terminal_target *target, struct tally *tally)
{
	switch ((enum terminal_kind)t->kind) {
	case TERMINAL_SILENT: t->state = TERMINAL_LIVE; break;
	case TERMINAL_ONE_BYTE:
	case TERMINAL_DRIP:
		say(t, tally, "G", 1);
		t->state = TERMINAL_LIVE;
		break;
	case TERMINAL_STUCK:
	case TERMINAL_READER:
	case TERMINAL_CYCLE: ask(t, target, tally); break;
	case TERMINAL_KINDS: break;
	}
}

void
terminal_drip(struct terminal *t)
{
	/* The request line never ends; nobody hears when it cannot be sent. */
	(void)!send(t->fd, "E", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
leave(struct terminal *t, struct tally *tally)
{
	switch ((enum terminal_goodbye)t->goodbye) {
	case GOODBYE_CLOSE:
		say_frame(t, tally, WSCLIENT_CLOSE, "\x03\xe8", 2);
		t->state = TERMINAL_LEAVING;
		break;
	case GOODBYE_FIN: terminal_close(t); break;
	case GOODBYE_RESET:
	case GOODBYE_EARLY:
	case GOODBYE_COUNT: reset(t); break;
	}
}

static void
become_live(struct terminal *t, struct tally *tally)
{
	t->state = TERMINAL_LIVE;
	t->live_ns = clock_ns();
	if (t->kind == TERMINAL_CYCLE) {
		leave(t, tally);
		return;
	}
	if (t->lost_ns != 0)
		latency_add(&tally->recovery, t->live_ns - t->lost_ns);
	t->lost_ns = 0;
	t->was_live = true;
}

/* --- hearing --- */

/* Counts how it ended, once. */
static void
count_end(struct terminal *t, struct tally *tally, unsigned code)
{
	int64_t *closes = t->kind == TERMINAL_STUCK ? tally->stuck_closes : tally->closes;

	if (!t->said_close && code < TALLY_CLOSE_MAX)
		closes[code]++;
	t->said_close = true;
}

static bool
starts_with(const struct wsclient_frame *f, const char *start)
{
	return f->len >= strlen(start) && memcmp(f->payload, start, strlen(start)) == 0;
}

/* The number behind `name` in a message; `otherwise` when it is not there. */
static int64_t
number_behind(const struct wsclient_frame *f, const char *name, int64_t otherwise)
{
	const uint8_t *end = f->payload + f->len,
		      *at = memmem(f->payload, f->len, name, strlen(name));
	int64_t n = 0;

	if (at == NULL)
		return otherwise;
	for (at += strlen(name); at < end && *at >= '0' && *at <= '9'; at++)
		n = n * 10 + (*at - '0');
	return n;
}

static void
count_verdict(struct tally *tally, enum follower_verdict verdict)
{
	switch (verdict) {
	case FOLLOWER_GOOD: break;
	case FOLLOWER_HOLE: tally->n_holes++; break;
	case FOLLOWER_REPEAT: tally->n_repeats++; break;
	case FOLLOWER_DISORDER: tally->n_disorders++; break;
	case FOLLOWER_EARLY: tally->n_early++; break;
	}
}

/* Of events that come in order.  Only what comes before caught_up may skip seqs. */
static void
follow(struct terminal *t, const struct terminal_target *target, struct tally *tally, int64_t seq)
{
	if (seq == 0)
		return;
	count_verdict(tally, follower_event(&t->follower, seq));
	if (target->hello == NULL)
		t->follower.is_strict = true; /* it is live from its first event on */
}

/* When an event was made; 0: it cannot be known. */
static int64_t
made_ns(const struct terminal_target *target, const struct wsclient_frame *f)
{
	int64_t n;

	if (target->stamps == NULL)
		return number_behind(f, "\"content\":\"t=", 0);
	n = number_behind(f, "\"content\":\"n=", STAMPS_MAX);
	return n < STAMPS_MAX ? target->stamps[n] : 0;
}

static void
take_event(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    const struct wsclient_frame *f, int64_t now_ns)
{
	int64_t since_ns = made_ns(target, f);

	follow(t, target, tally, number_behind(f, ",\"seq\":", 0));
	if (t->state != TERMINAL_LIVE)
		tally->n_replayed++;
	if (t->state != TERMINAL_LIVE && !t->follower.is_strict)
		return;
	t->n_events++;
	tally->n_events++;
	if (t->state == TERMINAL_LIVE && since_ns != 0 && t->kind == TERMINAL_READER)
		latency_add(&tally->delivery, now_ns - since_ns);
}

static void
take_caught_up(struct terminal *t, struct tally *tally, int64_t top)
{
	count_verdict(tally, follower_caught_up(&t->follower, top));
	become_live(t, tally);
}

static void
take_welcome(struct terminal *t, struct tally *tally, const struct wsclient_frame *f)
{
	static const char name[] = "\"epoch\":\"", good[] = "\"recovered\":true";
	const uint8_t *end = f->payload + f->len,
		      *at = memmem(f->payload, f->len, name, sizeof name - 1);
	const uint8_t *quote =
	    at == NULL ? NULL
		       : memchr(at + sizeof name - 1, '"', (size_t)(end - at) - (sizeof name - 1));
	bool recovered = memmem(f->payload, f->len, good, sizeof good - 1) != NULL;

	if (quote == NULL) {
		tally->n_broken++;
		return;
	}
	at += sizeof name - 1;
	if (t->follower.has_cursor && !recovered)
		tally->n_unrecovered++;
	follower_welcome(&t->follower, (const char *)at, (size_t)(quote - at), recovered);
}

static void
take_text(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    const struct wsclient_frame *f, int64_t now_ns)
{
	if (starts_with(f, "{\"type\":"))
		take_event(t, target, tally, f, now_ns);
	else if (starts_with(f, "{\"welcome\":") && t->state == TERMINAL_GREETED)
		take_welcome(t, tally, f);
	else if (starts_with(f, "{\"caught_up\":") && t->state == TERMINAL_GREETED)
		take_caught_up(t, tally, number_behind(f, "{\"caught_up\":", 0));
}

static void
take_mqtt(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    const struct wsclient_frame *f, int64_t now_ns)
{
	unsigned type = 0;
	size_t n;

	for (size_t at = 0; (n = mqtt_packet(f->payload + at, f->len - at, &type)) > 0; at += n) {
		struct wsclient_frame packet = {.payload = f->payload + at, .len = n};

		if (type == MQTT_PUBLISH)
			take_event(t, target, tally, &packet, now_ns);
		else if (type == MQTT_SUBACK && t->state == TERMINAL_GREETED)
			become_live(t, tally);
	}
}

static void
take_close(struct terminal *t, struct tally *tally, const struct wsclient_frame *f)
{
	unsigned code = f->len >= 2 ? (unsigned)f->payload[0] << 8 | f->payload[1] : 1005;

	t->is_refused = code >= 4400 && code < 4500;
	if (t->state != TERMINAL_LEAVING) {
		count_end(t, tally, code);
		say_frame(t, tally, WSCLIENT_CLOSE, f->payload, f->len < 2 ? 0 : 2);
	}
	terminal_close(t);
}

static void
take_frame(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    const struct wsclient_frame *f, int64_t now_ns)
{
	switch (f->opcode) {
	case WSCLIENT_TEXT: take_text(t, target, tally, f, now_ns); break;
	case WSCLIENT_BINARY: take_mqtt(t, target, tally, f, now_ns); break;
	case WSCLIENT_PING:
		tally->n_pings++;
		say_frame(t, tally, WSCLIENT_PONG, f->payload, f->len);
		break;
	case WSCLIENT_CLOSE: take_close(t, tally, f); break;
	case WSCLIENT_PONG: break;
	default: tally->n_broken++; break;
	}
}

/* Takes the answer to the request off the front.  Gives the bytes used. */
static size_t
take_answer(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    const uint8_t *bytes, size_t n, int64_t now_ns)
{
	size_t used = 0;
	int status;

	switch (wsclient_answer((const char *)bytes, n, &used, &status)) {
	case WSCLIENT_PART: return 0;
	case WSCLIENT_REFUSED:
		tally->refused[status > 0 && status < TALLY_STATUS_MAX ? status : 0]++;
		terminal_close(t);
		return n;
	case WSCLIENT_OPEN: break;
	}
	tally->n_handshakes++;
	tally->last_handshake_ns = now_ns;
	latency_add(&tally->handshake, now_ns - t->start_ns);
	if (target->hello == NULL && target->topic == NULL) {
		become_live(t, tally);
		return used;
	}
	say_hello(t, target, tally);
	t->state = TERMINAL_GREETED;
	/* Two of three cycles go before they are live. */
	if (t->kind == TERMINAL_CYCLE && t->number % 3 != 0)
		leave(t, tally);
	return used;
}

/* Takes what is whole off the front.  Gives the bytes used. */
static size_t
take_bytes(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    const uint8_t *bytes, size_t n)
{
	int64_t now_ns = clock_ns();
	size_t at = 0;

	if (t->state == TERMINAL_ASKED)
		at = take_answer(t, target, tally, bytes, n, now_ns);
	while (t->state > TERMINAL_ASKED) {
		struct wsclient_frame frame;
		enum wsclient_got got = wsclient_read(bytes + at, n - at, &frame);

		if (got == WSCLIENT_MORE)
			break;
		if (got == WSCLIENT_BROKEN) {
			tally->n_broken++;
			terminal_close(t);
			break;
		}
		at += frame.used;
		take_frame(t, target, tally, &frame, now_ns);
	}
	return at;
}

/* Keeps what is not whole for the next time. */
static void
keep_rest(struct terminal *t, const uint8_t *bytes, size_t n)
{
	free(t->rest);
	t->rest = NULL;
	t->rest_len = 0;
	if (n == 0 || t->state == TERMINAL_GONE)
		return;
	t->rest = malloc(n);
	if (t->rest == NULL)
		abort();
	memcpy(t->rest, bytes, n);
	t->rest_len = (uint32_t)n;
}

static void
take_end(struct terminal *t, struct tally *tally)
{
	if (t->kind < TERMINAL_STUCK)
		tally->n_reopened++;
	else if (t->state <= TERMINAL_ASKED)
		tally->n_no_connection++;
	else if (t->state != TERMINAL_LEAVING)
		count_end(t, tally, TALLY_NO_CLOSE);
	terminal_close(t);
}

/* Reads once.  False: there is nothing more for now, or the socket is gone. */
static bool
hear(struct terminal *t, const struct terminal_target *target, struct tally *tally, uint8_t *buffer,
    size_t size)
{
	size_t kept = t->rest_len, used;
	ssize_t got;

	if (kept > 0)
		memcpy(buffer, t->rest, kept);
	got = recv(t->fd, buffer + kept, size - kept, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		take_end(t, tally);
		return false;
	}
	if (t->kind < TERMINAL_STUCK)
		return true; /* an answer to nothing, on its way out */
	used = take_bytes(t, target, tally, buffer, kept + (size_t)got);
	keep_rest(t, buffer + used, kept + (size_t)got - used);
	return t->state != TERMINAL_GONE && (t->is_ending || (size_t)got == size - kept);
}

void
terminal_go_on(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    uint8_t *buffer, size_t size)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (t->state == TERMINAL_CONNECTING) {
		if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
			take_end(t, tally);
			return;
		}
		start(t, target, tally);
	}
	while (t->state != TERMINAL_GONE &&
	       !(t->kind == TERMINAL_STUCK && t->state == TERMINAL_LIVE) &&
	       hear(t, target, tally, buffer, size))
		;
}

void
terminal_drain(struct terminal *t, const struct terminal_target *target, struct tally *tally,
    uint8_t *buffer, size_t size)
{
	const int room = DRAIN_BUFFER;
	int64_t before = tally->n_events;

	/* A window that was kept small lets what waits trickle only. */
	setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	while (t->state == TERMINAL_LIVE && hear(t, target, tally, buffer, size))
		;
	tally->n_stuck_events += tally->n_events - before;
	tally->n_events = before;
}
