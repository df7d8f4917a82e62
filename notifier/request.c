#include "notifier/request.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

size_t
request_header_length(const char *bytes, size_t n)
{
	const char *crlf = memmem(bytes, n, "\r\n\r\n", 4);
	const char *lf = memmem(bytes, crlf != NULL ? (size_t)(crlf - bytes) : n, "\n\n", 2);

	if (lf != NULL)
		return (size_t)(lf - bytes) + 2;
	return crlf != NULL ? (size_t)(crlf - bytes) + 4 : 0;
}

const char *
request_header(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		if (strcasecmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	}
	return NULL;
}

size_t
request_header_count(const struct request *r, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_headers; i++)
		n += strcasecmp(r->headers[i].name, name) == 0;
	return n;
}

/* Steps through a list: sets *item and *len to the next element without white space around it.
 * NULL at the end, else where to go on. */
static const char *
next_element(const char *list, const char *separators, const char **item, size_t *len)
{
	list += strspn(list, separators);
	list += strspn(list, " \t");
	if (*list == '\0')
		return NULL;
	*item = list;
	*len = strcspn(list, separators);
	list += *len;
	while (*len > 0 && ((*item)[*len - 1] == ' ' || (*item)[*len - 1] == '\t'))
		(*len)--;
	return list;
}

static bool
list_has(const char *list, const char *token, bool exact_case)
{
	int (*compare)(const char *, const char *, size_t) = exact_case ? strncmp : strncasecmp;
	const char *item;
	size_t len;

	while ((list = next_element(list, ",", &item, &len)) != NULL) {
		if (len == strlen(token) && compare(item, token, len) == 0)
			return true;
	}
	return false;
}

bool
request_has_token(const struct request *r, const char *name, const char *token, bool exact_case)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		if (strcasecmp(r->headers[i].name, name) == 0 &&
		    list_has(r->headers[i].value, token, exact_case))
			return true;
	}
	return false;
}

bool
request_has_body(const struct request *r)
{
	const char *length = request_header(r, "Content-Length");

	return request_header(r, "Transfer-Encoding") != NULL ||
	       (length != NULL && strspn(length, "0") != strlen(length));
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Percent-decodes; false when it is malformed, holds a NUL, or does not fit. */
static bool
decode(const char *in, size_t in_len, char *out, size_t out_size)
{
	size_t n = 0;

	for (size_t i = 0; i < in_len; i++) {
		char c = in[i];

		if (c == '%') {
			if (i + 2 >= in_len || hex_digit(in[i + 1]) < 0 || hex_digit(in[i + 2]) < 0)
				return false;
			c = (char)(hex_digit(in[i + 1]) << 4 | hex_digit(in[i + 2]));
			i += 2;
		}
		if (c == '\0' || n + 1 >= out_size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

bool
request_decode_path(const char *path, char *out, size_t out_size)
{
	return decode(path, strlen(path), out, out_size);
}

/* Finds `key=value` in a list. */
static bool
find_pair(
    const char *list, const char *separators, const char *key, const char **value, size_t *len)
{
	size_t key_len = strlen(key), item_len;
	const char *item;

	while (list != NULL && (list = next_element(list, separators, &item, &item_len)) != NULL) {
		if (item_len > key_len && strncmp(item, key, key_len) == 0 &&
		    item[key_len] == '=') {
			*value = item + key_len + 1;
			*len = item_len - key_len - 1;
			return true;
		}
	}
	return false;
}

bool
request_query(const struct request *r, const char *key, char *out, size_t out_size)
{
	const char *value;
	size_t len;

	return find_pair(r->query, "&", key, &value, &len) && decode(value, len, out, out_size);
}

bool
request_cookie(const struct request *r, const char *key, char *out, size_t out_size)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		const char *value;
		size_t len;

		if (strcasecmp(r->headers[i].name, "Cookie") != 0 ||
		    !find_pair(r->headers[i].value, ";", key, &value, &len))
			continue;
		if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
			value++;
			len -= 2;
		}
		if (len >= out_size)
			return false;
		memcpy(out, value, len);
		out[len] = '\0';
		return true;
	}
	return false;
}

/* Copies an address without the brackets and port that may surround it. */
static bool
bare_address(const char *text, size_t text_len, char *out, size_t out_size)
{
	const char *end = text + text_len, *colon;

	if (text_len > 0 && text[0] == '[') {
		text++;
		end = memchr(text, ']', (size_t)(end - text));
		if (end == NULL)
			return false;
	} else {
		colon = memchr(text, ':', text_len);
		/* One colon parts a port; several are IPv6. */
		if (colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) == NULL)
			end = colon;
	}
	if ((size_t)(end - text) >= out_size)
		return false;
	memcpy(out, text, (size_t)(end - text));
	out[end - text] = '\0';
	return true;
}

bool
request_is_loopback(const char *address, bool or_localhost)
{
	char bare[64];
	struct in_addr v4;
	struct in6_addr v6;

	if (!bare_address(address, strlen(address), bare, sizeof bare))
		return false;
	if (or_localhost && strcasecmp(bare, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, bare, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, bare, &v6) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

bool
request_is_trusted(const char *trusted, const char *address)
{
	const char *item;
	size_t len;

	while ((trusted = next_element(trusted, " ", &item, &len)) != NULL) {
		if (len == strlen(address) && strncmp(item, address, len) == 0)
			return true;
	}
	return false;
}

void
request_client_address(const struct request *r, const char *trusted, char *out, size_t out_size)
{
	snprintf(out, out_size, "%s", r->peer);
	/* From the last hop to the first, as far as the word of those who wrote them is good. */
	for (size_t i = r->n_headers; i-- > 0;) {
		const char *value = r->headers[i].value;
		size_t end = strlen(value);

		if (strcasecmp(r->headers[i].name, "X-Forwarded-For") != 0)
			continue;
		while (end > 0 && request_is_trusted(trusted, out)) {
			size_t start = end;
			const char *item;
			size_t len;
			char hop[64];

			while (start > 0 && value[start - 1] != ',')
				start--;
			if (end - start < sizeof hop) {
				char element[sizeof hop];

				memcpy(element, value + start, end - start);
				element[end - start] = '\0';
				if (next_element(element, ",", &item, &len) != NULL &&
				    bare_address(item, len, hop, sizeof hop) && hop[0] != '\0')
					snprintf(out, out_size, "%s", hop);
			}
			end = start > 0 ? start - 1 : 0;
		}
	}
}
