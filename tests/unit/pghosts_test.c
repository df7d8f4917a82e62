/* The servers of a connection string, one at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/pghosts.h"

/* What host `i` of the string is connected to with; NULL: not said. */
static const char *
value(struct pghosts *h, size_t i, const char *keyword)
{
	const char *keywords[PGHOSTS_KEYWORDS_MAX] = {"connect_timeout"};
	const char *values[PGHOSTS_KEYWORDS_MAX] = {"5"};

	pghosts_fill(h, i, keywords, values, 1);
	assert_string_equal(keywords[0], "connect_timeout");
	for (int k = 1; keywords[k] != NULL; k++) {
		assert_non_null(values[k]);
		if (strcmp(keywords[k], keyword) == 0)
			return values[k];
	}
	return NULL;
}

static void
one_host_stays_as_it_is(void **state)
{
	struct pghosts *h = pghosts_new("host=/run/pg port=5433 dbname='a b' user=u");

	(void)state;
	assert_int_equal(pghosts_count(h), 1);
	assert_string_equal(value(h, 0, "host"), "/run/pg");
	assert_string_equal(value(h, 0, "port"), "5433");
	assert_string_equal(value(h, 0, "dbname"), "a b");
	assert_string_equal(value(h, 0, "user"), "u");
	assert_null(value(h, 0, "password"));
	pghosts_free(h);
}

static void
no_host_is_one_host(void **state)
{
	struct pghosts *h = pghosts_new("");

	(void)state;
	assert_int_equal(pghosts_count(h), 1);
	assert_null(value(h, 0, "host"));
	pghosts_free(h);
}

static void
several_hosts_are_taken_apart(void **state)
{
	struct pghosts *h = pghosts_new("host=a,b,c port=1,2,3 dbname=d");

	(void)state;
	assert_int_equal(pghosts_count(h), 3);
	assert_string_equal(value(h, 0, "host"), "a");
	assert_string_equal(value(h, 1, "host"), "b");
	assert_string_equal(value(h, 2, "host"), "c");
	assert_string_equal(value(h, 2, "port"), "3");
	assert_string_equal(value(h, 2, "dbname"), "d");
	pghosts_free(h);
}

static void
one_port_serves_all_hosts_and_an_empty_one_is_the_default(void **state)
{
	struct pghosts *h = pghosts_new("postgresql://u@a,b/d?port=7");

	(void)state;
	pghosts_free(h);
	h = pghosts_new("host=a,b port=7");
	assert_string_equal(value(h, 0, "port"), "7");
	assert_string_equal(value(h, 1, "port"), "7");
	pghosts_free(h);
	h = pghosts_new("postgresql://u@a:1,b/d");
	assert_int_equal(pghosts_count(h), 2);
	assert_string_equal(value(h, 0, "port"), "1");
	assert_null(value(h, 1, "port"));
	assert_string_equal(value(h, 1, "dbname"), "d");
	pghosts_free(h);
}

static void
addresses_are_hosts_too(void **state)
{
	struct pghosts *h = pghosts_new("hostaddr=127.0.0.1,::1");

	(void)state;
	assert_int_equal(pghosts_count(h), 2);
	assert_string_equal(value(h, 1, "hostaddr"), "::1");
	assert_null(value(h, 1, "host"));
	pghosts_free(h);
	h = pghosts_new("host=a,b hostaddr=127.0.0.1,");
	assert_string_equal(value(h, 1, "host"), "b");
	assert_null(value(h, 1, "hostaddr"));
	pghosts_free(h);
}

static void
lists_that_do_not_go_together_are_left_to_libpq(void **state)
{
	struct pghosts *h = pghosts_new("host=a,b,c port=1,2");

	(void)state;
	assert_int_equal(pghosts_count(h), 1);
	assert_string_equal(value(h, 0, "host"), "a,b,c");
	assert_string_equal(value(h, 0, "port"), "1,2");
	pghosts_free(h);
}

static void
what_is_no_connection_string_is_told(void **state)
{
	(void)state;
	assert_true(pghosts_understands("dbname=x"));
	assert_true(pghosts_understands("postgres://"));
	assert_false(pghosts_understands("orderbell"));
	assert_false(pghosts_understands("hosst=a"));
	assert_null(pghosts_new("orderbell"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_host_stays_as_it_is),
	    cmocka_unit_test(no_host_is_one_host),
	    cmocka_unit_test(several_hosts_are_taken_apart),
	    cmocka_unit_test(one_port_serves_all_hosts_and_an_empty_one_is_the_default),
	    cmocka_unit_test(addresses_are_hosts_too),
	    cmocka_unit_test(lists_that_do_not_go_together_are_left_to_libpq),
	    cmocka_unit_test(what_is_no_connection_string_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
