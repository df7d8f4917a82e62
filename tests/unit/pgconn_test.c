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

/* What others on the machine may take, and until when what works has worked. */
enum { SLACK_MS = 5000, PATIENCE_MS = 20000 };

/* What the server does wrong; may be changed while it runs. */
enum manner {
	GOOD,
	SILENT_AT_START, /* takes the connection and says nothing */
	REFUSES_TO_PREPARE,
	SILENT_IN_STATEMENTS,
	HANGS_UP_IN_STATEMENTS,
	/* What a pooler in transaction mode makes of it: */
	HAS_THEM_ALREADY,   /* 42P05 where one is prepared */
	HAS_LOST_THEM,      /* 26000 where one that was prepared is to run */
	MIXES_THEM_UP,      /* 08P01 there */
	FAILS_AND_IS_FATAL, /* 08P01 there, as the last word of a pooler */
	NOTIFIES,           /* others' notifications come with each answer */
};

struct server {
	pthread_t thread;
	int listen_fd, port;
	atomic_int manner, n_connections;
	atomic_int n_prepared; /* of statements with a name */
	atomic_int n_run;      /* statements that gave their row */
	char prepared[2][100]; /* names of the last two */
	char content[10000];   /* of the last message */
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
	char type = '*';
	uint32_t length;

