/* clerk_by_hand CONNINFO NAME MAX_PRESENCES ESCALATE_S - a clerk that is told what stands in the
 * lines of standard input, and a list of who is connected, as the carrier has one, for when it
 * asks:
 *
 *   present CONNECTION MERCHANT TERMINAL KIND AUDIO
 *   gone CONNECTION
 *   crowd COUNT                  so many connections of merchant 1 come at once
 *   delivered EVENT TERMINAL
 *   facts FIRST COUNT            so many events in a row were delivered
 *   mode poll | listen
 *   escalate SECONDS
 *   metrics                      answered with all of them, and a line "."
 *
 * At the end of its input it ends in good order. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "notifier/clerk.h"
#include "shared/log.h"

enum { BOOK_MAX = 200000, CROWD_STEP = 64, CROWD_FIRST = 1 << 20, FACTS_AT_ONCE = 100 };

struct guest {
	int64_t connection, merchant, since_ms;
	char terminal[SID_MAX + 1], kind[8], audio[8];
};

struct hands {
	struct clerk *clerk;
	struct metrics metrics;
	pthread_mutex_t lock; /* the clerk asks from its own thread */
	struct guest *guests;
	size_t n_guests;
};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The words that a clerk takes for kind and audio last as long as it. */
static const char *
constant(const char *word)
{
	static const char *const words[] = {
	    "v1", "plain", "sse", "poll", "armed", "blocked", "unknown"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(word, words[i]) == 0)
			return words[i];
	}
	return "?";
}

static void
tell(struct hands *h, const struct guest *g)
{
	clerk_present(h->clerk, &(struct clerk_presence){
				    .connection = g->connection,
				    .merchant = g->merchant,
				    .terminal = g->terminal,
				    .kind = constant(g->kind),
				    .audio = constant(g->audio),
				    .since_ms = g->since_ms,
				});
}

static void
retell(void *arg)
{
	struct hands *h = arg;

	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->n_guests; i++)
		tell(h, &h->guests[i]);
	pthread_mutex_unlock(&h->lock);
}

/* --- the commands --- */

static struct guest *
find(struct hands *h, int64_t connection)
{
	for (size_t i = 0; i < h->n_guests; i++) {
		if (h->guests[i].connection == connection)
			return &h->guests[i];
	}
	return NULL;
}

static bool
present(struct hands *h, const char *words)
{
	struct guest g = {.since_ms = now_ms()}, *place;

	if (sscanf(words, "%" SCNd64 " %" SCNd64 " %64s %7s %7s", &g.connection, &g.merchant,
		g.terminal, g.kind, g.audio) != 5)
		return false;
	place = find(h, g.connection);
	if (place == NULL && h->n_guests < BOOK_MAX)
		place = &h->guests[h->n_guests++];
	if (place == NULL)
		return false;
	*place = g;
	tell(h, place);
	return true;
}

static bool
gone(struct hands *h, const char *words)
{
	int64_t connection = strtoll(words, NULL, 10);
	struct guest *g = find(h, connection);

	if (g == NULL)
		return false;
	*g = h->guests[--h->n_guests];
	clerk_gone(h->clerk, connection);
	return true;
}

static bool
crowd(struct hands *h, const char *words)
{
	size_t n = strtoul(words, NULL, 10);

	if (n > BOOK_MAX - h->n_guests)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct guest *g = &h->guests[h->n_guests++];

		*g = (struct guest){.connection = CROWD_FIRST + (int64_t)h->n_guests * CROWD_STEP,
		    .merchant = 1,
		    .since_ms = now_ms(),
		    .kind = "plain",
		    .audio = "unknown"};
		snprintf(g->terminal, sizeof g->terminal, "till-%zu", i);
		tell(h, g);
	}
	return true;
}

static bool
delivered(struct hands *h, const char *words)
{
	struct clerk_delivery d = {.at_ms = now_ms()};

	if (sscanf(words, "%" SCNd64 " %64s", &d.event_id, d.to) != 2)
		return false;
	clerk_delivered(h->clerk, &d, 1);
	return true;
}

static bool
facts(struct hands *h, const char *words)
{
	struct clerk_delivery d[FACTS_AT_ONCE];
	int64_t first, count;

	if (sscanf(words, "%" SCNd64 " %" SCNd64, &first, &count) != 2)
		return false;
	for (int64_t done = 0; done < count;) {
		size_t n = 0;

		for (; n < FACTS_AT_ONCE && done < count; n++, done++)
			d[n] = (struct clerk_delivery){first + done, now_ms(), "till-1"};
		clerk_delivered(h->clerk, d, n);
	}
	return true;
}

static bool
mode(struct hands *h, const char *words)
{
	clerk_set_mode(h->clerk, strcmp(words, "poll") == 0);
	return true;
}

static bool
escalate(struct hands *h, const char *words)
{
	clerk_set_escalate(h->clerk, strtoll(words, NULL, 10));
	return true;
}

static bool
metrics(struct hands *h, const char *words)
{
	(void)words;
	metrics_write(&h->metrics, stdout);
	puts(".");
	return fflush(stdout) == 0;
}

static const struct command {
	const char *name;
	bool (*obey)(struct hands *h, const char *words);
} commands[] = {
    {"present", present},
    {"gone", gone},
    {"crowd", crowd},
    {"delivered", delivered},
    {"facts", facts},
    {"mode", mode},
    {"escalate", escalate},
    {"metrics", metrics},
};

static bool
obey(struct hands *h, char *line)
{
	char *words = line;
	const char *name = strsep(&words, " ");
	bool ok = false;

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		pthread_mutex_lock(&h->lock);
		ok = commands[i].obey(h, words != NULL ? words : "");
		pthread_mutex_unlock(&h->lock);
	}
	return ok;
}

int
main(int argc, char **argv)
{
	static struct hands h = {.lock = PTHREAD_MUTEX_INITIALIZER};
	const struct clerk_sink sink = {&h, retell};
	struct clerk_options options;
	char line[256];
	bool ok = true;

	if (argc != 5)
		return EXIT_FAILURE;
	log_open("clerk_by_hand");
	options = (struct clerk_options){
	    .conninfo = argv[1],
	    .name = argv[2],
	    .max_presences = strtoul(argv[3], NULL, 10),
	    .escalate_s = strtoll(argv[4], NULL, 10),
	};
	h.guests = calloc(BOOK_MAX, sizeof *h.guests);
	h.clerk = clerk_new(&options, &sink, &h.metrics);
	if (h.guests == NULL || h.clerk == NULL || !clerk_start(h.clerk))
		return EXIT_FAILURE;
	while (ok && fgets(line, sizeof line, stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		ok = obey(&h, line);
		if (!ok)
			log_err("not understood: \"%s\"", line);
	}
	clerk_stop(h.clerk);
	clerk_free(h.clerk);
	free(h.guests);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
