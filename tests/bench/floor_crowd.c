#include "tests/bench/floor_crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 512,
	ACCEPTS_AT_ONCE = 64, /* so that deliveries need not wait for a storm to be over */
	BACKLOG = 4096,
	REQUEST_MAX = 8192,
	KEY_LEN = 24, /* 16 bytes in base64 */
	GUID_LEN = 36,
};

enum member_state { MEMBER_NONE, MEMBER_ASKING, MEMBER_OPEN };

/* All there is of a connection: its place in the array is its descriptor. */
struct member {
	uint32_t at;  /* position in the stream of what is not written yet */
	uint32_t end; /* of the frame that is under way */
	uint8_t state;
};

struct floor_crowd {
	struct floor_stream *stream;
	struct member *members;
	int n_members, top; /* room; one above the highest in use */
	int epoll_fd, listen_fd, watched_fd;
	enum floor_mode mode;
};

static void
leave(struct floor_crowd *c, int fd)
{
	c->members[fd].state = MEMBER_NONE;
	close(fd);
}

/* --- delivering --- */

/* Writes up to `end`.  False: the socket takes no more now, or is gone. */
static bool
write_up_to(struct floor_crowd *c, int fd, uint32_t end)
{
	struct member *m = &c->members[fd];

	while (m->at != end) {
		ssize_t n = send(fd, floor_stream_at(c->stream, m->at), end - m->at,
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			leave(c, fd);
		if (n < 0)
			return false;
		m->at += (uint32_t)n;
	}
	return true;
}

/* Writes what the socket takes.  False: it has not got all. */
static bool
write_all(struct floor_crowd *c, int fd)
{
	struct member *m = &c->members[fd];
	uint32_t end = floor_stream_end(c->stream);

	if (c->mode == FLOOR_BATCH)
		return write_up_to(c, fd, end);
	while (m->at != end) {
		if (m->at == m->end)
			m->end = floor_stream_next(c->stream, m->at);
		if (!write_up_to(c, fd, m->end))
			return false;
	}
	return true;
}

void
floor_crowd_deliver(struct floor_crowd *c)
{
	bool all_have_all = true;

	for (int fd = 0; fd < c->top; fd++) {
		if (c->members[fd].state == MEMBER_OPEN && !write_all(c, fd))
			all_have_all &= c->members[fd].state != MEMBER_OPEN;
	}
	if (all_have_all)
		floor_stream_drop(c->stream);
}

/* --- coming and going --- */

static void
accept_one(struct floor_crowd *c, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	const int one = 1;

	ev.data.fd = fd;
	if (fd >= c->n_members || epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (fd >= c->top)
		c->top = fd + 1;
	c->members[fd].state = MEMBER_ASKING;
}

static void
accept_some(struct floor_crowd *c)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd = accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		accept_one(c, fd);
	}
}

/* Sec-WebSocket-Accept of a request; false: it has no key. */
static bool
accept_value(const char *request, char *out)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	const char *key = strstr(request, name);
	char text[KEY_LEN + GUID_LEN + 1];
	unsigned char digest[SHA_DIGEST_LENGTH];

	if (key == NULL || strlen(key) < sizeof name - 1 + KEY_LEN)
		return false;
	memcpy(text, key + sizeof name - 1, KEY_LEN);
	memcpy(text + KEY_LEN, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", GUID_LEN + 1);
	SHA1((const unsigned char *)text, KEY_LEN + GUID_LEN, digest);
	EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
	return true;
}

/* A request is taken when it comes in one piece: over loopback it does. */
static void
answer(struct floor_crowd *c, int fd, const char *request)
{
	char value[2 * SHA_DIGEST_LENGTH], text[256];
	int n;

	if (strstr(request, "\r\n\r\n") == NULL || !accept_value(request, value)) {
		leave(c, fd);
		return;
	}
	n = snprintf(text, sizeof text,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    value);
	if (send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n) {
		leave(c, fd);
		return;
	}
	c->members[fd].state = MEMBER_OPEN;
	c->members[fd].at = c->members[fd].end = floor_stream_end(c->stream);
}

/* What open members say is read and forgotten. */
static void
hear(struct floor_crowd *c, int fd)
{
	char bytes[REQUEST_MAX + 1];
	ssize_t n;

	while ((n = recv(fd, bytes, REQUEST_MAX, MSG_DONTWAIT)) > 0) {
		bytes[n] = '\0';
		if (c->members[fd].state == MEMBER_ASKING)
			answer(c, fd, bytes);
		if (c->members[fd].state == MEMBER_NONE || n < REQUEST_MAX)
			return;
	}
	if (n == 0 || errno != EAGAIN)
		leave(c, fd);
}

static void
serve(struct floor_crowd *c, const struct epoll_event *ev)
{
	int fd = ev->data.fd;

	if ((ev->events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0)
		leave(c, fd);
	else if ((ev->events & EPOLLIN) != 0)
		hear(c, fd);
	if (c->members[fd].state == MEMBER_OPEN && (ev->events & EPOLLOUT) != 0)
		write_all(c, fd);
}

bool
floor_crowd_step(struct floor_crowd *c)
{
	struct epoll_event events[BATCH];
	int n = epoll_wait(c->epoll_fd, events, BATCH, -1);
	bool is_watched = false;

	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == c->watched_fd)
			is_watched = true;
		else if (events[i].data.fd == c->listen_fd)
			accept_some(c);
		else
			serve(c, &events[i]);
	}
	return is_watched;
}

/* --- life --- */

static bool
is_listening(struct floor_crowd *c, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return c->listen_fd >= 0 &&
	       setsockopt(c->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	       bind(c->listen_fd, (struct sockaddr *)&address, sizeof address) == 0 &&
	       listen(c->listen_fd, BACKLOG) == 0;
}

static bool
is_polled(struct floor_crowd *c, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	ev.data.fd = fd;
	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* Room for as many as the system allows. */
static bool
has_room(struct floor_crowd *c)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return false;
	c->n_members = limit.rlim_cur > 1 << 20 ? 1 << 20 : (int)limit.rlim_cur;
	c->members = calloc((size_t)c->n_members, sizeof *c->members);
	return c->members != NULL;
}

struct floor_crowd *
floor_crowd_new(uint16_t port, int watched_fd, enum floor_mode mode, struct floor_stream *stream)
{
	struct floor_crowd *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->stream = stream;
	c->mode = mode;
	c->watched_fd = watched_fd;
	c->listen_fd = -1;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0 || !has_room(c) || !is_listening(c, port) ||
	    !is_polled(c, watched_fd) || !is_polled(c, c->listen_fd)) {
		floor_crowd_free(c);
		return NULL;
	}
	return c;
}

void
floor_crowd_free(struct floor_crowd *c)
{
	if (c == NULL)
		return;
	for (int fd = 0; fd < c->top; fd++) {
		if (c->members[fd].state != MEMBER_NONE)
			close(fd);
	}
	free(c->members);
	if (c->listen_fd >= 0)
		close(c->listen_fd);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	free(c);
}

uint16_t
floor_crowd_port(const struct floor_crowd *c)
{
	struct sockaddr_in address = {0};
	socklen_t len = sizeof address;

	if (getsockname(c->listen_fd, (struct sockaddr *)&address, &len) != 0)
		return 0;
	return ntohs(address.sin_port);
}
