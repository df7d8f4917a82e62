/* What the settings say to each part of the notifier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/partoptions.h"
#include "tests/unit/capture.h"

enum { FILES = 1024, FILES_LEFT = FILES - DESCRIPTORS_RESERVED };

static struct capture capture;

/* The bounds, and what was said of them in the log. */
static struct census_bounds
bounds_of(const struct options *o, const char **said)
{
	struct census_bounds bounds;

	capture_begin(&capture);
	bounds = partoptions_bounds(o, FILES);
	*said = capture_text(&capture);
	capture_end(&capture);
	return bounds;
}

static void
connections_without_a_bound_have_that_of_open_files(void **state)
{
	const struct options o = {.auth = ACCESS_JWT, .max_per_address = 5, .max_per_merchant = 7};
	const char *said;
	struct census_bounds bounds = bounds_of(&o, &said);

	(void)state;
	assert_string_equal(said, "");
	assert_int_equal(bounds.in_all, FILES_LEFT);
	assert_int_equal(bounds.per_address, 5);
	assert_int_equal(bounds.per_merchant, 7);
}

static void
a_bound_that_open_files_do_not_allow_is_lowered_and_that_is_said(void **state)
{
	struct options o = {.max_connections = FILES_LEFT};
	const char *said;

	(void)state;
	assert_int_equal(bounds_of(&o, &said).in_all, FILES_LEFT);
	assert_string_equal(said, "");
	o.max_connections++;
	assert_int_equal(bounds_of(&o, &said).in_all, FILES_LEFT);
	assert_non_null(strstr(said, "max_connections=769 open_files=1024"));
}

static void
with_auth_none_a_merchant_has_no_bound(void **state)
{
	const struct options o = {.auth = ACCESS_NONE, .max_per_merchant = 7};

	(void)state;
	assert_int_equal(partoptions_bounds(&o, FILES).per_merchant, 0);
}

static void
keys_are_those_that_are_set(void **state)
{
	struct options o = {.auth = ACCESS_JWT};
	struct access *a;

	(void)state;
	a = partoptions_access(&o);
	assert_int_equal(a->n_keys, 0);
	access_release(a);
	o.jwt_secret_2 = (char[]){"the second secret, long enough"};
	o.jwt_kid_2 = (char[]){"second"};
	a = partoptions_access(&o);
	assert_int_equal(a->n_keys, 1);
	assert_string_equal(a->keys[0].kid, "second");
	access_release(a);
	o.jwt_secret = (char[]){"the first secret, long enough"};
	a = partoptions_access(&o);
	assert_int_equal(a->n_keys, 2);
	assert_string_equal(a->keys[0].secret, o.jwt_secret);
	assert_string_equal(a->keys[1].secret, o.jwt_secret_2);
	assert_int_equal(a->auth, ACCESS_JWT);
	access_release(a);
}

static void
each_part_is_told_its_own(void **state)
{
	const struct options o = {
	    .database = (char[]){"dbname=shop"},
	    .listen = (char[]){"127.0.0.1:8790"},
	    .console_dir = (char[]){"/console"},
	    .broadcast = 1,
	    .heartbeat_s = 25,
	    .slow_s = 30,
	    .hello_s = 10,
	    .max_unproven = 4096,
	    .max_pending = 512,
	    .carrier_loops = 2,
	    .door_threads = 8,
	    .escalate_s = 60,
	};
	struct pulse pulse;
	struct listener_options listener = partoptions_listener(&o, &pulse);
	struct ledger_options ledger = partoptions_ledger(&o, &pulse);
	struct clerk_options clerk = partoptions_clerk(&o, FILES);
	struct carrier_options carrier = partoptions_carrier(&o, &pulse);
	struct door_options door = partoptions_door(&o, FILES, &pulse);

	(void)state;
	assert_string_equal(listener.conninfo, "dbname=shop");
	assert_true(listener.broadcast);
	assert_false(listener.plain_escape_html);
	assert_ptr_equal(listener.pulse, &pulse);
	assert_string_equal(ledger.conninfo, "dbname=shop");
	assert_ptr_equal(ledger.pulse, &pulse);
	assert_string_equal(clerk.name, "127.0.0.1:8790");
	assert_int_equal(clerk.escalate_s, 60);
	assert_int_equal(clerk.max_presences, FILES);
	assert_int_equal(carrier.n_loops, 2);
	assert_int_equal(carrier.heartbeat_s, 25);
	assert_int_equal(carrier.slow_s, 30);
	assert_int_equal(carrier.hello_s, 10);
	assert_int_equal(carrier.max_unproven, 4096);
	assert_ptr_equal(carrier.pulse, &pulse);
	assert_string_equal(door.console_dir, "/console");
	assert_int_equal(door.n_threads, 8);
	assert_int_equal(door.gate.max_pending, 512);
	assert_int_equal(door.gate.max_descriptors, FILES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connections_without_a_bound_have_that_of_open_files),
	    cmocka_unit_test(a_bound_that_open_files_do_not_allow_is_lowered_and_that_is_said),
	    cmocka_unit_test(with_auth_none_a_merchant_has_no_bound),
	    cmocka_unit_test(keys_are_those_that_are_set),
	    cmocka_unit_test(each_part_is_told_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
