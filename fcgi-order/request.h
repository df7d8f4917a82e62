/* request.h - one HTTP request as the web server hands it on (RFC 3875), and its answer.  Pure. */
#ifndef FCGI_ORDER_REQUEST_H
#define FCGI_ORDER_REQUEST_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

enum { REQUEST_PATH_MAX = 512 };

/* All borrowed for the length of one call. */
struct request {
	char *const *env; /* "NAME=value", NULL-terminated: CGI's meta-variables */
	const char *body; /* body_len bytes, with a NUL behind that does not count */
	size_t body_len;
};

/* A meta-variable, "" when it is not there. */
const char *request_variable(const struct request *r, const char *name);

/* A header by its name ("webhook-id" is HTTP_WEBHOOK_ID); NULL when it is not there. */
const char *request_header(const struct request *r, const char *name);

/* False when the body is shorter than CONTENT_LENGTH says: the client went away in its midst. */
bool request_is_whole(const struct request *r);

/* SCRIPT_NAME and PATH_INFO together: hosts split the path differently.  False when too long. */
bool request_path(const struct request *r, char path[REQUEST_PATH_MAX]);

struct reply {
	int status;
	const char *allow; /* methods, for 405; NULL: none */
	const char *content_type;
	char *body; /* owned; NULL: empty */
};

void reply_fini(struct reply *r);

/* An answer without a body. */
void reply_empty(struct reply *r, int status);

void reply_text(struct reply *r, int status, const char *text);

/* {"code":…,"message":…} as gateways know it. */
void reply_gateway(struct reply *r, int status, const char *code, const char *message);

/* {"code":1,"msg":null,"data":…} as the tutorial's clients know it; code 0 with a msg is an error.
 * Takes `data` (may be NULL). */
void reply_envelope(struct reply *r, int status, const char *msg, json_object *data);

/* Text of a status, "Not Found". */
const char *reply_reason(int status);

#endif
