#include "fcgi-order/request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
request_variable(const struct request *r, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; r->env[i] != NULL; i++) {
		if (strncmp(r->env[i], name, len) == 0 && r->env[i][len] == '=')
			return r->env[i] + len + 1;
	}
	return "";
}

/* True when the variable HTTP_WEBHOOK_ID stands for the header webhook-id. */
static bool
is_of_header(const char *variable, const char *name)
{
	if (strncmp(variable, "HTTP_", 5) != 0)
		return false;
	for (variable += 5; *name != '\0'; name++, variable++) {
		char wanted = *name == '-' ? '_' : (char)toupper((unsigned char)*name);

		if (*variable != wanted)
			return false;
	}
	return *variable == '=';
}

const char *
request_header(const struct request *r, const char *name)
{
	for (size_t i = 0; r->env[i] != NULL; i++) {
		if (is_of_header(r->env[i], name))
			return strchr(r->env[i], '=') + 1;
	}
	return NULL;
}

bool
request_is_whole(const struct request *r)
{
	return strtoull(request_variable(r, "CONTENT_LENGTH"), NULL, 10) <= r->body_len;
}

bool
request_path(const struct request *r, char path[REQUEST_PATH_MAX])
{
	int n = snprintf(path, REQUEST_PATH_MAX, "%s%s", request_variable(r, "SCRIPT_NAME"),
	    request_variable(r, "PATH_INFO"));

	return n >= 0 && n < REQUEST_PATH_MAX;
}

/* --- answers --- */

void
reply_fini(struct reply *r)
{
	free(r->body);
	*r = (struct reply){0};
}

void
reply_empty(struct reply *r, int status)
{
	reply_fini(r);
	r->status = status;
}

void
reply_text(struct reply *r, int status, const char *text)
{
	reply_empty(r, status);
	r->content_type = "text/plain; charset=utf-8";
	r->body = strdup(text);
}

/* Takes the object. */
static void
reply_json(struct reply *r, int status, json_object *object)
{
	reply_empty(r, status);
	r->content_type = "application/json";
	r->body = strdup(json_object_to_json_string_ext(
	    object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

void
reply_gateway(struct reply *r, int status, const char *code, const char *message)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "code", json_object_new_string(code));
	json_object_object_add(object, "message", json_object_new_string(message));
	reply_json(r, status, object);
}

void
reply_envelope(struct reply *r, int status, const char *msg, json_object *data)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "code", json_object_new_int(msg == NULL ? 1 : 0));
	json_object_object_add(object, "msg", msg == NULL ? NULL : json_object_new_string(msg));
	json_object_object_add(object, "data", data);
	reply_json(r, status, object);
}

const char *
reply_reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 204: return "No Content";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 409: return "Conflict";
	case 413: return "Content Too Large";
	case 500: return "Internal Server Error";
	case 503: return "Service Unavailable";
	default: return "Error";
	}
}
