#include "notifier/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	SEND_PIECES = 64,   /* iovecs of one call */
	SEND_BYTES = 65536, /* of one call: one terminal is not to keep the others waiting */
	LAST_WORDS_BUFFER = 1 << 20, /* socket buffer while closing */
};

struct conn *
conn_new(int fd, const char *name, enum session_kind kind, const struct grant *grant)
{
	size_t name_size = strlen(name) + 1;
	struct conn *c = calloc(1, offsetof(struct conn, name) + name_size);

	if (c == NULL)
		return NULL;
	c->fd = fd;
	memcpy(c->name, name, name_size);
	session_init(&c->session, kind, grant);
	return c;
}

static void
drop_reader(struct conn *c)
{
	if (c->reader == NULL)
		return;
	frame_reader_fini(c->reader);
	free(c->reader);
	c->reader = NULL;
}

struct frame_reader *
conn_reader(struct conn *c, struct frame_reader *fresh)
{
	if (c->reader != NULL)
		return c->reader;
	frame_reader_init(fresh, session_keep(&c->session));
	return fresh;
}

bool
conn_put_back(struct conn *c, struct frame_reader *reader)
{
	if (frame_reader_is_idle(reader) || c->is_closing) {
		if (reader != c->reader)
			frame_reader_fini(reader);
		drop_reader(c);
		return true;
	}
	if (reader == c->reader)
		return true;
	c->reader = malloc(sizeof *reader);
	if (c->reader == NULL) {
		frame_reader_fini(reader);
		return false;
	}
	*c->reader = *reader;
	return true;
}

void
conn_free(struct conn *c)
{
	switch ((enum session_kind)c->session.kind) {
	case SESSION_PLAIN:
	case SESSION_V1: drop_reader(c); break;
	case SESSION_POLL: free(c->open_header); break;
	case SESSION_ACK: free(c->body); break;
	case SESSION_SSE: break;
	}
	session_fini(&c->session);
	outbox_clear(&c->outbox);
	item_release(c->partial);
	close(c->fd);
	free(c);
}

bool
conn_expect_body(struct conn *c, uint32_t len)
{
	c->body = malloc(sizeof *c->body + len + 1);
	if (c->body != NULL)
		*c->body = (struct body){.expected = len};
	return c->body != NULL;
}

enum conn_status
conn_receive(struct conn *c, uint8_t *buffer, size_t size, size_t *n)
{
	ssize_t got = read(c->fd, buffer, size);

	*n = got > 0 ? (size_t)got : 0;
	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return CONN_OK;
	return CONN_GONE;
}

struct conn *
conn_of_member(struct member *m)
{
	return (struct conn *)((char *)m - offsetof(struct conn, member));
}

struct conn *
conn_of_timer(struct wheel_timer *t)
{
	return (struct conn *)((char *)t - offsetof(struct conn, timer));
}

const char *
conn_name(const struct conn *c)
{
	return c->session.terminal != NULL ? c->session.terminal : c->name;
}

bool
conn_is_blocked(const struct conn *c)
{
	return c->blocked_since_ms != 0;
}

/* --- sending --- */

struct pieces {
	struct iovec iov[SEND_PIECES];
	size_t n, bytes;
};

static bool
add_piece(struct pieces *p, const uint8_t *bytes, size_t len)
{
	if (len == 0)
		return true;
	if (p->n == SEND_PIECES || p->bytes >= SEND_BYTES)
		return false;
	p->iov[p->n++] = (struct iovec){(void *)(uintptr_t)bytes, len};
	p->bytes += len;
	return true;
}

/* The bytes of an item that this terminal is to get; *len is 0 when it is not for it. */
static const uint8_t *
bytes_for(const struct conn *c, const struct item *it, size_t *len)
{
	const uint8_t *bytes = item_wire(it, session_wire(&c->session), len);

	if (item_seq(it) != 0 && item_seq(it) < c->next_seq)
		*len = 0; /* it has been told before */
	return bytes;
}

static const struct item *
run_item(const struct item_run *run, uint64_t i)
{
	return run->slots[(run->at + i) & run->mask];
}

