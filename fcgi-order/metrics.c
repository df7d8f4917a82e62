#include "fcgi-order/metrics.h"

#include <stdio.h>

/* Rows of one name stand together: help is written once for them. */
static const struct row {
	enum counter counter;
	const char *name, *reason, *help;
} rows[] = {
    {COUNTER_SANDBOX_PAID, "sandbox_payments", "", "Orders paid by PUT /user/order/payment."},
    {COUNTER_REMINDERS, "reminders", "", "Reminders of customers that were taken."},
    {COUNTER_REFUSED_NOT_FOUND, "refusals", "not_found",
	"Requests refused, other than callbacks of gateways, by reason."},
    {COUNTER_REFUSED_METHOD, "refusals", "method", NULL},
    {COUNTER_REFUSED_NOT_READ, "refusals", "not_read", NULL},
    {COUNTER_REFUSED_UNAUTHORIZED, "refusals", "unauthorized", NULL},
    {COUNTER_REFUSED_MALFORMED, "refusals", "malformed", NULL},
    {COUNTER_REFUSED_RULES, "refusals", "rules", NULL},
    {COUNTER_STORE_DOWN, "database_failures", "",
	"Requests answered 503 because the database did not answer in time."},
    {COUNTER_BELLS_FAILED, "bells_failed", "",
	"Bells that could not be rung after a commit: the notifiers' poll delivers."},
    {COUNTER_RINGS, "rings", "", "Statements that rang bells, each for one merchant or several."},
    {COUNTER_RELOADS, "reloads", "", "Times the settings were read again, and taken."},
    {COUNTER_RELOADS_REFUSED, "reloads_refused", "",
	"Times the settings were to be read again, and were not good."},
};
_Static_assert(sizeof rows / sizeof *rows == COUNTER_COUNT, "each counter has its row");

static void
write_callbacks(const struct counters *c, FILE *out)
{
	fputs("# HELP orderbell_fcgi_callbacks_total Callbacks of payment gateways, by gateway and "
	      "what became of them.\n# TYPE orderbell_fcgi_callbacks_total counter\n",
	    out);
	for (size_t i = 0; i < n_gateways; i++) {
		for (int k = 0; k < OUTCOME_COUNT; k++)
			fprintf(out,
			    "orderbell_fcgi_callbacks_total{gateway=\"%s\",verdict=\"%s\"} %ld\n",
			    gateways[i].name, outcome_name((enum outcome)k),
			    counters_get_callbacks(c, i, (enum outcome)k));
	}
}

static void
write_row(const struct counters *c, const struct row *row, FILE *out)
{
	if (row->help != NULL)
		fprintf(out,
		    "# HELP orderbell_fcgi_%s_total %s\n# TYPE orderbell_fcgi_%s_total counter\n",
		    row->name, row->help, row->name);
	fprintf(out, "orderbell_fcgi_%s_total", row->name);
	if (*row->reason != '\0')
		fprintf(out, "{reason=\"%s\"}", row->reason);
	fprintf(out, " %ld\n", counters_get(c, row->counter));
}

char *
metrics_text(const struct counters *c)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	write_callbacks(c, out);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		write_row(c, &rows[i], out);
	return fclose(out) == 0 ? text : NULL;
}

static int64_t
sum_callbacks(const struct counters *c, enum outcome outcome)
{
	int64_t n = 0;

	for (size_t i = 0; i < n_gateways; i++)
		n += counters_get_callbacks(c, i, outcome);
	return n;
}

json_object *
metrics_json(const struct counters *c)
{
	json_object *object = json_object_new_object(), *refusals = json_object_new_object();

	for (int i = 0; i < OUTCOME_COUNT; i++)
		json_object_object_add(object, outcome_name((enum outcome)i),
		    json_object_new_int64(sum_callbacks(c, (enum outcome)i)));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool is_refusal = *rows[i].reason != '\0';

		json_object_object_add(is_refusal ? refusals : object,
		    is_refusal ? rows[i].reason : rows[i].name,
		    json_object_new_int64(counters_get(c, rows[i].counter)));
	}
	json_object_object_add(object, "refusals", refusals);
	return object;
}
