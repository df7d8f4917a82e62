/* A connection that never blocks beyond its time and comes back by itself.  The server is a thread
 * that speaks just enough of PostgreSQL's protocol to misbehave. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
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
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/clock.h"
#include "shared/pgconn.h"

enum { SLACK_MS = 400 };

/* What the server does wrong; may be changed while it runs. */
enum manner {
	GOOD,
	SILENT_AT_START, /* takes the connection and says nothing */
	REFUSES_TO_PREPARE,
	SILENT_IN_STATEMENTS,
	HANGS_UP_IN_STATEMENTS,
};

struct server {
	pthread_t thread;
	int listen_fd, port;
	atomic_int manner, n_connections;
	atomic_bool must_hang_up, must_end;
};

/* --- the server --- */

static void
send_message(int fd, char type, const void *content, size_t len)
{
	char message[200];
	uint32_t length = htonl((uint32_t)len + 4);

	message[0] = type;
	memcpy(message + 1, &length, 4);
	memcpy(message + 5, content, len);
	if (send(fd, message, 5 + len, MSG_NOSIGNAL) < 0)
		return;
}

#define SEND(fd, type, literal) send_message(fd, type, literal, sizeof(literal) - 1)

static bool
read_all(struct server *s, int fd, void *to, size_t len)
{
	char *at = to;

	while (len > 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (atomic_load(&s->must_end) || atomic_load(&s->must_hang_up))
			return false;
		if (poll(&p, 1, 5) == 0)
			continue;
		n = read(fd, at, len);
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* Reads one message; its type, or 0 at the end. */
static char
read_message(struct server *s, int fd, bool has_type)
{
	static char content[10000];
	char type = '*';
	uint32_t length;

	if ((has_type && !read_all(s, fd, &type, 1)) || !read_all(s, fd, &length, 4))
		return 0;
	length = ntohl(length) - 4;
	return length <= sizeof content && read_all(s, fd, content, length) ? type : 0;
}

static void
greet(int fd)
{
	SEND(fd, 'R', "\0\0\0\0");
	SEND(fd, 'S', "server_version\00015.0\0");
	SEND(fd, 'S', "client_encoding\0UTF8\0");
	SEND(fd, 'S', "in_hot_standby\0off\0");
	SEND(fd, 'S', "default_transaction_read_only\0off\0");
	SEND(fd, 'Z', "I");
}

/* One row of one column, "1". */
static void
give_row(int fd)
{
	SEND(fd, 'T', "\0\1c\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0");
	SEND(fd, 'D', "\0\1\0\0\0\0011");
	SEND(fd, 'C', "SELECT 1\0");
}

static void
serve(struct server *s, int fd)
{
	char type, prior = 0;

	if (read_message(s, fd, false) == 0 || atomic_load(&s->manner) == SILENT_AT_START) {
		while (read_message(s, fd, false) != 0)
			;
		return;
	}
	greet(fd);
	for (; (type = read_message(s, fd, true)) != 0; prior = type) {
		enum manner manner = atomic_load(&s->manner);

		if (type == 'P' && manner == REFUSES_TO_PREPARE)
			SEND(fd, 'E', "SERROR\0C42883\0Mthere is no such function\0\0");
		else if (type == 'P')
			SEND(fd, '1', "");
		if (type == 'B' && manner == SILENT_IN_STATEMENTS)
			continue;
		if (type == 'B' && manner == HANGS_UP_IN_STATEMENTS)
			return;
		if (type == 'B')
			SEND(fd, '2', "");
		if (type == 'E' && manner != SILENT_IN_STATEMENTS)
			give_row(fd);
		if (type == 'Q')
			SEND(fd, 'C', "SET\0");
		if ((type == 'S' || type == 'Q') &&
		    !(prior == 'E' && manner == SILENT_IN_STATEMENTS))
			SEND(fd, 'Z', "I");
	}
}

static void *
run_server(void *arg)
{
	struct server *s = arg;

	while (!atomic_load(&s->must_end)) {
		struct pollfd p = {.fd = s->listen_fd, .events = POLLIN};
		int fd;

		if (poll(&p, 1, 5) <= 0)
			continue;
		fd = accept(s->listen_fd, NULL, NULL);
		atomic_store(&s->must_hang_up, false);
		atomic_fetch_add(&s->n_connections, 1);
		serve(s, fd);
		close(fd);
	}
	return NULL;
}

static void
listen_somewhere(struct server *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;

	s->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(s->listen_fd, 5), 0);
	assert_int_equal(getsockname(s->listen_fd, (struct sockaddr *)&a, &len), 0);
	s->port = ntohs(a.sin_port);
}

static int
begin(void **state)
{
	struct server *s = calloc(1, sizeof *s);

	listen_somewhere(s);
	assert_int_equal(pthread_create(&s->thread, NULL, run_server, s), 0);
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct server *s = *state;

	atomic_store(&s->must_end, true);
	pthread_join(s->thread, NULL);
	close(s->listen_fd);
	free(s);
	return 0;
}

/* --- the client --- */

static const struct pgconn_statement statements[] = {
    {"one", "select 1"}, {"two", "select 2"}, {NULL, NULL}};

static struct pgconn *
client(const struct server *s)
{
	char conninfo[100];

	snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable gssencmode=disable", s->port);
	return pgconn_new(conninfo, "test", "set x = 1", statements);
}

static bool
is_answered(struct pgconn *c, int wait_ms)
{
	PGresult *res = pgconn_exec(c, "one", 0, NULL, wait_ms);
	bool ok = PQresultStatus(res) == PGRES_TUPLES_OK && strcmp(PQgetvalue(res, 0, 0), "1") == 0;

	PQclear(res);
	return ok;
}

/* Tries as a program does until it is connected; the ms that it took. */
static int64_t
reconnect(struct pgconn *c)
{
	int64_t since_ms = clock_ms();

	while (!pgconn_ready(c, 500)) {
		assert_true(clock_ms() - since_ms < 8000);
		poll(NULL, 0, 5);
	}
	return clock_ms() - since_ms;
}

static void
it_connects_once_and_answers(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);

	assert_null(pgconn_raw(c));
	assert_null(pgconn_exec(c, "one", 0, NULL, 100));
	assert_true(pgconn_ready(c, 2000));
	assert_true(pgconn_ready(c, 0));
	assert_true(is_answered(c, 2000));
	assert_true(is_answered(c, 2000));
	assert_string_equal(pgconn_error(c), "");
	assert_int_equal(pgconn_retry_ms(c), 0);
	assert_int_equal(atomic_load(&s->n_connections), 1);
	pgconn_free(c);
}

