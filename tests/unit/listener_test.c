/* The listener's pure parts: which events are open, what control messages say, whether we hear
 * ourselves, which merchants are watched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/beyond.h"
#include "notifier/control.h"
#include "notifier/openset.h"
#include "notifier/probe.h"
#include "notifier/seqruns.h"
#include "notifier/watches.h"

/* --- openset --- */

static struct opening *
opening(const char *text)
{
	static struct opening o;

	opening_read(&o, text);
	return &o;
}

/* "3 4 9" without what comes first, as text that lasts until the next call. */
static const char *
text_of(const int64_t *seqs, size_t n)
{
	static char text[400];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(
		    text + len, sizeof text - len, i == 0 ? "%d" : " %d", (int)seqs[i]);
	return text;
}

/* Text of the numbers from..to. */
static char *
range(int from, int to)
{
	char *text = malloc((size_t)(to - from + 1) * 8 + 1), *at = text;

	*at = '\0';
	for (int i = from; i <= to; i++)
		at += sprintf(at, i == from ? "%d" : " %d", i);
	return text;
}

static const char *
gone(const struct openset *s, const char *now)
{
	int64_t seqs[OPENSET_MAX];
	size_t n = openset_gone(s, opening(now), seqs);

	return text_of(seqs, n);
}

static void
set(struct openset *s, const struct opening *now)
{
	openset_set(s, now->seqs, now->n, now->is_all);
	assert_true(openset_is(s, now));
}

static void
what_was_known_and_is_open_no_more_is_gone(void **state)
{
	struct openset s = {0};

	(void)state;
	set(&s, opening("3 4 9 12"));
	assert_string_equal(gone(&s, "3 4 9 12"), "");
	assert_string_equal(gone(&s, "4 12 13"), "3 9");
	assert_string_equal(gone(&s, ""), "3 4 9 12");
	assert_string_equal(gone(&s, "13"), "3 4 9 12");
	set(&s, opening(""));
	assert_string_equal(gone(&s, "1 2"), "");
	openset_fini(&s);
}

static void
an_event_adds_to_it_and_an_ack_takes_away(void **state)
{
	struct openset s = {0};

	(void)state;
	set(&s, opening("3 9"));
	for (int64_t seq = 10; seq < 20; seq++)
		assert_int_equal(openset_add(&s, seq), 0);
	openset_add(&s, 9);
	openset_add(&s, 5); /* one that was acked when it was read, and is told of all the same */
	assert_string_equal(text_of(s.seqs, s.n), "3 5 9 10 11 12 13 14 15 16 17 18 19");
	openset_remove(&s, 3);
	openset_remove(&s, 12);
	openset_remove(&s, 19);
	openset_remove(&s, 19);
	openset_remove(&s, 4);
	assert_string_equal(text_of(s.seqs, s.n), "5 9 10 11 13 14 15 16 17 18");
	assert_true(openset_has(&s, 5));
	assert_true(openset_has(&s, 18));
	assert_false(openset_has(&s, 12));
	assert_false(openset_has(&s, 19));
	assert_false(s.is_cut);
	openset_fini(&s);
	assert_false(openset_has(&s, 5));
	openset_remove(&s, 5);
}

static void
only_the_lowest_are_known_and_of_the_others_nothing_is_said(void **state)
{
	struct openset s = {0};
	char *many = range(2, OPENSET_MAX + 2), *later = range(3, OPENSET_MAX + 3);

	(void)state;
	set(&s, opening(many));
	assert_int_equal(s.n, OPENSET_MAX);
	assert_true(s.is_cut);
	assert_true(openset_has(&s, OPENSET_MAX + 1));
	assert_false(openset_has(&s, 1));
	/* It is full: the highest makes place. */
	assert_int_equal(openset_add(&s, 5000), 5000);
	assert_int_equal(s.seqs[OPENSET_MAX - 1], OPENSET_MAX + 1);
	assert_int_equal(openset_add(&s, 1), OPENSET_MAX + 1);
	assert_int_equal(s.n, OPENSET_MAX);
	assert_int_equal(s.seqs[OPENSET_MAX - 1], OPENSET_MAX);
	openset_remove(&s, 1);
	/* There is room again, but not for what lies behind those that were left out. */
	assert_int_equal(openset_add(&s, 5001), 5001);
	assert_int_equal(s.n, OPENSET_MAX - 1);
	/* What was read ends below: nobody looked whether the last is gone. */
	set(&s, opening(later));
	openset_add(&s, 7);
	assert_string_equal(gone(&s, many), "");
	assert_string_equal(gone(&s, later), "");
	openset_remove(&s, 3);
	assert_string_equal(gone(&s, many), "");
	set(&s, opening("4"));
	assert_false(s.is_cut);
	assert_true(s.room <= 4);
	free(many);
	free(later);
	openset_fini(&s);
}

