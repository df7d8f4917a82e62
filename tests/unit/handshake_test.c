/* The opening handshake, request look-ups and the fences of auth = none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "notifier/access.h"
#include "notifier/handshake.h"

/* A good request, to be spoiled by the tests. */
static struct request
good_request(void)
{
	return (struct request){
	    .method = "GET",
	    .version = "1.1",
	    .path = "/ws/till-1",
	    .peer = "127.0.0.1",
	    .headers =
		{
		    {"Host", "127.0.0.1:8080"},
		    {"Upgrade", "websocket"},
		    {"Connection", "Upgrade"},
		    {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
		    {"Sec-WebSocket-Version", "13"},
		},
	    .n_headers = 5,
	};
}

static void
set_header(struct request *r, const char *name, const char *value)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		if (strcmp(r->headers[i].name, name) == 0) {
			r->headers[i].value = value;
			return;
		}
	}
	r->headers[r->n_headers++] = (struct request_header){name, value};
}

static void
remove_header(struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		if (strcmp(r->headers[i].name, name) == 0)
			r->headers[i] = r->headers[--r->n_headers];
	}
}

static int
status_of(const struct request *r)
{
	struct handshake h;
	const char *reason = NULL;
	int status = handshake_check(r, &h, &reason);

	assert_true(status == 101 || reason != NULL);
	return status;
}