	if ((has_type && !read_all(s, fd, &type, 1)) || !read_all(s, fd, &length, 4))
		return 0;
	length = ntohl(length) - 4;
	return length <= sizeof s->content && read_all(s, fd, s->content, length) ? type : 0;
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

/* A statement is prepared: 'P'.  False: it was refused. */
static bool
prepare(struct server *s, int fd, enum manner manner)
{
	bool has_name = s->content[0] != '\0';

	if (manner == REFUSES_TO_PREPARE) {
		SEND(fd, 'E', "SERROR\0C42883\0Mthere is no such function\0\0");
		return false;
	}
	if (manner == HAS_THEM_ALREADY && has_name) {
		SEND(fd, 'E', "SERROR\0C42P05\0Mit exists\0\0");
		return false;
	}
	if (has_name) {
		int n = atomic_fetch_add(&s->n_prepared, 1);

		snprintf(s->prepared[n % 2], sizeof s->prepared[0], "%.99s", s->content);
	}
	SEND(fd, '1', "");
	return true;
}

/* A statement gets its parameters: 'B'.  False: it was refused. */
static bool
bind_parameters(struct server *s, int fd, enum manner manner)
{
	bool has_name = s->content[1] != '\0'; /* behind the portal, which has none */

	if (has_name && manner == HAS_LOST_THEM) {
		SEND(fd, 'E', "SERROR\0C26000\0Mit does not exist\0\0");
		return false;
	}
	if (has_name && manner == MIXES_THEM_UP) {
		SEND(fd, 'E', "SERROR\0C08P01\0Mbind message supplies 7 parameters\0\0");
		return false;
	}
	if (has_name && manner == FAILS_AND_IS_FATAL) {
		SEND(fd, 'E', "SFATAL\0C08P01\0Mserver conn crashed?\0\0");
		return false;
	}
	SEND(fd, '2', "");
	return true;
}

/* Speaks the extended protocol as far as it is needed: an error lasts until the client's Sync. */
static void
serve(struct server *s, int fd)
{
	char type, prior = 0;
	bool is_failed = false;

	if (read_message(s, fd, false) == 0 || atomic_load(&s->manner) == SILENT_AT_START) {
		while (read_message(s, fd, false) != 0)
			;
		return;
	}
	greet(fd);
	for (; (type = read_message(s, fd, true)) != 0; prior = type) {
		enum manner manner = atomic_load(&s->manner);

		if (type == 'P' && !is_failed)
			is_failed = !prepare(s, fd, manner);
		if (type == 'B' && manner == SILENT_IN_STATEMENTS)
			continue;
		if (type == 'B' && manner == HANGS_UP_IN_STATEMENTS)
			return;
		if (type == 'B' && !is_failed)
			is_failed = !bind_parameters(s, fd, manner);
		if (is_failed && manner == FAILS_AND_IS_FATAL)
			return;
		if (type == 'E' && manner != SILENT_IN_STATEMENTS && !is_failed) {
			give_row(fd);
			atomic_fetch_add(&s->n_run, 1);
		}
		if (type == 'Q')
			SEND(fd, 'C', "SET\0");
		if (type == 'S' && manner == NOTIFIES)
			SEND(fd, 'A', "\0\0\0\1c\0x\0");
		if ((type == 'S' || type == 'Q') &&
		    !(prior == 'E' && manner == SILENT_IN_STATEMENTS)) {
			SEND(fd, 'Z', "I");
			is_failed = false;
		}
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

	while (!pgconn_ready(c, 5000)) {
		assert_true(clock_ms() - since_ms < 60000);
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
	assert_true(pgconn_ready(c, PATIENCE_MS));
	assert_true(pgconn_ready(c, 0));
	assert_true(is_answered(c, PATIENCE_MS));
	assert_true(is_answered(c, PATIENCE_MS));
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
	assert_true(clock_ms() - since_ms < 900);
	assert_in_range(pgconn_retry_ms(c), 0, 1000);
	pgconn_free(c);
}

static void
a_statement_that_cannot_be_prepared_fails_the_connection(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);

	atomic_store(&s->manner, REFUSES_TO_PREPARE);
	assert_false(pgconn_ready(c, PATIENCE_MS));
	assert_string_equal(pgconn_error(c), "cannot prepare \"one\": there is no such function");
	assert_null(pgconn_raw(c));
	atomic_store(&s->manner, GOOD);
	reconnect(c);
	assert_true(is_answered(c, PATIENCE_MS));
	pgconn_free(c);
}

static void
a_statement_without_an_answer_drops_the_connection(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);
	int64_t since_ms;

	assert_true(pgconn_ready(c, PATIENCE_MS));
	atomic_store(&s->manner, SILENT_IN_STATEMENTS);
	since_ms = clock_ms();
	assert_false(is_answered(c, 200));
	assert_in_range(clock_ms() - since_ms, 190, 200 + SLACK_MS);
	assert_string_equal(pgconn_error(c), "no answer in time");
	assert_null(pgconn_raw(c));
	/* The next one gets a connection of its own, and no late answer of the last. */
	atomic_store(&s->manner, GOOD);
	assert_true(pgconn_ready(c, PATIENCE_MS));
	assert_true(is_answered(c, PATIENCE_MS));
	assert_int_equal(atomic_load(&s->n_connections), 2);
	pgconn_free(c);
}

static void
a_connection_lost_in_a_statement_is_told_and_made_anew(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);

	assert_true(pgconn_ready(c, PATIENCE_MS));
	atomic_store(&s->manner, HANGS_UP_IN_STATEMENTS);
	assert_false(is_answered(c, PATIENCE_MS));
	assert_null(pgconn_raw(c));
	assert_string_not_equal(pgconn_error(c), "");
	atomic_store(&s->manner, GOOD);
	assert_true(pgconn_ready(c, PATIENCE_MS)); /* the first try is made at once */
	assert_true(is_answered(c, PATIENCE_MS));
	pgconn_free(c);
}

static void
a_connection_lost_while_idle_is_seen_before_a_statement_is_at_risk(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);

	assert_true(pgconn_ready(c, PATIENCE_MS));
	atomic_store(&s->must_hang_up, true);
	while (atomic_load(&s->must_hang_up) && pgconn_ready(c, PATIENCE_MS))
		poll(NULL, 0, 5);
	assert_true(pgconn_ready(c, PATIENCE_MS));
	assert_true(is_answered(c, PATIENCE_MS));
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
	assert_true(pgconn_ready(c, 4500)); /* 1.5 s for each of the three */
	assert_in_range(clock_ms() - since_ms, 1490, 4500);
	assert_true(is_answered(c, PATIENCE_MS));
	/* It stays with the host that answered. */
	pgconn_drop(c);
	since_ms = clock_ms();
	assert_true(pgconn_ready(c, 4500));
	assert_true(clock_ms() - since_ms < 1400);
	pgconn_free(c);
	close(silent.listen_fd);
}