static void
a_row_is_cut_at_the_bound_and_read_to_the_end_below_it(void **state)
{
	char *exact = range(1, OPENSET_MAX), *more = range(1, OPENSET_MAX + 1);

	(void)state;
	assert_int_equal(opening(exact)->n, OPENSET_MAX);
	assert_true(opening(exact)->is_all);
	assert_int_equal(opening(more)->n, OPENSET_MAX);
	assert_false(opening(more)->is_all);
	assert_int_equal(opening("")->n, 0);
	assert_true(opening("")->is_all);
	free(exact);
	free(more);
}

/* --- seqruns --- */

/* "3-5 9" as text that lasts until the next call. */
static const char *
runs_text(const struct seqruns *s)
{
	static char text[400];
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < s->n; i++) {
		const struct seqrun *run = &s->runs[i];

		len += (size_t)snprintf(
		    text + len, sizeof text - len, i == 0 ? "%d" : " %d", (int)run->first);
		if (run->last != run->first)
			len +=
			    (size_t)snprintf(text + len, sizeof text - len, "-%d", (int)run->last);
	}
	return text;
}

static void
runs_that_meet_or_touch_become_one(void **state)
{
	struct seqruns s = {0};

	(void)state;
	seqruns_add(&s, 5, 5);
	seqruns_add(&s, 7, 9);
	seqruns_add(&s, 1, 2);
	assert_string_equal(runs_text(&s), "1-2 5 7-9");
	seqruns_add(&s, 6, 6);
	assert_string_equal(runs_text(&s), "1-2 5-9");
	seqruns_add(&s, 4, 4);
	seqruns_add(&s, 10, 12);
	seqruns_add(&s, 5, 9);
	seqruns_add(&s, 30, 29); /* none */
	assert_string_equal(runs_text(&s), "1-2 4-12");
	seqruns_add(&s, 20, 20);
	seqruns_add(&s, 2, 19);
	assert_string_equal(runs_text(&s), "1-20");
	seqruns_fini(&s);
	assert_string_equal(runs_text(&s), "");
}

static void
what_is_taken_out_leaves_its_neighbours(void **state)
{
	struct seqruns s = {0};

	(void)state;
	seqruns_remove(&s, 1, 100);
	seqruns_add(&s, 1, 20);
	seqruns_remove(&s, 10, 10);
	seqruns_remove(&s, 10, 10);
	seqruns_remove(&s, 1, 2);
	seqruns_remove(&s, 20, 25);
	assert_string_equal(runs_text(&s), "3-9 11-19");
	seqruns_remove(&s, 8, 12);
	seqruns_remove(&s, 15, 15);
	assert_string_equal(runs_text(&s), "3-7 13-14 16-19");
	assert_true(seqruns_has(&s, 3));
	assert_true(seqruns_has(&s, 7));
	assert_false(seqruns_has(&s, 8));
	assert_false(seqruns_has(&s, 2));
	assert_false(seqruns_has(&s, 20));
	assert_int_equal(seqruns_next(&s, 0), 3);
	assert_int_equal(seqruns_next(&s, 7), 7);
	assert_int_equal(seqruns_next(&s, 8), 13);
	assert_int_equal(seqruns_next(&s, 20), 0);
	assert_int_equal(seqruns_last(&s), 19);
	seqruns_remove(&s, 5, 17);
	assert_string_equal(runs_text(&s), "3-4 18-19");
	seqruns_remove(&s, 0, 100);
	assert_string_equal(runs_text(&s), "");
	assert_null(s.runs);
	assert_int_equal(seqruns_last(&s), 0);
}

