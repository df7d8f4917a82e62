/* entry.h - where the web server's connections come in.
 * libfcgi waits in accept() and reads without any time limit.  This module defines accept() for the
 * whole program (an executable's own function goes before the C library's), so that
 * - a thread that waits there can be told to end, without a signal that would break others' reads;
 * - one thread waits at a time, and a connection wakes one of them, not all;
 * - failures (no descriptors left) are waited out, told once, and never spin;
 * - a web server that stalls holds a thread for some seconds, not for good. */
#ifndef FCGI_ORDER_ENTRY_H
#define FCGI_ORDER_ENTRY_H

struct entry;

/* Borrows a listening socket and makes it non-blocking.  NULL: errno says why. */
struct entry *entry_new(int listen_fd);
void entry_free(struct entry *e); /* accepts NULL; nobody may be in it any more */

/* From now on accept() on that socket, called by this thread, comes here. */
void entry_join(struct entry *e);

/* Any thread: no more connections.  accept() fails with ECANCELED, also where one waits already. */
void entry_close(struct entry *e);

/* Of this thread's connection nothing more is read: what the web server still sends is dropped. */
void entry_stop_reading(void);

#endif