static void
the_name_of_a_statement_says_what_it_is(void **state)
{
	static const struct pgconn_statement others[] = {{"one", "select 11"}, {NULL, NULL}};
	struct server *s = *state;
	struct pgconn *c = client(s), *other;
	char conninfo[100], name[100];

	assert_true(pgconn_ready(c, PATIENCE_MS));
	pgconn_free(c);
	assert_int_equal(atomic_load(&s->n_prepared), 2);
	assert_string_not_equal(s->prepared[0], s->prepared[1]);
	assert_memory_equal(s->prepared[0], "one_", 4);
	snprintf(name, sizeof name, "%s", s->prepared[0]);
	/* Of another program: the same name for another text. */
	snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable gssencmode=disable", s->port);
	other = pgconn_new(conninfo, "other", NULL, others);
	assert_true(pgconn_ready(other, 1000));
	assert_memory_equal(s->prepared[0], "one_", 4);
	assert_string_not_equal(s->prepared[0], name);
	pgconn_free(other);
	/* Ours has its name again. */
	c = client(s);
	assert_true(pgconn_ready(c, PATIENCE_MS));
	assert_true(strcmp(s->prepared[0], name) == 0 || strcmp(s->prepared[1], name) == 0);
	pgconn_free(c);
}

static void
where_prepared_statements_are_lost_it_goes_on_without(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);

	assert_true(pgconn_ready(c, PATIENCE_MS));
	atomic_store(&s->manner, HAS_LOST_THEM);
	assert_true(is_answered(c, PATIENCE_MS));
	assert_true(is_answered(c, PATIENCE_MS));
	assert_int_equal(atomic_load(&s->n_run), 2);
	assert_int_equal(atomic_load(&s->n_connections), 1);
	/* For good: the next connection does not even try. */
	atomic_store(&s->manner, GOOD);
	pgconn_drop(c);
	assert_true(pgconn_ready(c, PATIENCE_MS));
	assert_true(is_answered(c, PATIENCE_MS));
	assert_int_equal(atomic_load(&s->n_prepared), 2);
	pgconn_free(c);
}

static void
where_they_are_there_already_it_goes_on_without(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);

	atomic_store(&s->manner, HAS_THEM_ALREADY);
	assert_true(pgconn_ready(c, PATIENCE_MS));
	assert_true(is_answered(c, PATIENCE_MS));
	assert_int_equal(atomic_load(&s->n_run), 1);
	assert_int_equal(atomic_load(&s->n_prepared), 0);
	pgconn_free(c);
}

static void
what_may_have_run_is_never_sent_twice(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);
	PGresult *res;

	/* It did not fit: that is told, and only the next one is sent whole. */
	assert_true(pgconn_ready(c, PATIENCE_MS));
	atomic_store(&s->manner, MIXES_THEM_UP);
	res = pgconn_exec(c, "one", 0, NULL, 1000);
	assert_string_equal(PQresultErrorField(res, PG_DIAG_SQLSTATE), "08P01");
	PQclear(res);
	assert_int_equal(atomic_load(&s->n_run), 0);
	assert_true(is_answered(c, PATIENCE_MS));
	assert_int_equal(atomic_load(&s->n_run), 1);
	pgconn_free(c);

	/* A pooler has lost its server in the middle. */
	atomic_store(&s->manner, GOOD);
	c = client(s);
	assert_true(pgconn_ready(c, PATIENCE_MS));
	atomic_store(&s->manner, FAILS_AND_IS_FATAL);
	assert_false(is_answered(c, PATIENCE_MS));
	assert_int_equal(atomic_load(&s->n_run), 1);
	/* That says nothing of prepared statements. */
	atomic_store(&s->manner, GOOD);
	reconnect(c);
	assert_true(is_answered(c, PATIENCE_MS));
	assert_int_equal(atomic_load(&s->n_prepared), 6);
	pgconn_free(c);
}

