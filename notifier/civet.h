/* civet.h - civetweb as this program runs it: started with what it can be trusted with, its answers
 * written by us, and its requests read again where it is lax.  What its version 1.15 does wrong is
 * known here and nowhere else. */
#ifndef NOTIFIER_CIVET_H
#define NOTIFIER_CIVET_H

#include <civetweb.h>
#include <stddef.h>

#include "notifier/request.h"

enum { CIVET_PATH_SIZE = 1024 };

/* Called in civetweb's threads. */
struct civet_calls {
	void *arg;
	/* Answers, and gives the status it did with; the connection ends with it. */
	int (*request)(void *arg, struct mg_connection *mg);
	/* One could not be read, and was refused with this status. */
	void (*unread)(void *arg, int status);
};

/* Opens the ports of `listen` (civetweb's listening_ports); `calls` is borrowed until mg_stop().
 * NULL: it cannot listen. */
struct mg_context *civet_start(const char *listen, int n_threads, struct civet_calls *calls);

/* Reads a request as civetweb would not: its path decoded into `path` and no NUL in it, its headers
 * all there, exactly one Host.  0, or the status of the refusal and its reason for the client. */
int civet_read(const struct mg_request_info *info, char path[CIVET_PATH_SIZE], struct request *r,
    const char **reason);

/* Answers.  `headers` are whole lines.  civet_say() sends text, takes out of the socket what has
 * come of a body that nobody will read, and gives the status. */
void civet_send(
    struct mg_connection *mg, int status, const char *headers, const char *body, size_t len);
int civet_say(struct mg_connection *mg, int status, const char *headers, const char *text);

#endif
