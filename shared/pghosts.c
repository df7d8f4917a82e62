#include "shared/pghosts.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

/* The options that may be lists, one entry per host. */
enum list { HOST, HOSTADDR, PORT, LISTS };

static const char *const list_names[LISTS] = {"host", "hostaddr", "port"};

struct pghosts {
	PQconninfoOption *options;
	size_t n_hosts;
	bool is_split;      /* else libpq gets the lists as they are */
	char *lists[LISTS]; /* copies, each comma a NUL; NULL: not named */
	size_t lengths[LISTS];
};

bool
pghosts_understands(const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	bool is_good = options != NULL;

	PQconninfoFree(options);
	return is_good;
}

static const char *
value_of(const struct pghosts *h, const char *keyword)
{
	for (const PQconninfoOption *o = h->options; o->keyword != NULL; o++) {
		if (strcmp(o->keyword, keyword) == 0)
			return o->val;
	}
	return NULL;
}

/* Copies the list and cuts it at its commas; false: out of memory. */
static bool
cut(struct pghosts *h, enum list list)
{
	const char *value = value_of(h, list_names[list]);

	if (value == NULL || *value == '\0')
		return true;
	h->lists[list] = strdup(value);
	if (h->lists[list] == NULL)
		return false;
	h->lengths[list] = 1;
	for (char *at = h->lists[list]; *at != '\0'; at++) {
		if (*at == ',') {
			*at = '\0';
			h->lengths[list]++;
		}
	}
	return true;
}

/* Lists that do not go together are libpq's to refuse. */
static void
count(struct pghosts *h)
{
	size_t n = h->lengths[HOSTADDR] > 0 ? h->lengths[HOSTADDR] : h->lengths[HOST];

	h->is_split = n > 1 && (h->lengths[HOST] == 0 || h->lengths[HOST] == n) &&
	              (h->lengths[PORT] <= 1 || h->lengths[PORT] == n);
	h->n_hosts = h->is_split ? n : 1;
}

struct pghosts *
pghosts_new(const char *conninfo)
{
	struct pghosts *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	h->options = PQconninfoParse(conninfo, NULL);
	if (h->options != NULL && cut(h, HOST) && cut(h, HOSTADDR) && cut(h, PORT)) {
		count(h);
		return h;
	}
	pghosts_free(h);
	return NULL;
}

void
pghosts_free(struct pghosts *h)
{
	if (h == NULL)
		return;
	PQconninfoFree(h->options);
	for (int i = 0; i < LISTS; i++)
		free(h->lists[i]);
	free(h);
}

size_t
pghosts_count(const struct pghosts *h)
{
	return h->n_hosts;
}

/* Which list the keyword is of; LISTS: none. */
static enum list
list_of(const char *keyword)
{
	enum list list = HOST;

	while (list < LISTS && strcmp(list_names[list], keyword) != 0)
		list++;
	return list;
}

static const char *
entry(const struct pghosts *h, enum list list, size_t i)
{
	const char *at = h->lists[list];

	/* One port is that of every host. */
	for (; i > 0 && h->lengths[list] > 1; i--)
		at += strlen(at) + 1;
	return at;
}

void
pghosts_fill(const struct pghosts *h, size_t i, const char *keywords[PGHOSTS_KEYWORDS_MAX],
    const char *values[PGHOSTS_KEYWORDS_MAX], size_t n)
{
	assert(i < h->n_hosts);
	for (const PQconninfoOption *o = h->options; o->keyword != NULL; o++) {
		enum list list = list_of(o->keyword);
		const char *value = h->is_split && list != LISTS && h->lists[list] != NULL
		                        ? entry(h, list, i)
		                        : o->val;

		if (value == NULL || *value == '\0')
			continue;
		assert(n < PGHOSTS_KEYWORDS_MAX - 1);
		keywords[n] = o->keyword;
		values[n++] = value;
	}
	keywords[n] = NULL;
	values[n] = NULL;
}
