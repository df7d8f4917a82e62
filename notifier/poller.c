#include "notifier/poller.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool
poller_open(struct poller *p)
{
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->epoll_fd >= 0 && p->wake_fd >= 0 && poller_add(p, p->wake_fd, NULL, true, false))
		return true;
	poller_close(p);
	return false;
}

void
poller_close(struct poller *p)
{
	if (p->epoll_fd >= 0)
		close(p->epoll_fd);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	p->epoll_fd = p->wake_fd = -1;
}

static struct epoll_event
interest(void *what, bool read, bool write)
{
	/* Without interest in reading a half-closed peer must not be reported for ever either. */
	return (struct epoll_event){
	    .events = (read ? EPOLLIN | EPOLLRDHUP : 0u) | (write ? EPOLLOUT : 0u),
	    .data.ptr = what,
	};
}

bool
poller_add(struct poller *p, int fd, void *what, bool read, bool write)
{
	struct epoll_event ev = interest(what, read, write);

	return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

bool
poller_add_edge(struct poller *p, int fd, void *what)
{
	struct epoll_event ev = interest(what, true, false);

	ev.events |= EPOLLET;
	return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

void
poller_change(struct poller *p, int fd, void *what, bool read, bool write)
{
	struct epoll_event ev = interest(what, read, write);
	int rc = epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, fd, &ev);

	assert(rc == 0);
	(void)rc;
}

void
poller_remove(struct poller *p, int fd)
{
	epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

size_t
poller_wait(struct poller *p, struct poller_event events[POLLER_BATCH], int wait_ms)
{
	struct epoll_event got[POLLER_BATCH];
	int n = epoll_wait(p->epoll_fd, got, POLLER_BATCH, wait_ms);

	for (int i = 0; i < n; i++) {
		uint32_t what = got[i].events;

		events[i] = (struct poller_event){
		    .what = got[i].data.ptr,
		    .is_readable = (what & (EPOLLIN | EPOLLRDHUP)) != 0,
		    .is_writable = (what & EPOLLOUT) != 0,
		    .is_broken = (what & (EPOLLERR | EPOLLHUP)) != 0,
		};
		if (got[i].data.ptr == NULL) {
			uint64_t count;

			if (read(p->wake_fd, &count, sizeof count) < 0)
				assert(errno == EAGAIN);
		}
	}
	return n < 0 ? 0 : (size_t)n;
}

void
poller_wake(struct poller *p)
{
	uint64_t one = 1;

	/* A full counter wakes as well. */
	if (write(p->wake_fd, &one, sizeof one) < 0)
		assert(errno == EAGAIN);
}
