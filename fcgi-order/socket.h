/* socket.h - the FastCGI socket that the program makes itself. */
#ifndef FCGI_ORDER_SOCKET_H
#define FCGI_ORDER_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

/* Listens at a path (with those permissions; a leftover of a dead process is replaced, a living
 * one's is not) or at :PORT of 127.0.0.1.  The descriptor, or -1 with a message in `error`. */
int socket_listen(const char *where, mode_t mode, char *error, size_t error_size);

/* Takes the path away again; nothing for a port. */
void socket_unlink(const char *where);

#endif