/* Against a plain array of what is in it. */
static void
runs_hold_what_a_plain_set_holds(void **state)
{
	enum { N = 300 };
	struct seqruns s = {0};
	bool is_in[N] = {false};
	unsigned random = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int first, last;
		bool is_add;

		random = random * 1103515245 + 12345;
		first = 1 + (int)(random >> 16) % (N - 2);
		random = random * 1103515245 + 12345;
		last = first + (int)(random >> 16) % 6;
		if (last >= N)
			last = N - 1;
		is_add = (random >> 8) % 2 == 0;
		(is_add ? seqruns_add : seqruns_remove)(&s, first, last);
		for (int seq = first; seq <= last; seq++)
			is_in[seq] = is_add;
		for (int seq = 1; seq < N; seq++)
			assert_true(seqruns_has(&s, seq) == is_in[seq]);
	}
	seqruns_fini(&s);
}

static void
the_highest_runs_are_forgotten_when_there_are_too_many(void **state)
{
	struct seqruns s = {0};

	(void)state;
	for (int64_t seq = 10; seq < 10 + 2 * SEQRUNS_MAX; seq += 2)
		seqruns_add(&s, seq, seq);
	assert_int_equal(s.n, SEQRUNS_MAX);
	assert_false(s.is_cut);
	seqruns_add(&s, 1000000, 1000000);
	assert_true(s.is_cut);
	assert_int_equal(seqruns_last(&s), 8 + 2 * SEQRUNS_MAX);
	seqruns_add(&s, 1, 7);
	assert_int_equal(s.n, SEQRUNS_MAX);
	assert_int_equal(seqruns_last(&s), 6 + 2 * SEQRUNS_MAX);
	seqruns_remove(&s, 4, 4); /* where one would become two */
	assert_int_equal(s.n, SEQRUNS_MAX);
	assert_int_equal(seqruns_last(&s), 4 + 2 * SEQRUNS_MAX);
	assert_false(seqruns_has(&s, 4));
	assert_true(seqruns_has(&s, 7));
	seqruns_fini(&s);
}

/* --- beyond --- */

/* Takes a page of what is un-acked; gives what is gone, as text. */
static const char *
take(struct beyond *b, const char *page, int64_t above, int64_t upto)
{
	int64_t seqs[OPENSET_MAX];
	size_t n = beyond_take(b, opening(page), above, upto, seqs);

	return text_of(seqs, n);
}

static void
a_pass_tells_what_is_gone_and_learns_what_is_open(void **state)
{
	struct beyond b = {0};

	(void)state;
	beyond_begin(&b, 11, 20);
	assert_true(b.is_looking);
	assert_true(b.is_first);
	assert_int_equal(b.at, 10);
	assert_true(beyond_may_hold(&b, 11));
	assert_false(beyond_may_hold(&b, 21));
	assert_string_equal(take(&b, "12 13 14 19", 10, 20), "11 15 16 17 18 20");
	assert_false(b.is_looking);
	assert_false(b.is_first);
	for (int64_t seq = 15; seq <= 18; seq++)
		beyond_remove(&b, seq);
	beyond_remove(&b, 11);
	beyond_remove(&b, 20);
	assert_string_equal(runs_text(&b.held), "12-14 19");
	/* New ones come; some are acked unheard, and of one the ack is taken back. */
	beyond_add(&b, 21);
	beyond_add(&b, 22);
	beyond_ask(&b);
	beyond_look(&b, 10, true);
	assert_true(b.is_looking);
	assert_string_equal(take(&b, "12 14 17 21", 10, 22), "13 19 22");
	assert_false(b.is_looking);
	assert_string_equal(runs_text(&b.held), "12-14 17 19 21-22"); /* until they are told */
	beyond_fini(&b);
}