static void
the_example_of_the_rfc_is_answered_as_there(void **state)
{
	struct request r = good_request();
	struct handshake h;
	const char *reason;
	char answer[HANDSHAKE_ANSWER_MAX + 1];
	size_t n;

	(void)state;
	assert_int_equal(handshake_check(&r, &h, &reason), 101);
	assert_string_equal(h.sid, "till-1");
	assert_false(h.is_v1);
	n = handshake_answer(&r, h.is_v1, answer, sizeof answer);
	answer[n] = '\0';
	assert_non_null(strstr(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	assert_null(strstr(answer, "Sec-WebSocket-Protocol"));
	assert_string_equal(answer + n - 4, "\r\n\r\n");
}

static void
the_subprotocol_is_found_in_any_list(void **state)
{
	static const struct {
		const char *offer;
		bool is_v1;
	} cases[] = {{"orderbell.v1", true}, {"chat, orderbell.v1", true},
	    {"orderbell.v1 ,chat", true}, {"Orderbell.V1", false}, {"orderbell.v10", false},
	    {"", false}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct request r = good_request();
		struct handshake h;
		const char *reason;

		set_header(&r, "Sec-WebSocket-Protocol", cases[i].offer);
		assert_int_equal(handshake_check(&r, &h, &reason), 101);
		assert_int_equal(h.is_v1, cases[i].is_v1);
	}
}

static void
upgrade_and_connection_are_lists_in_any_case(void **state)
{
	struct request r = good_request();

	(void)state;
	set_header(&r, "Upgrade", "h2c, WebSocket");
	set_header(&r, "Connection", "keep-alive, UPGRADE");
	assert_int_equal(status_of(&r), 101);
	set_header(&r, "Connection", "upgrades");
	assert_int_equal(status_of(&r), 404);
}

static void
what_is_wrong_has_its_status(void **state)
{
	static const struct {
		const char *name, *value; /* NULL value: the header is missing */
		int status;
	} cases[] = {
	    {"Upgrade", NULL, 404},
	    {"Connection", "close", 404},
	    {"Host", NULL, 400},
	    {"Host", "", 400},
	    {"Sec-WebSocket-Version", "12", 426},
	    {"Sec-WebSocket-Version", NULL, 426},
	    {"Sec-WebSocket-Key", NULL, 400},
	    {"Sec-WebSocket-Key", "short==", 400},
	    {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE=", 400},
	    {"Sec-WebSocket-Key", "!!!!IHNhbXBsZSBub25jZQ==", 400},
	    {"Sec-WebSocket-Key", "MDAwMDAwMDAwMDAwMDAwMA==", 101}, /* what HTTP/2 proxies send */
	    {"Content-Length", "5", 400},
	    {"Content-Length", "0", 101},
	    {"Transfer-Encoding", "chunked", 400},
	};
	struct request r;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		r = good_request();
		if (cases[i].value == NULL)
			remove_header(&r, cases[i].name);
		else
			set_header(&r, cases[i].name, cases[i].value);
		assert_int_equal(status_of(&r), cases[i].status);
	}
	r = good_request();
	r.method = "POST";
	assert_int_equal(status_of(&r), 405);
	r = good_request();
	r.version = "1.0";
	assert_int_equal(status_of(&r), 400);
	r = good_request();
	r.headers[r.n_headers++] = (struct request_header){"Host", "other"};
	assert_int_equal(status_of(&r), 400);
}

static void
a_sid_is_one_word_of_at_most_64(void **state)
{
	static const char *const good[] = {"/ws/a", "/ws/A.b_c-9",
	    "/ws/0123456789012345678901234567890123456789012345678901234567890123"};
	static const char *const bad[] = {"/ws/", "/ws/a/b", "/ws/a b", "/ws/ä", "/wsx/a",
	    "/ws/01234567890123456789012345678901234567890123456789012345678901234"};
	char sid[SID_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(handshake_sid(good[i], "/ws/", sid));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(handshake_sid(bad[i], "/ws/", sid));
}

static void
queries_and_cookies_are_read_whole_or_not_at_all(void **state)
{
	struct request r = good_request();
	char out[8];

	(void)state;
	r.query = "merchant=7&x=%41%20b&bad=%zz&nul=%00&long=123456789";
	assert_true(request_query(&r, "merchant", out, sizeof out));
	assert_string_equal(out, "7");
	assert_true(request_query(&r, "x", out, sizeof out));
	assert_string_equal(out, "A b");
	assert_false(request_query(&r, "bad", out, sizeof out));
	assert_false(request_query(&r, "nul", out, sizeof out));
	assert_false(request_query(&r, "long", out, sizeof out));
	assert_false(request_query(&r, "merch", out, sizeof out));
	set_header(&r, "Cookie", "a=1; token=abc; b=2");
	assert_true(request_cookie(&r, "token", out, sizeof out));
	assert_string_equal(out, "abc");
	assert_false(request_cookie(&r, "oken", out, sizeof out));
}

static void
the_client_address_is_believed_only_from_a_trusted_proxy(void **state)
{
	static const struct {
		const char *peer, *forwarded, *address;
	} cases[] = {
	    {"127.0.0.1", NULL, "127.0.0.1"},
	    {"127.0.0.1", "203.0.113.9", "203.0.113.9"},
	    {"127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"},
	    {"127.0.0.1", "198.51.100.1, 127.0.0.1", "198.51.100.1"},
	    {"127.0.0.1", "203.0.113.9:1234", "203.0.113.9"},
	    {"127.0.0.1", "[2001:db8::1]:1234", "2001:db8::1"},
	    {"203.0.113.5", "198.51.100.1", "203.0.113.5"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct request r = good_request();
		char address[64];

		r.peer = cases[i].peer;
		if (cases[i].forwarded != NULL)
			set_header(&r, "X-Forwarded-For", cases[i].forwarded);
		request_client_address(&r, "127.0.0.1 ::1", address, sizeof address);
		assert_string_equal(address, cases[i].address);
	}
}

static void
auth_none_lets_nothing_in_from_beyond_this_machine(void **state)
{
	static const struct {
		const char *name, *value;
		bool is_refused;
	} cases[] = {
	    {"Host", "localhost", false},
	    {"Host", "[::1]:8080", false},
	    {"Host", "127.9.9.9", false},
	    {"Host", "shop.example", true},
	    {"Host", "127.0.0.1.shop.example", true},
	    {"X-Forwarded-For", "127.0.0.1", false},
	    {"X-Forwarded-For", "203.0.113.9", true},
	    {"X-Forwarded-For", "203.0.113.9, 127.0.0.1", true},
	    {"X-Real-IP", "203.0.113.9", true},
	    {"Forwarded", "for=203.0.113.9", true},
	    {"Origin", "http://localhost:5173", false},
	    {"Origin", "https://evil.example", true},
	    {"Origin", "null", true},
	};
	const struct access a = {
	    .auth = ACCESS_NONE, .allow_origin = "", .trusted_proxy = "127.0.0.1"};
	struct request r = good_request();

	(void)state;
	assert_null(access_refusal(&a, &r));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		r = good_request();
		set_header(&r, cases[i].name, cases[i].value);
		assert_int_equal(access_refusal(&a, &r) != NULL, cases[i].is_refused);
	}
	r = good_request();
	r.peer = "203.0.113.9";
	assert_non_null(access_refusal(&a, &r));
}

static void
origins_are_the_own_host_and_the_allowed_ones(void **state)
{
	static const struct {
		const char *allow, *origin;
		bool is_refused;
	} cases[] = {
	    {"", "https://shop.example", false}, /* the host of the request itself */
	    {"", "https://other.example", true},
	    {"https://other.example", "https://other.example", false},
	    {"https://a.example https://b.example", "https://b.example", false},
	    {"https://a.example https://b.example", "https://b.example.evil", true},
	    {"*", "https://any.example", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct access a = {
		    .auth = ACCESS_JWT, .allow_origin = cases[i].allow, .trusted_proxy = ""};
		struct request r = good_request();

		set_header(&r, "Host", "shop.example");
		set_header(&r, "Origin", cases[i].origin);
		assert_int_equal(access_refusal(&a, &r) != NULL, cases[i].is_refused);
	}
}

static void
without_auth_the_query_names_the_merchant(void **state)
{
	static const struct {
		const char *query;
		int64_t merchant; /* 0: refused */
	} cases[] = {{NULL, 1}, {"", 1}, {"merchant=7", 7}, {"a=b&merchant=12", 12},
	    {"merchant=", 0}, {"merchant=0", 0}, {"merchant=-3", 0}, {"merchant=7x", 0},
	    {"merchant=99999999999999999999", 0}};
	const struct access a = {.auth = ACCESS_NONE};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct request r = good_request();
		struct grant grant;
		struct claim claim;
		enum access_verdict verdict;

		r.query = cases[i].query;
		verdict = access_by_request(&a, &r, 0, &grant, &claim);
		assert_int_equal(verdict, cases[i].merchant != 0 ? ACCESS_GRANTED : ACCESS_REFUSED);
		assert_int_equal(grant.merchant, cases[i].merchant);
	}
}

static void
a_terminals_token_is_a_claim_that_its_hash_proves(void **state)
{
	static const struct {
		enum access_auth auth;
		const char *token;
		int64_t terminal; /* 0: refused */
	} cases[] = {{ACCESS_TERMINAL, "obt_17_secret", 17}, {ACCESS_ANY, "obt_17_secret", 17},
	    {ACCESS_JWT, "obt_17_secret", 0}, {ACCESS_TERMINAL, "obt_17secret", 0},
	    {ACCESS_TERMINAL, "obt__secret", 0}, {ACCESS_TERMINAL, "obt_-1_secret", 0},
	    {ACCESS_TERMINAL, "obt_99999999999999999999_secret", 0}, {ACCESS_TERMINAL, "", 0},
	    {ACCESS_TERMINAL, "eyJ.e.x", 0}};
	/* of "obt_17_secret", by sha256sum */
	static const char hash[] =
	    "3d2d28fb7e69fbd8767b912415a0f1b96d2385b821afde77fcb55151208b538f";

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct access a = {.auth = cases[i].auth};
		struct grant grant;
		struct claim claim;
		enum access_verdict verdict =
		    access_by_token(&a, cases[i].token, 0, &grant, &claim);

		assert_int_equal(verdict, cases[i].terminal != 0 ? ACCESS_CLAIMED : ACCESS_REFUSED);
		assert_int_equal(claim.terminal, cases[i].terminal);
		assert_int_equal(grant.merchant, 0);
		assert_int_equal(claim_holds(&claim, hash), verdict == ACCESS_CLAIMED);
		assert_false(claim_holds(&claim, "00"));
		assert_false(claim_holds(&claim, ""));
	}
}

static void
a_snapshot_outlives_what_it_was_made_from_until_nobody_holds_it(void **state)
{
	char secret[] = "a secret", kid[] = "k1", origin[] = "https://till.example";
	struct access *a, *second;

	(void)state;
	a = access_new(&(struct access){.auth = ACCESS_ANY,
	    .keys = {{kid, secret}, {NULL, "another"}},
	    .n_keys = 2,
	    .token_in_query = true,
	    .allow_origin = origin,
	    .trusted_proxy = ""});
	memset(secret, 'x', sizeof secret - 1);
	memset(kid, 'x', sizeof kid - 1);
	memset(origin, 'x', sizeof origin - 1);
	second = access_hold(a);
	access_release(a);
	assert_int_equal(second->auth, ACCESS_ANY);
	assert_true(second->token_in_query);
	assert_string_equal(second->keys[0].kid, "k1");
	assert_string_equal(second->keys[0].secret, "a secret");
	assert_null(second->keys[1].kid);
	assert_string_equal(second->keys[1].secret, "another");
	assert_string_equal(second->allow_origin, "https://till.example");
	assert_string_equal(second->trusted_proxy, "");
	access_release(second);
	access_release(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_example_of_the_rfc_is_answered_as_there),
	    cmocka_unit_test(the_subprotocol_is_found_in_any_list),
	    cmocka_unit_test(upgrade_and_connection_are_lists_in_any_case),
	    cmocka_unit_test(what_is_wrong_has_its_status),
	    cmocka_unit_test(a_sid_is_one_word_of_at_most_64),
	    cmocka_unit_test(queries_and_cookies_are_read_whole_or_not_at_all),
	    cmocka_unit_test(the_client_address_is_believed_only_from_a_trusted_proxy),
	    cmocka_unit_test(auth_none_lets_nothing_in_from_beyond_this_machine),
	    cmocka_unit_test(origins_are_the_own_host_and_the_allowed_ones),
	    cmocka_unit_test(without_auth_the_query_names_the_merchant),
	    cmocka_unit_test(a_terminals_token_is_a_claim_that_its_hash_proves),
	    cmocka_unit_test(a_snapshot_outlives_what_it_was_made_from_until_nobody_holds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
