/* Where the web server's connections come in: accept() as libfcgi calls it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fcgi-order/entry.h"
#include "fcgi-order/socket.h"
#include "shared/clock.h"
#include "shared/log.h"

enum { WAITERS = 4 };

struct fixture {
	char folder[40], path[60], error[200];
	int listen_fd;
	struct entry *entry;
	pthread_t waiters[WAITERS];
	atomic_int n_taken, n_refused, last_error;
};

static int
begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	log_set_level(LOG_LEVEL_ERR);
	strcpy(f->folder, "/tmp/entry-test.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof f->path, "%s/socket", f->folder);
	f->listen_fd = socket_listen(f->path, 0660, f->error, sizeof f->error);
	assert_true(f->listen_fd >= 0);
	f->entry = entry_new(f->listen_fd);
	assert_non_null(f->entry);
	*state = f;
	return 0;
}

static int
end(void **state)
{
	struct fixture *f = *state;

	entry_join(NULL);
	entry_free(f->entry);
	close(f->listen_fd);
	socket_unlink(f->path);
	rmdir(f->folder);
	free(f);
	return 0;
}

static int
call(const struct fixture *f)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

/* Takes connections until it cannot. */
static void *
wait_in_accept(void *arg)
{
	struct fixture *f = arg;
	int fd;

	entry_join(f->entry);
	while ((fd = accept(f->listen_fd, NULL, NULL)) >= 0) {
		close(fd);
		atomic_fetch_add(&f->n_taken, 1);
	}
	atomic_store(&f->last_error, errno);
	atomic_fetch_add(&f->n_refused, 1);
	return NULL;
}

static void
start(struct fixture *f)
{
	for (int i = 0; i < WAITERS; i++)
		pthread_create(&f->waiters[i], NULL, wait_in_accept, f);
}

static void
join(struct fixture *f)
{
	for (int i = 0; i < WAITERS; i++)
		pthread_join(f->waiters[i], NULL);
}

/* True when the counter gets there within half a minute. */
static bool
reaches(atomic_int *counter, int wanted)
{
	int64_t deadline_ms = clock_ms() + 30000;

	while (atomic_load(counter) != wanted && clock_ms() < deadline_ms)
		usleep(2000);
	return atomic_load(counter) == wanted;
}

static void
every_connection_is_taken_once(void **state)
{
	struct fixture *f = *state;

	start(f);
	for (int i = 0; i < 200; i++)
		close(call(f));
	assert_true(reaches(&f->n_taken, 200));
	entry_close(f->entry);
	join(f);
	assert_int_equal(atomic_load(&f->n_taken), 200);
}

static void
closing_it_ends_all_who_wait(void **state)
{
	struct fixture *f = *state;

	start(f);
	usleep(20000);
	assert_int_equal(atomic_load(&f->n_refused), 0);
	entry_close(f->entry);
	assert_true(reaches(&f->n_refused, WAITERS));
	assert_int_equal(atomic_load(&f->last_error), ECANCELED);
	join(f);
}

static void
a_silent_connection_does_not_hold_its_reader_for_good(void **state)
{
	struct fixture *f = *state;
	int client = call(f), fd;
	struct timeval limit;
	socklen_t len = sizeof limit;
	char byte;

	entry_join(f->entry);
	fd = accept(f->listen_fd, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &len), 0);
	assert_in_range(limit.tv_sec, 1, 10);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &len), 0);
	assert_in_range(limit.tv_sec, 1, 10);
	/* And when nothing more is wanted, it is over at once. */
	entry_stop_reading();
	assert_int_equal(read(fd, &byte, 1), 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	close(client);
}

static void
without_descriptors_it_waits_and_goes_on(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, few;
	int clients[3];

	for (int i = 0; i < 3; i++)
		clients[i] = call(f);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)clients[2] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	start(f);
	usleep(300000);
	assert_int_equal(atomic_load(&f->n_taken), 0);
	assert_int_equal(atomic_load(&f->n_refused), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(reaches(&f->n_taken, 3));
	entry_close(f->entry);
	join(f);
	for (int i = 0; i < 3; i++)
		close(clients[i]);
}

static void
a_socket_that_is_gone_is_told(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(shutdown(f->listen_fd, SHUT_RDWR), 0);
	start(f);
	assert_true(reaches(&f->n_refused, WAITERS));
	assert_int_equal(atomic_load(&f->last_error), EINVAL);
	join(f);
}

static void
a_leftover_socket_is_replaced_and_a_living_one_is_not(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_int_equal(socket_listen(f->path, 0660, f->error, sizeof f->error), -1);
	assert_non_null(strstr(f->error, "another process listens there"));
	close(f->listen_fd);
	fd = socket_listen(f->path, 0660, f->error, sizeof f->error);
	assert_true(fd >= 0);
	f->listen_fd = fd;
	close(call(f));
}

static void
what_is_no_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;
	char path[80];
	FILE *file;

	snprintf(path, sizeof path, "%s/file", f->folder);
	file = fopen(path, "w");
	fclose(file);
	assert_int_equal(socket_listen(path, 0660, f->error, sizeof f->error), -1);
	assert_non_null(strstr(f->error, "no socket"));
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

static void
odd_places_are_refused(void **state)
{
	static const char *const bad[] = {
	    ":", ":x", ":0", ":65536", ":80x", ":-1", "/nonexistent/socket"};
	struct fixture *f = *state;
	char path[300];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(socket_listen(bad[i], 0660, f->error, sizeof f->error), -1);
		assert_non_null(strstr(f->error, bad[i]));
	}
	memset(path, 'x', sizeof path);
	path[sizeof path - 1] = '\0';
	assert_int_equal(socket_listen(path, 0660, f->error, sizeof f->error), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_connection_is_taken_once),
	    TEST(closing_it_ends_all_who_wait),
	    TEST(a_silent_connection_does_not_hold_its_reader_for_good),
	    TEST(without_descriptors_it_waits_and_goes_on),
	    TEST(a_socket_that_is_gone_is_told),
	    TEST(a_leftover_socket_is_replaced_and_a_living_one_is_not),
	    TEST(what_is_no_socket_is_left_alone),
	    TEST(odd_places_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