static void
those_that_were_left_out_below_are_looked_at_too(void **state)
{
	struct beyond b = {0};

	(void)state;
	beyond_add(&b, 30);
	beyond_add(&b, 50);
	/* The lowest reach up to 40 now, and 30 is not among them. */
	beyond_ask(&b);
	beyond_look(&b, 40, true);
	assert_int_equal(b.at, 29);
	assert_string_equal(take(&b, "35 40 50", 40, 60), "30");
	assert_string_equal(runs_text(&b.held), "30 50"); /* 35 is of the lowest */
	beyond_remove(&b, 30);
	/* All are known below: nothing is left but what is gone. */
	beyond_look(&b, INT64_MAX, false);
	assert_string_equal(take(&b, "", INT64_MAX, 60), "50");
	beyond_remove(&b, 50);
	beyond_look(&b, INT64_MAX, false);
	assert_false(b.is_looking);
}

static void
a_pass_goes_page_by_page_and_tells_no_more_than_one_at_once(void **state)
{
	enum { UPTO = 5 * OPENSET_MAX };
	struct beyond b = {0};
	char *page = range(2001, 2000 + OPENSET_MAX + 1);
	int64_t gone[OPENSET_MAX], told = 0;
	int n_pages = 0;

	(void)state;
	beyond_begin(&b, 1, UPTO);
	beyond_doubt(&b);
	assert_false(b.is_first);
	for (; b.is_looking; n_pages++) {
		bool is_low = b.at < 2000 + OPENSET_MAX;
		size_t n = beyond_take(&b, opening(is_low ? page : ""), 0, UPTO, gone);

		for (size_t i = 0; i < n; i++) {
			assert_true(gone[i] > told);
			told = gone[i];
			assert_true(told <= 2000 || told > 2000 + OPENSET_MAX);
			beyond_remove(&b, told);
		}
		/* The time for the next one comes meanwhile: it waits. */
		if (n_pages == 1)
			beyond_ask(&b);
		if (n_pages == 1)
			beyond_look(&b, 0, true);
		if (told == UPTO)
			break;
	}
	assert_int_equal(n_pages, 5 - 1);
	assert_string_equal(runs_text(&b.held), "2001-3000");
	assert_true(b.is_looking);
	assert_int_equal(b.at, 0);
	assert_string_equal(take(&b, page, 0, UPTO), "");
	assert_int_equal(b.at, 2000 + OPENSET_MAX);
	assert_string_equal(take(&b, "", 0, UPTO), "");
	assert_false(b.is_looking);
	free(page);
	beyond_fini(&b);
}

static void
without_a_doubt_they_are_looked_at_now_and_then(void **state)
{
	struct beyond b = {0};
	int n = 0;

	(void)state;
	beyond_begin(&b, 11, 20);
	take(&b, "12", 10, 20);
	for (int i = 0; i < 3 * BEYOND_EVERY; i++) {
		beyond_look(&b, 10, true);
		n += b.is_looking;
		beyond_look_away(&b);
	}
	assert_int_equal(n, 3);
	beyond_doubt(&b);
	beyond_look(&b, 10, true);
	assert_true(b.is_looking);
	beyond_look_away(&b);
	beyond_look(&b, 10, true);
	assert_false(b.is_looking);
	/* Few are left: what is gone of them is to be told. */
	beyond_look(&b, INT64_MAX, false);
	assert_true(b.is_looking);
	beyond_fini(&b);
}

static void
a_first_pass_may_end_with_nothing_above(void **state)
{
	struct beyond b = {0};

	(void)state;
	beyond_begin(&b, 11, 12);
	beyond_ask(&b);
	beyond_look(&b, 10, true); /* another one is to follow */
	beyond_remove(&b, 11);
	beyond_remove(&b, 12);
	assert_string_equal(take(&b, "", INT64_MAX, 12), "");
	assert_false(b.is_looking);
	beyond_fini(&b);
}

