/* server.h - FastCGI and CGI: takes requests, lets them be handled, sends the answers. */
#ifndef FCGI_ORDER_SERVER_H
#define FCGI_ORDER_SERVER_H

#include <stdbool.h>

#include "fcgi-order/counters.h"
#include "fcgi-order/options.h"

/* True when descriptor 0 is a FastCGI socket that the web server made. */
bool server_has_inherited_socket(void);

/* Serves FastCGI requests from a listening socket in options->threads threads until SIGTERM or
 * SIGINT, which must be blocked in the caller; requests that run are finished.  False when it
 * could not start. */
bool server_run(int listen_fd, const struct options *options, struct counters *counters);

/* Serves the one request that the environment and standard input describe (CGI, RFC 3875). */
bool server_run_cgi(const struct options *options, struct counters *counters);

#endif
