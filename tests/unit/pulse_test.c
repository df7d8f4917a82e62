/* Whether threads turn, and what the manager is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "notifier/pulse.h"
#include "shared/service.h"

static void
all_must_beat_between_two_looks(void **state)
{
	struct pulse p = {0};
	struct pulse_place *one = pulse_join(&p, "one"), *two = pulse_join(&p, "two");

	(void)state;
	assert_string_equal(pulse_look(&p), "one");
	pulse_beat(one);
	assert_string_equal(pulse_look(&p), "two");
	pulse_beat(two);
	assert_null(pulse_look(&p)); /* the first one's beat was not used up */
	assert_string_equal(pulse_look(&p), "one");
	pulse_beat(two);
	assert_string_equal(pulse_look(&p), "one");
	pulse_beat(one);
	assert_null(pulse_look(&p));
}

static void
many_beats_of_one_make_up_for_nobody(void **state)
{
	struct pulse p = {0};
	struct pulse_place *one = pulse_join(&p, "one");

	(void)state;
	pulse_join(&p, "two");
	for (int i = 0; i < 1000; i++)
		pulse_beat(one);
	assert_string_equal(pulse_look(&p), "two");
}

static void
without_anybody_who_looks_a_beat_is_nothing(void **state)
{
	(void)state;
	assert_null(pulse_join(NULL, "one"));
	pulse_beat(NULL);
}

/* --- the manager --- */

static int
manager_open(char *path, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(path, size, "/tmp/orderbell-notify.XXXXXX");
	assert_non_null(mkdtemp(path));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", path);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	return fd;
}

static void
manager_close(int fd, const char *path)
{
	unlink(getenv("NOTIFY_SOCKET"));
	rmdir(path);
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}

/* What was told next; "" when nothing was. */
static const char *
heard(int fd)
{
	static char text[512];
	ssize_t n = recv(fd, text, sizeof text - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void
the_manager_hears_how_it_goes(void **state)
{
	char path[64];
	int fd = manager_open(path, sizeof path);

	(void)state;
	if (!service_is_managed()) {
		manager_close(fd, path);
		skip(); /* built without libsystemd */
	}
	service_ready();
	assert_string_equal(heard(fd), "READY=1");
	service_status("%d terminals", 7);
	assert_string_equal(heard(fd), "STATUS=7 terminals");
	service_feed();
	assert_string_equal(heard(fd), "WATCHDOG=1");
	service_reloading();
	assert_memory_equal(heard(fd), "RELOADING=1\nMONOTONIC_USEC=", 27);
	service_stopping(1500);
	assert_string_equal(heard(fd), "STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000");
	manager_close(fd, path);
}

static void
a_status_longer_than_its_bound_is_cut(void **state)
{
	char path[64], text[1000];
	int fd = manager_open(path, sizeof path);

	(void)state;
	if (!service_is_managed()) {
		manager_close(fd, path);
		skip();
	}
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	service_status("%s", text);
	assert_int_equal(strlen(heard(fd)), strlen("STATUS=") + 255);
	manager_close(fd, path);
}

static void
the_watchdog_wants_food_in_a_quarter_of_its_time(void **state)
{
	char path[64], pid[24];
	int fd = manager_open(path, sizeof path);

	(void)state;
	if (!service_is_managed()) {
		manager_close(fd, path);
		skip();
	}
	assert_int_equal(service_feed_ms(), 0);
	setenv("WATCHDOG_USEC", "60000000", 1);
	assert_int_equal(service_feed_ms(), 15000);
	snprintf(pid, sizeof pid, "%d", (int)getpid() + 1);
	setenv("WATCHDOG_PID", pid, 1); /* somebody else's */
	assert_int_equal(service_feed_ms(), 0);
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	manager_close(fd, path);
}

static void
without_a_manager_nothing_is_told(void **state)
{
	(void)state;
	assert_false(service_is_managed());
	assert_int_equal(service_feed_ms(), 0);
	service_ready();
	service_status("nobody");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_must_beat_between_two_looks),
	    cmocka_unit_test(many_beats_of_one_make_up_for_nobody),
	    cmocka_unit_test(without_anybody_who_looks_a_beat_is_nothing),
	    cmocka_unit_test(the_manager_hears_how_it_goes),
	    cmocka_unit_test(a_status_longer_than_its_bound_is_cut),
	    cmocka_unit_test(the_watchdog_wants_food_in_a_quarter_of_its_time),
	    cmocka_unit_test(without_a_manager_nothing_is_told),
	};

	unsetenv("NOTIFY_SOCKET");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