static void
others_notifications_are_not_kept(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s), *listener = client(s);
	PGnotify *n;

	atomic_store(&s->manner, NOTIFIES);
	assert_true(pgconn_ready(c, PATIENCE_MS));
	assert_true(is_answered(c, PATIENCE_MS));
	assert_null(PQnotifies(pgconn_raw(c)));
	pgconn_free(c);
	pgconn_keep_notifications(listener);
	assert_true(pgconn_ready(listener, 1000));
	assert_true(is_answered(listener, 1000));
	n = PQnotifies(pgconn_raw(listener));
	assert_non_null(n);
	assert_string_equal(n->extra, "x");
	PQfreemem(n);
	pgconn_free(listener);
}

static void
a_statement_may_go_unprepared(void **state)
{
	struct server *s = *state;
	struct pgconn *c = client(s);
	const char *params[] = {"x"};
	PGresult *res;

	assert_null(pgconn_query(c, "select $1", 1, params, 1000));
	assert_true(pgconn_ready(c, PATIENCE_MS));
	res = pgconn_query(c, "select $1", 1, params, 1000);
	assert_string_equal(PQgetvalue(res, 0, 0), "1");
	PQclear(res);
	assert_int_equal(atomic_load(&s->n_prepared), 2);
	pgconn_free(c);
}

static void
after_a_silence_it_begins_with_another_host(void **state)
{
	struct server *s = *state;
	void *other_state;
	struct server *other;
	char conninfo[200];
	struct pgconn *c;
	int64_t since_ms;

	begin(&other_state);
	other = other_state;
	snprintf(conninfo, sizeof conninfo,
	    "host=127.0.0.1,127.0.0.1 port=%d,%d user=u dbname=d sslmode=disable "
	    "gssencmode=disable",
	    s->port, other->port);
	c = pgconn_new(conninfo, "test", NULL, statements);
	assert_true(pgconn_ready(c, PATIENCE_MS));
	atomic_store(&s->manner, SILENT_IN_STATEMENTS);
	assert_false(is_answered(c, 100));
	atomic_store(&s->manner, SILENT_AT_START);
	since_ms = clock_ms();
	assert_true(pgconn_ready(c, 6000));
	assert_true(clock_ms() - since_ms < 2500); /* the other way it would be three seconds */
	assert_true(is_answered(c, PATIENCE_MS));
	assert_int_equal(atomic_load(&other->n_connections), 1);
	assert_in_range(clock_ms() - pgconn_heard_ms(c), 0, SLACK_MS);
	pgconn_free(c);
	end(&other_state);
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
	    cmocka_unit_test_setup_teardown(the_name_of_a_statement_says_what_it_is, begin, end),
	    cmocka_unit_test_setup_teardown(
		where_prepared_statements_are_lost_it_goes_on_without, begin, end),
	    cmocka_unit_test_setup_teardown(
		where_they_are_there_already_it_goes_on_without, begin, end),
	    cmocka_unit_test_setup_teardown(what_may_have_run_is_never_sent_twice, begin, end),
	    cmocka_unit_test_setup_teardown(others_notifications_are_not_kept, begin, end),
	    cmocka_unit_test_setup_teardown(a_statement_may_go_unprepared, begin, end),
	    cmocka_unit_test_setup_teardown(
		after_a_silence_it_begins_with_another_host, begin, end),
	    cmocka_unit_test(a_bad_connection_string_is_told_without_its_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