/* --- control --- */

static void
a_control_message_says_what_is_worth_a_look(void **state)
{
	static struct control c;

	(void)state;
	control_parse("{\"acked\":[42, 43],\"merchant\":7,\"by\":\"till-1\"}", &c);
	assert_int_equal(c.kind, CONTROL_ACKED);
	assert_int_equal(c.merchant, 7);
	assert_string_equal(text_of(c.seqs, c.n_seqs), "42 43");
	control_parse("{\"acked\":[],\"merchant\":7}", &c);
	assert_int_equal(c.kind, CONTROL_ACKED);
	assert_int_equal(c.n_seqs, 0);
	control_parse("{\"revoked\":5,\"merchant\":7}", &c);
	assert_int_equal(c.kind, CONTROL_REVOKED);
	assert_int_equal(c.merchant, 7);
	control_parse("{\"new_epoch\":true,\"merchant\":null}", &c);
	assert_int_equal(c.kind, CONTROL_NEW_EPOCH);
	assert_int_equal(c.merchant, 0);
	control_parse("{\"new_epoch\" : true, \"merchant\" : 9}", &c);
	assert_int_equal(c.kind, CONTROL_NEW_EPOCH);
	assert_int_equal(c.merchant, 9);
	control_parse("{\"probe\":\"9f3c01aa\",\"call\":2}", &c);
	assert_int_equal(c.kind, CONTROL_PROBE);
	assert_string_equal(c.nonce, "9f3c01aa");
	assert_int_equal(c.call, 2);
	control_parse("{\"probe\":\"9f3c01aa\"}", &c);
	assert_int_equal(c.kind, CONTROL_PROBE);
	assert_int_equal(c.call, 0);
}

static void
what_is_no_control_message_says_nothing(void **state)
{
	static const char *const payloads[] = {
	    "",
	    "x",
	    "[]",
	    "{}",
	    "7",
	    "{\"merchant\":7}",
	    "{\"replaced\":5,\"merchant\":7}",
	    "{\"acked\":[1]}",
	    "{\"acked\":[1],\"merchant\":0}",
	    "{\"acked\":[1],\"merchant\":-7}",
	    "{\"acked\":[1],\"merchant\":\"7\"}",
	    "{\"acked\":[0],\"merchant\":7}",
	    "{\"acked\":[1,\"2\"],\"merchant\":7}",
	    "{\"acked\":[1.5],\"merchant\":7}",
	    "{\"acked\":1,\"merchant\":7}",
	    "{\"acked\":null,\"merchant\":7}",
	    "{\"revoked\":true,\"merchant\":7}",
	    "{\"revoked\":5}",
	    "{\"new_epoch\":1}",
	    "{\"new_epoch\":true,\"merchant\":\"all\"}",
	    "{\"probe\":5}",
	    "{\"probe\":\"0123456789abcdef0123456789abcdef0\"}",
	    "{\"acked\":[1],\"merchant\":7} {}",
	};
	static struct control c;

	(void)state;
	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
		control_parse(payloads[i], &c);
		if (c.kind != CONTROL_UNKNOWN)
			fail_msg("taken for kind %d: %s", (int)c.kind, payloads[i]);
	}
}

static void
an_ack_of_very_many_is_read_up_to_the_bound(void **state)
{
	static struct control c;
	static char payload[8000];
	size_t len = (size_t)snprintf(payload, sizeof payload, "{\"merchant\":7,\"acked\":[1");

	(void)state;
	for (int i = 1; i < CONTROL_SEQS_MAX + 50; i++)
		len += (size_t)snprintf(payload + len, sizeof payload - len, ",%d", i % 10 + 1);
	snprintf(payload + len, sizeof payload - len, "]}");
	control_parse(payload, &c);
	assert_int_equal(c.kind, CONTROL_ACKED);
	assert_int_equal(c.n_seqs, CONTROL_SEQS_MAX);
}

/* --- probe --- */

static void
hear_calls(struct probe *p, const char *nonce, int n)
{
	for (int call = 1; call <= n; call++)
		probe_hear(p, nonce, call);
}

