/* server.h - FastCGI and CGI: takes requests, lets them be handled, sends the answers. */
#ifndef FCGI_ORDER_SERVER_H
#define FCGI_ORDER_SERVER_H

#include <stdbool.h>

#include "fcgi-order/counters.h"
#include "fcgi-order/rules.h"

/* True when descriptor 0 is a FastCGI socket that the web server made. */
bool server_has_inherited_socket(void);

enum server_end {
	SERVER_ENDED,     /* told to, and every request was finished */
	SERVER_FAILED,    /* it could not start or go on; why is in the log */
	SERVER_ABANDONED, /* told to, but some requests did not end: their threads still run, and
	                     use what was lent; only the end of the process is left */
};

/* Serves FastCGI requests from a listening socket, in as many threads as the first rules say, until
 * wait(arg) returns; where it cannot go on by itself it sends the process a SIGTERM, on which that
 * should happen. */
enum server_end server_run(int listen_fd, struct rules_slot *rules, struct counters *counters,
    void (*wait)(void *arg), void *arg);

/* Serves the one request that the environment and standard input describe (CGI, RFC 3875). */
bool server_run_cgi(const struct rules *rules, struct counters *counters);

#endif
