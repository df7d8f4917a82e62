/* selftest.h - the client of the door's self-test, and what must hold of the socket that came over.
 * For a moment before the program serves anybody. */
#ifndef NOTIFIER_SELFTEST_H
#define NOTIFIER_SELFTEST_H

#include <sys/socket.h>

enum { SELFTEST_MS = 5000 };

/* Sends a request for `path` with something behind it; gives the connected socket or -1. */
int selftest_connect(const struct sockaddr_storage *to, socklen_t len, const char *path);

/* NULL when the socket that was taken over is alive both ways, has in it what was sent behind the
 * request's header, and outlives civetweb's close(); else what does not hold. */
const char *selftest_talk(int client, int taken);

#endif