static void
a_new_session_is_probed_at_once_and_again_after_a_while(void **state)
{
	struct probe p = {0};

	(void)state;
	probe_reset(&p, 1000);
	assert_true(probe_is_due(&p, 1000));
	probe_begin(&p, "aa");
	assert_false(probe_is_due(&p, 1000));
	assert_false(probe_judge(&p, 1001));
	probe_called(&p, true, 1200);
	hear_calls(&p, "aa", PROBE_CALLS);
	assert_false(probe_judge(&p, 1201)); /* it was not deaf before */
	assert_false(p.is_deaf);
	assert_false(probe_is_due(&p, 1200 + PROBE_AGAIN_MS));
	assert_true(probe_is_due(&p, 1201 + PROBE_AGAIN_MS));
	probe_reset(&p, 5000);
	assert_true(probe_is_due(&p, 5000));
}

static void
who_hears_nothing_in_time_is_deaf_until_all_calls_are_heard(void **state)
{
	struct probe p = {0};

	(void)state;
	probe_reset(&p, 0);
	probe_begin(&p, "aa");
	assert_false(probe_judge(&p, 100000)); /* the calls may take their time */
	probe_called(&p, true, 100000);
	assert_false(probe_judge(&p, 100000 + PROBE_HEAR_MS - 1));
	assert_true(probe_judge(&p, 100000 + PROBE_HEAR_MS));
	assert_true(p.is_deaf);
	assert_false(probe_judge(&p, 200000));
	probe_begin(&p, "bb");
	probe_called(&p, true, 300000);
	assert_false(probe_judge(&p, 300000 + PROBE_HEAR_MS));
	assert_true(p.is_deaf);
	probe_begin(&p, "cc");
	probe_called(&p, true, 500000);
	hear_calls(&p, "cc", PROBE_CALLS);
	assert_true(probe_judge(&p, 500001));
	assert_false(p.is_deaf);
}

static void
one_call_that_is_heard_by_chance_is_no_hearing(void **state)
{
	struct probe p = {0};

	(void)state;
	probe_reset(&p, 0);
	probe_begin(&p, "aa");
	probe_called(&p, true, 0);
	hear_calls(&p, "aa", 1);
	hear_calls(&p, "aa", 1);
	hear_calls(&p, "old", PROBE_CALLS);
	probe_hear(&p, "aa", 0);
	probe_hear(&p, "aa", PROBE_CALLS);
	probe_hear(&p, "aa", PROBE_CALLS + 1);
	assert_false(probe_judge(&p, PROBE_HEAR_MS - 1));
	assert_true(probe_judge(&p, PROBE_HEAR_MS));
	assert_true(p.is_deaf);
	/* What was heard once is not heard the next time. */
	probe_begin(&p, "bb");
	probe_called(&p, true, 10000);
	hear_calls(&p, "bb", PROBE_CALLS - 1);
	assert_false(probe_judge(&p, 10001));
}

static void
calls_that_could_not_be_made_say_nothing(void **state)
{
	struct probe p = {0};

	(void)state;
	probe_reset(&p, 0);
	probe_begin(&p, "aa");
	probe_called(&p, false, 1000);
	assert_false(probe_judge(&p, 1000 + PROBE_HEAR_MS));
	assert_false(p.is_deaf);
	assert_true(probe_is_due(&p, 1000 + PROBE_RETRY_MS));
	/* The session was lost meanwhile: the end of its calls is of no interest. */
	probe_begin(&p, "bb");
	probe_reset(&p, 50000);
	probe_called(&p, true, 50000);
	hear_calls(&p, "", PROBE_CALLS);
	assert_false(probe_judge(&p, 60000));
	assert_false(p.is_deaf);
}

/* --- watches --- */

