#include "tests/bench/tally.h"

#include <json-c/json.h>
#include <stdio.h>

static void
add_int(json_object *to, const char *key, int64_t value)
{
	json_object_object_add(to, key, json_object_new_int64(value));
}

static void
add_number(json_object *to, const char *key, double value)
{
	char text[32];

	snprintf(text, sizeof text, "%.3f", value);
	json_object_object_add(to, key, json_object_new_double_s(value, text));
}

static void
add_latency(json_object *to, const char *key, const struct latency *l)
{
	static const struct {
		const char *name;
		double q;
	} rows[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
	json_object *object = json_object_new_object();

	add_int(object, "n", l->n);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		add_number(object, rows[i].name, (double)latency_quantile_ns(l, rows[i].q) / 1e6);
	add_number(object, "max", (double)l->max_ns / 1e6);
	json_object_object_add(to, key, object);
}

/* Those counts that are not 0, by their number. */
static void
add_counts(json_object *to, const char *key, const int64_t *counts, int n)
{
	json_object *object = json_object_new_object();
	char name[16];

	for (int i = 0; i < n; i++) {
		if (counts[i] == 0)
			continue;
		snprintf(name, sizeof name, "%d", i);
		add_int(object, name, counts[i]);
	}
	json_object_object_add(to, key, object);
}

static double
handshakes_per_second(const struct tally *t)
{
	int64_t ns = t->last_handshake_ns - t->first_start_ns;

	return ns <= 0 ? 0 : (double)t->n_handshakes * 1e9 / (double)ns;
}

static void
add_all(json_object *report, const struct tally *t, const struct tally_now *now)
{
	add_int(report, "events_min", now->events_min);
	add_int(report, "events_max", now->events_max);
	add_int(report, "replayed", t->n_replayed);
	add_int(report, "stuck_events", t->n_stuck_events);
	add_latency(report, "handshake_ms", &t->handshake);
	add_number(report, "handshakes_per_s", handshakes_per_second(t));
	add_latency(report, "delivery_ms", &t->delivery);
	add_counts(report, "refused", t->refused, TALLY_STATUS_MAX);
	add_counts(report, "closes", t->closes, TALLY_CLOSE_MAX);
	add_counts(report, "stuck_closes", t->stuck_closes, TALLY_CLOSE_MAX);
	add_int(report, "no_connection", t->n_no_connection);
	add_int(report, "holes", t->n_holes);
	add_int(report, "repeats", t->n_repeats);
	add_int(report, "disorders", t->n_disorders);
	add_int(report, "early", t->n_early);
	add_int(report, "broken_frames", t->n_broken);
	add_int(report, "pings", t->n_pings);
	add_int(report, "unrecovered", t->n_unrecovered);
	add_latency(report, "recovery_ms", &t->recovery);
	add_int(report, "reopened", t->n_reopened);
	add_int(report, "unsent", t->n_unsent);
}

void
tally_print(const struct tally *t, const struct tally_now *now)
{
	json_object *report = json_object_new_object();

	json_object_object_add(report, "kind", json_object_new_string(now->kind));
	add_number(report, "seconds", now->seconds);
	add_int(report, "open", now->n_open);
	add_int(report, "handshakes", t->n_handshakes);
	add_int(report, "cycles", t->n_cycles);
	add_int(report, "events", t->n_events);
	add_int(report, "reconnects", t->n_reconnects);
	if (now->events_min >= 0)
		add_all(report, t, now);
	puts(json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(report);
}