static void
gather(const struct conn *c, const struct item_run *run, struct pieces *p)
{
	size_t len;

	p->n = p->bytes = 0;
	if (c->partial != NULL) {
		const uint8_t *bytes = item_wire(c->partial, session_wire(&c->session), &len);

		add_piece(p, bytes + c->partial_sent, len - c->partial_sent);
	}
	add_piece(p, outbox_bytes(&c->outbox), outbox_len(&c->outbox));
	for (uint64_t i = 0; run != NULL && i < run->n; i++) {
		const uint8_t *bytes = bytes_for(c, run_item(run, i), &len);

		if (!add_piece(p, bytes, len))
			break;
	}
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Marks `sent` bytes as gone from the started item and the outbox; gives how many are left over. */
static size_t
settle_own(struct conn *c, size_t n_sent, struct sent *sent)
{
	size_t len, n;

	if (c->partial != NULL) {
		item_wire(c->partial, session_wire(&c->session), &len);
		n = smaller(n_sent, len - c->partial_sent);
		c->partial_sent += (uint32_t)n;
		n_sent -= n;
		if (c->partial_sent < len)
			return 0;
		item_release(c->partial);
		c->partial = NULL;
		sent->n_delivered++;
	}
	n = smaller(n_sent, outbox_len(&c->outbox));
	outbox_drop(&c->outbox, n);
	return n_sent - n;
}

/* Takes the items off the run's front that are sent, begun, or not for this terminal. */
static void
settle_run(struct conn *c, struct item_run *run, size_t n_sent, struct sent *sent)
{
	while (run->n > 0) {
		struct item *it = run->slots[run->at & run->mask];
		size_t len;

		bytes_for(c, it, &len);
		if (len > 0 && n_sent == 0)
			return; /* the next one has not begun */
		run->at++;
		run->n--;
		if (item_seq(it) >= c->next_seq)
			c->next_seq = item_seq(it) + 1;
		if (len > 0 && sent->first_sent != NULL && item_is_first_sent(it))
			sent->first_sent(sent->arg, c, it);
		if (n_sent < len) {
			/* Begun, not ended: the ring may drop it, we may not. */
			c->partial = item_hold(it);
			c->partial_sent = (uint32_t)n_sent;
			return;
		}
		n_sent -= len;
		sent->n_delivered += len > 0;
	}
}

bool
conn_fits_volley(const struct conn *c, const struct volley *v)
{
	return c->partial == NULL && outbox_len(&c->outbox) == 0 &&
	       (v->lowest == 0 || v->lowest >= c->next_seq);
}

/* All of it went out: nothing more to do for each item than the first time. */
static void
settle_volley(struct conn *c, struct volley *v, struct item_run *run, struct sent *sent)
{
	if (!v->was_sent) {
		v->was_sent = true;
		settle_run(c, run, v->len, sent);
		return;
	}
	run->at += v->n_items;
	run->n -= v->n_items;
	if (v->highest >= c->next_seq)
		c->next_seq = v->highest + 1;
	sent->n_delivered += v->n_delivered;
}

enum conn_status
conn_send_volley(
    struct conn *c, int64_t now_ms, struct volley *v, struct item_run *run, struct sent *sent)
{
	ssize_t n;

	do
		n = send(c->fd, v->bytes, v->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return CONN_GONE;
	if (n == (ssize_t)v->len) {
		settle_volley(c, v, run, sent);
		return CONN_OK;
	}
	if (n > 0) {
		settle_run(c, run, (size_t)n, sent);
		c->blocked_since_ms = 0;
	}
	if (c->blocked_since_ms == 0)
		c->blocked_since_ms = now_ms;
	return CONN_OK;
}

/* One piece, the usual case, costs less by itself. */
static ssize_t
send_pieces(int fd, struct pieces *p)
{
	const struct msghdr message = {.msg_iov = p->iov, .msg_iovlen = p->n};
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;

	return p->n == 1 ? send(fd, p->iov[0].iov_base, p->iov[0].iov_len, flags)
	                 : sendmsg(fd, &message, flags);
}

enum conn_status
conn_send(struct conn *c, int64_t now_ms, struct item_run *run, struct sent *sent)
{
	for (;;) {
		struct pieces pieces;
		ssize_t n = 0;
		size_t left;

		gather(c, run, &pieces);
		if (pieces.n > 0)
			n = send_pieces(c->fd, &pieces);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return CONN_GONE;
		if (n >= 0) {
			left = settle_own(c, (size_t)n, sent);
			if (run != NULL && c->partial == NULL && outbox_len(&c->outbox) == 0)
				settle_run(c, run, left, sent);
			c->blocked_since_ms = 0;
		}
		if (n < (ssize_t)pieces.bytes) {
			if (c->blocked_since_ms == 0)
				c->blocked_since_ms = now_ms;
			return CONN_OK;
		}
		if (pieces.n == 0)
			return CONN_OK;
	}
}

/* --- ending --- */

void
conn_close(struct conn *c, enum close_code code)
{
	int room = LAST_WORDS_BUFFER;

	if (c->is_closing)
		return;
	c->is_closing = true;
	/* Both may fail; then the peer sees the connection end without a reason. */
	if (conn_is_blocked(c))
		setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	(void)session_goodbye(&c->session, code, &c->outbox);
}

void
conn_answered(struct conn *c)
{
	c->is_closing = true;
}

void
conn_shut(struct conn *c)
{
	shutdown(c->fd, SHUT_WR);
	c->is_shut = true;
}

void
conn_abort(struct conn *c)
{
	const struct linger at_once = {.l_onoff = 1};

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}