static void
a_silent_server_costs_the_wait_and_no_more(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);
	int64_t since_ms = clock_ms();

	atomic_store(&s->manner, SILENT_AT_START);
	assert_false(pgconn_ready(c, 200));
	assert_in_range(clock_ms() - since_ms, 190, 200 + SLACK_MS);
	assert_non_null(strstr(pgconn_error(c), "127.0.0.1"));
	assert_non_null(strstr(pgconn_error(c), "failed: no answer in time"));
	assert_null(pgconn_raw(c));
	pgconn_free(c);
}

static void
while_it_backs_off_it_says_no_at_once(void **state)
{
	struct pgconn *c = pgconn_new("host=127.0.0.1 port=1", "test", NULL, NULL);
	int64_t since_ms = clock_ms();

	(void)state;
	for (int i = 0; i < 30; i++) { /* so that the back-off is long */
		while (pgconn_retry_ms(c) > 0 && clock_ms() - since_ms < 600)
			poll(NULL, 0, 1);
		assert_false(pgconn_ready(c, 1000));
	}
	assert_non_null(strstr(pgconn_error(c), "refused"));
	assert_null(strchr(pgconn_error(c), '\n'));
	while (pgconn_retry_ms(c) == 0)
		pgconn_ready(c, 1000);
	since_ms = clock_ms();
	assert_false(pgconn_ready(c, 1000));
	assert_true(clock_ms() - since_ms < 50);
	assert_in_range(pgconn_retry_ms(c), 0, 5000);
	pgconn_free(c);
}

static void
a_statement_that_cannot_be_prepared_fails_the_connection(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);

	atomic_store(&s->manner, REFUSES_TO_PREPARE);
	assert_false(pgconn_ready(c, 1000));
	assert_string_equal(pgconn_error(c), "cannot prepare \"one\": there is no such function");
	assert_null(pgconn_raw(c));
	atomic_store(&s->manner, GOOD);
	reconnect(c);
	assert_true(is_answered(c, 1000));
	pgconn_free(c);
}