static void
a_watch_knows_more_than_the_lowest(void **state)
{
	struct watch w = {.is_known = true, .last = OPENSET_MAX + 500};
	char *many = range(1, OPENSET_MAX + 1), *fewer = range(301, OPENSET_MAX + 301);

	(void)state;
	watch_set_open(&w, opening(many));
	assert_int_equal(watch_lowest_end(&w), OPENSET_MAX);
	beyond_begin(&w.beyond, watch_lowest_end(&w) + 1, w.last);
	/* Some are acked below and new ones come: those between are held all the same. */
	for (int64_t seq = 1; seq <= 100; seq++)
		watch_note_acked(&w, seq);
	watch_note_open(&w, OPENSET_MAX + 501);
	assert_true(watch_may_hold(&w, OPENSET_MAX + 200));
	assert_true(watch_may_hold(&w, OPENSET_MAX + 501));
	assert_false(watch_may_hold(&w, 50));
	watch_note_acked(&w, OPENSET_MAX + 200);
	assert_false(watch_may_hold(&w, OPENSET_MAX + 200));
	/* What comes to be among the lowest is beyond no more, and the other way round. */
	watch_set_open(&w, opening(fewer));
	assert_false(beyond_may_hold(&w.beyond, OPENSET_MAX + 300));
	assert_true(beyond_may_hold(&w.beyond, OPENSET_MAX + 301));
	watch_set_open(&w, opening(many));
	assert_true(watch_may_hold(&w, OPENSET_MAX + 250));
	assert_true(watch_may_hold(&w, OPENSET_MAX + 301));
	watch_set_open(&w, opening("7 9"));
	assert_int_equal(watch_lowest_end(&w), INT64_MAX);
	assert_true(w.beyond.is_looking); /* they are gone, and still to be told */
	watch_forget_open(&w);
	assert_false(watch_may_hold(&w, 7));
	free(many);
	free(fewer);
}

static struct watch *
start_known(struct watches *ws, int64_t merchant)
{
	struct watch *w = watches_start(ws, merchant, 0);

	w->is_known = true;
	return w;
}

static void
a_watch_lasts_until_the_last_watcher_goes(void **state)
{
	struct watches ws;

	(void)state;
	watches_init(&ws);
	watches_start(&ws, 7, 0);
	watches_start(&ws, 7, 63);
	watches_end(&ws, 8, 0);
	assert_int_equal(watches_count(&ws), 1);
	watches_end(&ws, 7, 0);
	watches_end(&ws, 7, 1);
	assert_true(watches_get(&ws, 7)->watchers == UINT64_C(1) << 63);
	watches_end(&ws, 7, 63);
	watches_end(&ws, 7, 63);
	assert_null(watches_get(&ws, 7));
	assert_int_equal(watches_count(&ws), 0);
	watches_fini(&ws);
}

static void
the_dirty_are_taken_in_turn_and_each_once(void **state)
{
	struct watches ws;
	struct watch *taken[4];

	(void)state;
	watches_init(&ws);
	watches_mark_dirty(&ws, watches_start(&ws, 99, 0)); /* not known: nothing to read yet */
	assert_int_equal(ws.n_dirty, 0);
	for (int64_t merchant = 1; merchant <= 40; merchant++) {
		watches_mark_dirty(&ws, start_known(&ws, merchant));
		watches_mark_dirty(&ws, watches_get(&ws, merchant));
	}
	watches_end(&ws, 2, 0);
	assert_int_equal(ws.n_dirty, 39);
	assert_int_equal(watches_take_dirty(&ws, taken, 4), 4);
	assert_int_equal(taken[0]->merchant, 1);
	assert_int_equal(taken[1]->merchant, 40); /* in the place of the one that ended */
	assert_int_equal(taken[2]->merchant, 3);
	watches_mark_dirty(&ws, taken[0]);
	while (ws.n_dirty > 1)
		watches_take_dirty(&ws, taken, 1);
	assert_int_equal(watches_take_dirty(&ws, taken, 4), 1);
	assert_int_equal(taken[0]->merchant, 1);
	watches_fini(&ws);
}

