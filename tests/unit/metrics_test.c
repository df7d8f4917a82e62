/* What the notifier counts, as Prometheus reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/item.h"
#include "notifier/metrics.h"

static char text[65536];

static const char *
written(const struct metrics *m)
{
	FILE *out = fmemopen(text, sizeof text, "w");

	metrics_write(m, out);
	fclose(out);
	return text;
}

static void
a_delay_counts_in_its_bound_and_all_above(void **state)
{
	static struct metrics m;

	(void)state;
	metrics_delay(&m, 1);
	metrics_delay(&m, 2);
	metrics_delay(&m, 3);
	metrics_delay(&m, 60000);
	written(&m);
	assert_non_null(strstr(text, "_bucket{le=\"0.001\"} 1\n"));
	assert_non_null(strstr(text, "_bucket{le=\"0.002\"} 2\n"));
	assert_non_null(strstr(text, "_bucket{le=\"0.005\"} 3\n"));
	assert_non_null(strstr(text, "_bucket{le=\"5\"} 3\n"));
	assert_non_null(strstr(text, "_bucket{le=\"+Inf\"} 4\n"));
	assert_non_null(strstr(text, "_sum 60.006\n"));
	assert_non_null(strstr(text, "_count 4\n"));
}

static void
clocks_that_disagree_make_no_negative_delay(void **state)
{
	static struct metrics m;

	(void)state;
	metrics_delay(&m, -500);
	written(&m);
	assert_non_null(strstr(text, "_bucket{le=\"0.001\"} 1\n"));
	assert_non_null(strstr(text, "_sum 0.000\n"));
}

static void
each_name_is_explained_once_before_its_values(void **state)
{
	static struct metrics m;
	char *line, *rest = NULL, name[100] = "";
	int n_help = 0;

	(void)state;
	written(&m);
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		char of[100];

		if (sscanf(line, "# HELP %99s", of) == 1) {
			assert_string_not_equal(of, name);
			strcpy(name, of);
			n_help++;
		} else if (sscanf(line, "# TYPE %99s", of) == 1) {
			assert_string_equal(of, name);
		} else {
			assert_memory_equal(line, name, strlen(name));
		}
	}
	assert_in_range(n_help, 20, METRIC_COUNT);
}

static void
an_item_knows_when_it_was_committed(void **state)
{
	const struct event ev = {.merchant = 7,
	    .seq = 1,
	    .id = 1,
	    .type = 1,
	    .content = "x",
	    .epoch = "e-1",
	    .at = "2025-11-26T10:00:00.123Z"};
	struct event no_time = ev;
	struct item *it = item_new(&ev, false);

	(void)state;
	assert_true(item_at_ms(it) == 1764151200123);
	item_release(it);
	no_time.at = "yesterday";
	it = item_new(&no_time, false);
	assert_true(item_at_ms(it) == 0);
	item_release(it);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_delay_counts_in_its_bound_and_all_above),
	    cmocka_unit_test(clocks_that_disagree_make_no_negative_delay),
	    cmocka_unit_test(each_name_is_explained_once_before_its_values),
	    cmocka_unit_test(an_item_knows_when_it_was_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
