#include "notifier/civet.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "notifier/gate.h"
#include "shared/log.h"

enum { BODY_PIECES_MAX = 16 };

/* --- requests --- */

/* A header's value without the white space behind it (RFC 9110, section 5.5), which civetweb leaves
 * there.  The text is civetweb's request buffer: ours to write while the request lasts. */
static const char *
trim_value(const char *value)
{
	size_t n = strlen(value);

	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	((char *)(uintptr_t)value)[n] = '\0';
	return value;
}

static void
read_headers(const struct mg_request_info *info, struct request *r)
{
	for (int i = 0; i < info->num_headers && i < REQUEST_HEADERS_MAX; i++) {
		r->headers[i].name = info->http_headers[i].name;
		r->headers[i].value = trim_value(info->http_headers[i].value);
		r->n_headers++;
	}
}

int
civet_read(const struct mg_request_info *info, char path[CIVET_PATH_SIZE], struct request *r,
    const char **reason)
{
	*r = (struct request){
	    .method = info->request_method,
	    .version = info->http_version,
	    .path = info->local_uri,
	    .query = info->query_string,
	    .peer = info->remote_addr,
	};
	*reason = "too many header fields";
	if (info->num_headers >= REQUEST_HEADERS_MAX)
		return 431; /* civetweb drops what is more: a proxy's word might be among it */
	read_headers(info, r);
	*reason = "exactly one Host header is needed";
	if (strcmp(info->http_version, "1.0") != 0 && request_header_count(r, "Host") != 1)
		return 400; /* RFC 9112, section 3.2 */
	/* civetweb itself would decode %00 to the end of the path. */
	*reason = "the path is not one";
	r->path = path;
	return request_decode_path(info->local_uri, path, CIVET_PATH_SIZE) ? 0 : 400;
}

/* --- answers --- */

void
civet_send(struct mg_connection *mg, int status, const char *headers, const char *body, size_t len)
{
	const struct mg_request_info *info = mg_get_request_info(mg);

	/* Not civetweb's helper for errors: 1.15's sends no status line on upgrade requests. */
	mg_printf(mg, "HTTP/1.1 %d %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
	    status, mg_get_response_code_text(mg, status), headers, len);
	if (strcmp(info->request_method, "HEAD") != 0)
		mg_write(mg, body, len);
}

/* Closing over a body that has come and was not read would reset the connection, and the client
 * might never see the answer. */
static void
drop_arrived_body(void)
{
	char bytes[4096];

	for (int i = 0; i < BODY_PIECES_MAX; i++) {
		if (recv(gate_last_descriptor(), bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
			return;
	}
}

int
civet_say(struct mg_connection *mg, int status, const char *headers, const char *text)
{
	char all[1024];

	snprintf(all, sizeof all,
	    "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n%s",
	    headers);
	civet_send(mg, status, all, text, strlen(text));
	drop_arrived_body();
	return status;
}

/* --- what civetweb calls --- */

/* For every request it could read; whatever it is, it ends here. */
static int
begin_request(struct mg_connection *mg)
{
	const struct civet_calls *calls = mg_get_request_info(mg)->user_data;

	/* One request per connection; and it is not to wait for a body that nobody wants. */
	mg_disable_connection_keep_alive(mg);
	return calls->request(calls->arg, mg);
}

/* For what it could not read.  Its own answer would have no status line where the request asked for
 * an upgrade. */
static int
http_error(struct mg_connection *mg, int status, const char *message)
{
	const struct civet_calls *calls = mg_get_request_info(mg)->user_data;

	(void)message;
	calls->unread(calls->arg, status);
	mg_disable_connection_keep_alive(mg);
	mg_printf(mg, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status,
	    mg_get_response_code_text(mg, status));
	drop_arrived_body();
	return 0;
}

static int
log_message(const struct mg_connection *mg, const char *message)
{
	char text[300];

	(void)mg;
	log_debug("civetweb: \"%s\"", log_escape(text, sizeof text, message, strlen(message)));
	return 1;
}

struct mg_context *
civet_start(const char *listen, int n_threads, struct civet_calls *calls)
{
	static const struct mg_callbacks callbacks = {
	    .begin_request = begin_request,
	    .http_error = http_error,
	    .log_message = log_message,
	};
	char threads[12];
	const char *options[] = {
	    "listening_ports",
	    listen,
	    "num_threads",
	    threads,
	    "connection_queue",
	    "256",
	    "listen_backlog",
	    "4096",
	    "tcp_nodelay",
	    "1",
	    "request_timeout_ms",
	    "3000",
	    "enable_keep_alive",
	    "no",
	    "max_request_size",
	    "8192",
	    "enable_directory_listing",
	    "no",
	    "decode_url",
	    "no",
	    "enable_auth_domain_check",
	    "no",
	    NULL,
	};

	snprintf(threads, sizeof threads, "%d", n_threads);
	mg_init_library(0);
	return mg_start(&callbacks, calls, options);
}