static void
who_has_had_nothing_goes_before_who_was_served(void **state)
{
	struct watches ws;
	struct watch *taken[4];

	(void)state;
	watches_init(&ws);
	for (int64_t merchant = 1; merchant <= 4; merchant++)
		watches_mark_dirty(&ws, start_known(&ws, merchant));
	assert_int_equal(watches_take_dirty(&ws, taken, 4), 4);
	watches_put_back(&ws, taken, 4, 3);
	assert_int_equal(watches_take_dirty(&ws, taken, 2), 2);
	assert_int_equal(taken[0]->merchant, 4);
	assert_int_equal(taken[1]->merchant, 1);
	watches_put_back(&ws, taken, 2, 2);
	assert_int_equal(watches_take_dirty(&ws, taken, 4), 4);
	assert_int_equal(taken[0]->merchant, 2);
	watches_fini(&ws);
}

static void
what_is_held_is_read_once_it_is_released_by_all(void **state)
{
	struct watches ws;
	struct watch *taken[4];

	(void)state;
	watches_init(&ws);
	watches_mark_dirty(&ws, start_known(&ws, 7));
	watches_mark_dirty(&ws, start_known(&ws, 8));
	watches_hold(&ws, 7);
	watches_hold(&ws, 7);
	watches_hold(&ws, 9); /* nobody watches it */
	assert_int_equal(watches_take_dirty(&ws, taken, 4), 1);
	assert_int_equal(taken[0]->merchant, 8);
	assert_int_equal(ws.n_dirty, 0);
	watches_release(&ws, 7);
	assert_int_equal(ws.n_dirty, 0);
	watches_release(&ws, 7);
	assert_int_equal(watches_take_dirty(&ws, taken, 4), 1);
	assert_int_equal(taken[0]->merchant, 7);
	watches_hold(&ws, 7);
	watches_release(&ws, 7); /* nothing came meanwhile */
	assert_int_equal(ws.n_dirty, 0);
	watches_fini(&ws);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_known_and_is_open_no_more_is_gone),
	    cmocka_unit_test(an_event_adds_to_it_and_an_ack_takes_away),
	    cmocka_unit_test(only_the_lowest_are_known_and_of_the_others_nothing_is_said),
	    cmocka_unit_test(a_row_is_cut_at_the_bound_and_read_to_the_end_below_it),
	    cmocka_unit_test(runs_that_meet_or_touch_become_one),
	    cmocka_unit_test(what_is_taken_out_leaves_its_neighbours),
	    cmocka_unit_test(runs_hold_what_a_plain_set_holds),
	    cmocka_unit_test(the_highest_runs_are_forgotten_when_there_are_too_many),
	    cmocka_unit_test(a_pass_tells_what_is_gone_and_learns_what_is_open),
	    cmocka_unit_test(those_that_were_left_out_below_are_looked_at_too),
	    cmocka_unit_test(a_pass_goes_page_by_page_and_tells_no_more_than_one_at_once),
	    cmocka_unit_test(without_a_doubt_they_are_looked_at_now_and_then),
	    cmocka_unit_test(a_first_pass_may_end_with_nothing_above),
	    cmocka_unit_test(a_watch_knows_more_than_the_lowest),
	    cmocka_unit_test(a_control_message_says_what_is_worth_a_look),
	    cmocka_unit_test(what_is_no_control_message_says_nothing),
	    cmocka_unit_test(an_ack_of_very_many_is_read_up_to_the_bound),
	    cmocka_unit_test(a_new_session_is_probed_at_once_and_again_after_a_while),
	    cmocka_unit_test(who_hears_nothing_in_time_is_deaf_until_all_calls_are_heard),
	    cmocka_unit_test(one_call_that_is_heard_by_chance_is_no_hearing),
	    cmocka_unit_test(calls_that_could_not_be_made_say_nothing),
	    cmocka_unit_test(a_watch_lasts_until_the_last_watcher_goes),
	    cmocka_unit_test(the_dirty_are_taken_in_turn_and_each_once),
	    cmocka_unit_test(who_has_had_nothing_goes_before_who_was_served),
	    cmocka_unit_test(what_is_held_is_read_once_it_is_released_by_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
