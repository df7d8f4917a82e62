/* poller.h - epoll(7), the one place that calls it; level-triggered unless said otherwise.  One
 * owner thread opens, waits and closes; all else may come from any thread. */
#ifndef NOTIFIER_POLLER_H
#define NOTIFIER_POLLER_H

#include <stdbool.h>
#include <stddef.h>

struct poller {
	int epoll_fd, wake_fd;
};

struct poller_event {
	void *what; /* as given to poller_add(); NULL: poller_wake() was called */
	bool is_readable, is_writable, is_broken; /* broken: error or both ways closed */
};

enum { POLLER_BATCH = 256 };

bool poller_open(struct poller *p);
void poller_close(struct poller *p);

bool poller_add(struct poller *p, int fd, void *what, bool read, bool write);
/* Edge-triggered, for reading: told once each time something new has arrived.  For those who only
 * look at what came and leave it there. */
bool poller_add_edge(struct poller *p, int fd, void *what);
void poller_change(struct poller *p, int fd, void *what, bool read, bool write);
/* Always before close(): another thread may still hold the same open file, and epoll would go on
 * reporting it. */
void poller_remove(struct poller *p, int fd);

/* Waits at most wait_ms (-1: without end).  Gives how many of `events` it filled. */
size_t poller_wait(struct poller *p, struct poller_event events[POLLER_BATCH], int wait_ms);
void poller_wake(struct poller *p);

#endif