static void
a_statement_without_an_answer_drops_the_connection(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);
	int64_t since_ms;

	assert_true(pgconn_ready(c, 1000));
	atomic_store(&s->manner, SILENT_IN_STATEMENTS);
	since_ms = clock_ms();
	assert_false(is_answered(c, 200));
	assert_in_range(clock_ms() - since_ms, 190, 200 + SLACK_MS);
	assert_string_equal(pgconn_error(c), "no answer in time");
	assert_null(pgconn_raw(c));
	/* The next one gets a connection of its own, and no late answer of the last. */
	atomic_store(&s->manner, GOOD);
	assert_true(pgconn_ready(c, 1000));
	assert_true(is_answered(c, 1000));
	assert_int_equal(atomic_load(&s->n_connections), 2);
	pgconn_free(c);
}

static void
a_connection_lost_in_a_statement_is_told_and_made_anew(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);

	assert_true(pgconn_ready(c, 1000));
	atomic_store(&s->manner, HANGS_UP_IN_STATEMENTS);
	assert_false(is_answered(c, 1000));
	assert_null(pgconn_raw(c));
	assert_string_not_equal(pgconn_error(c), "");
	atomic_store(&s->manner, GOOD);
	assert_true(pgconn_ready(c, 1000)); /* the first try is made at once */
	assert_true(is_answered(c, 1000));
	pgconn_free(c);
}

static void
a_connection_lost_while_idle_is_seen_before_a_statement_is_at_risk(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);

	assert_true(pgconn_ready(c, 1000));
	atomic_store(&s->must_hang_up, true);
	while (atomic_load(&s->must_hang_up) && pgconn_ready(c, 1000))
		poll(NULL, 0, 5);
	assert_true(pgconn_ready(c, 1000));
	assert_true(is_answered(c, 1000));
	assert_int_equal(atomic_load(&s->n_connections), 2);
	pgconn_free(c);
}

static void
a_silent_host_does_not_hide_the_next(void **state)
{
	struct server *s = *state;
	struct server silent = {0}; /* its backlog takes connections, nobody answers */
	char conninfo[200];
	struct pgconn *c;
	int64_t since_ms = clock_ms();

	listen_somewhere(&silent);
	snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1,127.0.0.1,127.0.0.1 port=%d,1,%d user=u dbname=d sslmode=disable "
	    "gssencmode=disable",
	    silent.port, s->port);
	c = pgconn_new(conninfo, "test", NULL, statements);
	assert_true(pgconn_ready(c, 900));
	assert_in_range(clock_ms() - since_ms, 290, 300 + SLACK_MS);
	assert_true(is_answered(c, 1000));
	/* It stays with the host that answered. */
	pgconn_drop(c);
	since_ms = clock_ms();
	assert_true(pgconn_ready(c, 900));
	assert_true(clock_ms() - since_ms < 200);
	pgconn_free(c);
	close(silent.listen_fd);
}

static void
a_bad_connection_string_is_told_without_its_content(void **state)
{
	struct pgconn *c = pgconn_new("password=pass word", "test", NULL, NULL);

	(void)state;
	assert_non_null(c);
	assert_false(pgconn_ready(c, 100));
	assert_string_equal(pgconn_error(c), "this is no libpq connection string");
	pgconn_free(c);
	pgconn_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_connects_once_and_answers, begin, end),
	    cmocka_unit_test_setup_teardown(a_silent_server_costs_the_wait_and_no_more, begin, end),
	    cmocka_unit_test(while_it_backs_off_it_says_no_at_once),
	    cmocka_unit_test_setup_teardown(
		a_statement_that_cannot_be_prepared_fails_the_connection, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_statement_without_an_answer_drops_the_connection, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_connection_lost_in_a_statement_is_told_and_made_anew, begin, end),
	    cmocka_unit_test_setup_teardown(
		a_connection_lost_while_idle_is_seen_before_a_statement_is_at_risk, begin, end),
	    cmocka_unit_test_setup_teardown(a_silent_host_does_not_hide_the_next, begin, end),
	    cmocka_unit_test(a_bad_connection_string_is_told_without_its_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
