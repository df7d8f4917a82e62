"""HTTP answers of both programs, and who may connect."""

import json
import os
import re
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from clients import PythonTerminal
from processes import until
from stack import Stack, forged_tokens, jwt, request


def upgrade(url, **headers):
    """The status of the answer to a handshake with these headers besides."""
    good = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(url, headers={**good, **more}).status


class FcgiOrder(unittest.TestCase):
    """fcgi-order behind lighttpd"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(settings=("sandbox_payment=yes",)).up()
        cls.addClassCleanup(cls.stack.down)

    def fails(self, answer, status, message=None):
        """A gateway's refusal: that status, and JSON that says why."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.header("Content-Type"), "application/json")
        body = answer.json()
        self.assertEqual((set(body), body["code"]), ({"code", "message"}, "FAIL"))
        self.assertTrue(body["message"])
        if message:
            self.assertEqual(body["message"], message)

    def exceptions_of(self, order):
        return [kind for (kind,) in self.stack.rows(
            f"select kind from payment_exception where number = '{order.number}' order by id")]

    def is_paid(self, order):
        return self.stack.psql(f"select pay_status from orders where id = {order.id}") == "1"

    def post(self, body, **changes):
        headers = self.stack.sign_webhook(body)
        headers.update(changes)
        return self.stack.post_webhook(body, {k: v for k, v in headers.items() if v is not None})

    # --- routes and methods ---

    def test_unknown_routes_are_404_with_a_message(self):
        for path in ("/notify/", "/notify/nobody", "/notify/webhook/", "/notify/webhook/x",
                     "/notify/../notify/nobody", "/notify/paySuccess/", "/notify/paysuccess"):
            with self.subTest(path=path):
                self.fails(request(self.stack.web_url + path, "POST", body=b"{}"), 404)

    def test_unknown_routes_of_customers_are_404_in_their_envelope(self):
        for path in ("/user/", "/user/order/nothing", "/user/order/payment/1"):
            with self.subTest(path=path):
                answer = request(self.stack.web_url + path)
                self.assertEqual(answer.status, 404, answer)
                body = answer.json()
                self.assertEqual((list(body), body["code"], body["data"]),
                                 (["code", "msg", "data"], 0, None))

    def test_other_methods_are_405_with_allow(self):
        for method, path, allow in (("GET", "/notify/webhook", "POST"),
                                    ("PUT", "/notify/webhook", "POST"),
                                    ("DELETE", "/notify/webhook", "POST"),
                                    ("POST", "/user/order/payment", "PUT"),
                                    ("GET", "/user/order/payment", "PUT"),
                                    ("DELETE", "/user/order/reminder/1", "GET, POST")):
            with self.subTest(method=method, path=path):
                answer = request(self.stack.web_url + path, method)
                self.assertEqual((answer.status, answer.header("Allow")), (405, allow))
                self.assertIn(answer.json()["code"], ("FAIL", 0))

    # --- the webhook ---

    def test_a_signed_callback_pays_and_answers_204_without_a_body(self):
        order = self.stack.place_order()
        answer = self.stack.pay_by_webhook(order)
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertTrue(self.is_paid(order))
        self.assertEqual(self.exceptions_of(order), [])

    def test_a_callback_that_comes_five_times_rings_once(self):
        order = self.stack.place_order()
        self.assertEqual([self.stack.pay_by_webhook(order).status for _ in range(5)], [204] * 5)
        self.assertEqual([o for _, _, o in self.stack.events()].count(order.id), 1)

    def test_a_callback_that_comes_32_times_at_once_rings_once(self):
        with ThreadPoolExecutor(32) as gateway:
            order = self.stack.place_order()
            body = self.stack.webhook_body(order)
            headers = self.stack.sign_webhook(body)
            same = gateway.map(lambda _: self.stack.post_webhook(body, headers).status, range(32))
            self.assertEqual(list(same), [204] * 32)

            other = self.stack.place_order()
            bodies = [self.stack.webhook_body(other, transactionId=f"try-{i}") for i in range(32)]
            self.assertEqual([a.status for a in gateway.map(self.post, bodies)], [204] * 32)
        rung = [o for _, _, o in self.stack.events()]
        self.assertEqual((rung.count(order.id), rung.count(other.id)), (1, 1))
        # The same payment again is nothing; 31 others of a paid order are money for a person.
        self.assertEqual(self.exceptions_of(order), [])
        self.assertEqual(self.exceptions_of(other), ["paid_twice"] * 31)

    def test_the_amount_may_be_a_json_number(self):
        for amount, number in (("38.00", 38.00), ("38.10", 38.1), ("40", 40), ("0.30", 0.3)):
            with self.subTest(amount=amount):
                order = self.stack.place_order(amount=amount)
                body = self.stack.webhook_body(order, amount=number)
                self.assertEqual(self.post(body).status, 204)
                self.assertTrue(self.is_paid(order))

    def test_one_of_several_signatures_is_enough(self):
        order = self.stack.place_order()
        body = self.stack.webhook_body(order)
        good = self.stack.sign_webhook(body)["webhook-signature"]
        other = self.stack.sign_webhook(body, key=b"somebody else's")["webhook-signature"]
        answer = self.post(body, **{"webhook-signature": f"v1a,xyz {other} {good}"})
        self.assertEqual(answer.status, 204)

    def test_a_bad_signature_is_401_and_nothing_happens(self):
        order = self.stack.place_order()
        body = self.stack.webhook_body(order)
        good = self.stack.sign_webhook(body)["webhook-signature"]
        bad = (self.stack.sign_webhook(body, key=b"x" * 24)["webhook-signature"], "", "v1,",
               "v1", good[3:], good.replace("v1,", "v2,"), good[:-4], good + "A", "v1," + "A" * 44,
               "v1," + "A" * 5000)
        for signature in bad:
            with self.subTest(signature=signature[:60]):
                self.fails(self.post(body, **{"webhook-signature": signature}), 401)
        self.assertFalse(self.is_paid(order))
        self.assertEqual(self.exceptions_of(order), [])

    def test_a_body_or_id_or_time_that_was_not_signed_is_401(self):
        order = self.stack.place_order()
        body = self.stack.webhook_body(order)
        headers = self.stack.sign_webhook(body)
        changed = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}
        self.fails(self.stack.post_webhook(body + b" ", headers), 401)
        self.fails(self.stack.post_webhook(body, {**headers, "webhook-id": "msg_2"}), 401)
        self.fails(self.stack.post_webhook(body, changed), 401)
        self.assertFalse(self.is_paid(order))

    def test_a_stale_or_early_or_odd_timestamp_is_401_though_signed(self):
        order = self.stack.place_order()
        body = self.stack.webhook_body(order)
        now = int(time.time())
        for stamp in (now - 310, now + 360, 0, -1, "x", f" {now}", f"{now}.0", "9" * 30, ""):
            with self.subTest(stamp=stamp):
                headers = self.stack.sign_webhook(body, timestamp=stamp)
                self.fails(self.stack.post_webhook(body, headers), 401)
        self.assertFalse(self.is_paid(order))
        headers = self.stack.sign_webhook(body, timestamp=int(time.time()) - 240)
        self.assertEqual(self.stack.post_webhook(body, headers).status, 204)

    def test_a_missing_header_is_401(self):
        body = self.stack.webhook_body(self.stack.place_order())
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            with self.subTest(missing=name):
                self.fails(self.post(body, **{name: None}), 401)

    def test_signed_nonsense_is_400(self):
        order = self.stack.place_order()
        good = self.stack.webhook_body(order)

        def with_data(**changes):
            return self.stack.webhook_body(order, **changes)

        for body in (b"", b"{", b"[]", b"null", b"5", b'"text"', good + b"{}", b"\xff\xfe", b"{}",
                     b'{"type":5}', b'{"type":"order.paid"}', b'{"type":"order.paid","data":[]}',
                     b'{"type":"order.paid","data":{}}', b"[" * 5000,
                     with_data(orderNumber=""), with_data(orderNumber="a b"),
                     with_data(orderNumber="x" * 51), with_data(orderNumber=5),
                     with_data(orderNumber="'; drop table orders --"),
                     with_data(amount=""), with_data(amount="1e2"), with_data(amount="-38.00"),
                     with_data(amount="38,00"), with_data(amount="NaN"), with_data(amount=None),
                     with_data(amount=[]), with_data(amount="3" * 100), with_data(currency="usd"),
                     with_data(currency=5)):
            with self.subTest(body=body[:80]):
                self.fails(self.post(body), 400)
        self.assertFalse(self.is_paid(order))

    def test_another_type_of_message_is_204_and_does_nothing(self):
        order = self.stack.place_order()
        body = self.stack.webhook_body(order).replace(b"order.paid", b"order.refunded")
        self.assertEqual(self.post(body).status, 204)
        self.assertFalse(self.is_paid(order))

    def test_money_without_a_fitting_order_is_refused_and_kept_for_a_person(self):
        def amount_differs(order):
            return self.post(self.stack.webhook_body(order, amount="0.01"))

        def currency_differs(order):
            return self.post(self.stack.webhook_body(order, currency="USD"))

        def unknown(order):
            order.number = "nobodys-" + order.number
            return self.stack.pay_by_webhook(order)

        def cancelled(order):
            self.stack.psql(f"update orders set status = 6 where id = {order.id}")
            return self.stack.pay_by_webhook(order)

        def refunded(order):
            self.stack.psql(f"update orders set pay_status = 2, status = 7 where id = {order.id}")
            return self.stack.pay_by_webhook(order)

        for what, status, kind in ((unknown, 404, "unknown_order"), (cancelled, 409, "cancelled"),
                                   (amount_differs, 409, "amount_differs"),
                                   (currency_differs, 409, "amount_differs"),
                                   (refunded, 409, "refunded")):
            with self.subTest(kind=kind):
                order = self.stack.place_order()
                self.fails(what(order), status)
                self.assertEqual(self.exceptions_of(order), [kind])
                self.assertFalse(self.is_paid(order))
                what(order) if what is not unknown else self.stack.pay_by_webhook(order)
                self.assertEqual(self.exceptions_of(order), [kind])

    def test_a_body_over_64_kib_is_413(self):
        self.fails(self.stack.post_webhook(b"x" * 65537), 413)
        self.fails(self.stack.post_webhook(b"x" * 500000), 413)

    def test_a_body_of_64_kib_is_read(self):
        order = self.stack.place_order()
        body = self.stack.webhook_body(order)
        self.assertEqual(self.post(body + b" " * (65536 - len(body))).status, 204)
        self.assertTrue(self.is_paid(order))

    def test_a_chunked_body_is_read_whole(self):
        order = self.stack.place_order()
        body = self.stack.webhook_body(order)
        headers = {**self.stack.sign_webhook(body), "Transfer-Encoding": "chunked"}
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                          for part in (body[:7], body[7:50], body[50:])) + b"0\r\n\r\n"
        answer = self.stack.post_webhook(chunks, headers)
        self.assertEqual(answer.status, 204, answer)
        self.assertTrue(self.is_paid(order))

    # --- customers ---

    def customer(self, method, path, token, body=None):
        headers = {} if token is None else {"authentication": token}
        return request(self.stack.web_url + path, method, headers, body)

    def pay_own(self, order, token, **changes):
        body = json.dumps({"orderNumber": order.number, "payMethod": 1, **changes}).encode()
        return self.customer("PUT", "/user/order/payment", token, body)

    def test_a_refused_token_is_an_empty_401(self):
        order = self.stack.place_order()
        now = int(time.time())
        secret, claims = self.stack.env["JWT_SECRET"], {"userId": 4, "exp": now + 60}
        good = self.stack.user_token()
        bad = [("none", None), ("empty", ""), ("a letter", "x"), ("letters", "a.b.c"),
               ("lengthened", good + "x"), ("with a scheme", "Bearer " + good),
               ("expired", self.stack.user_token(exp=now - 5)),
               ("of nobody", jwt(secret, {"exp": now + 60})),
               ("of a user that is no number", self.stack.user_token("4; drop")),
               *forged_tokens(secret, claims)]
        for what, token in bad:
            with self.subTest(token=what):
                for answer in (self.pay_own(order, token),
                               self.customer("GET", f"/user/order/reminder/{order.id}", token)):
                    self.assertEqual((answer.status, answer.body), (401, b""))
        self.assertFalse(self.is_paid(order))

    def test_the_sandbox_pays_the_customers_own_order(self):
        order = self.stack.place_order()
        answer = self.pay_own(order, self.stack.user_token(), payMethod=2)
        body = answer.json()
        self.assertEqual((answer.status, body["code"], body["msg"]), (200, 1, None))
        self.assertEqual(self.stack.psql(
            f"select status, pay_status, pay_method from orders where id = {order.id}"), "2|1|2")
        self.assertIn((1, order.id), [(t, o) for _, t, o in self.stack.events()])

    def test_the_sandbox_does_not_pay_the_order_of_another(self):
        order = self.stack.place_order(user=5)
        answer = self.pay_own(order, self.stack.user_token(4))
        self.assertEqual((answer.status, answer.json()["code"]), (200, 0))
        self.assertTrue(answer.json()["msg"])
        self.assertFalse(self.is_paid(order))

    def test_an_unreadable_payment_is_400(self):
        order = self.stack.place_order()
        token = self.stack.user_token()
        for body in (b"", b"{", b"[]", b"{}"):
            with self.subTest(body=body):
                answer = self.customer("PUT", "/user/order/payment", token, body)
                self.assertEqual((answer.status, answer.json()["code"]), (400, 0))
        for change in ({"payMethod": 3}, {"payMethod": "1"}, {"orderNumber": 5}):
            with self.subTest(change=change):
                self.assertEqual(self.pay_own(order, token, **change).status, 400)

    def test_a_reminder_of_an_unpaid_or_foreign_or_missing_order_is_code_0(self):
        unpaid, foreign = self.stack.place_order(), self.stack.place_order(user=5)
        self.stack.pay_by_sql(foreign)
        for order_id in (unpaid.id, foreign.id, 10 ** 15):
            with self.subTest(order_id=order_id):
                answer = self.customer("GET", f"/user/order/reminder/{order_id}",
                                       self.stack.user_token(4))
                self.assertEqual((answer.status, answer.json()["code"]), (200, 0))
                self.assertTrue(answer.json()["msg"])

    def test_two_reminders_of_one_minute_ring_once(self):
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        for method in ("GET", "POST", "GET"):
            self.assertEqual(self.stack.remind(order, method).json()["code"], 1)
        self.assertEqual([(t, o) for _, t, o in self.stack.events()].count((2, order.id)), 1)

    def test_an_odd_id_of_a_reminder_is_404(self):
        for odd in ("", "x", "1x", "-1", "1/2", "9" * 30):
            with self.subTest(id=odd):
                answer = self.customer("GET", f"/user/order/reminder/{odd}",
                                       self.stack.user_token())
                self.assertEqual(answer.status, 404, answer)

    def test_no_secret_and_no_body_is_in_the_log(self):
        order = self.stack.place_order()
        token = self.stack.user_token()
        self.pay_own(order, token)
        self.pay_own(order, token + "x")
        self.stack.post_webhook(b'{"secret":"dinner"}')
        log = self.stack.logs(lines=10000)
        for secret in (token, token.split(".")[1], "dinner", self.stack.env["WEBHOOK_SECRET"],
                       self.stack.env["JWT_SECRET"]):
            self.assertNotIn(secret, log)


class Notifier(unittest.TestCase):
    """the notifier's own HTTP, auth = none"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def get(self, path, headers=(), method="GET"):
        return request(self.stack.notifier_url + path, method, headers)

    def upgrade(self, path="/ws/till-1", **headers):
        return upgrade(self.stack.notifier_url + path, **headers)

    def test_it_says_that_it_is_alive_and_ready(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.get(path).status, 200)
            head = self.get(path, method="HEAD")
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(self.get(path, method="POST").status, 405)

    def test_the_gauge_of_open_connections_goes_up_and_down(self):
        def is_gauge(n):
            return until(lambda: self.stack.metric("orderbell_connections") == n, 30)

        self.assertTrue(is_gauge(0))
        with PythonTerminal(self.stack.ws_url("a")) as a, \
                PythonTerminal(self.stack.ws_url("b")) as b:
            a.wait_open()
            b.wait_open()
            self.assertTrue(is_gauge(2))
        self.assertTrue(is_gauge(0))

    def test_metrics_are_prometheus_text(self):
        answer = self.get("/metrics")
        self.assertTrue(answer.header("Content-Type").startswith("text/plain; version=0.0.4"))
        names = set()
        for line in answer.body.decode().splitlines():
            if line.startswith("# TYPE "):
                self.assertNotIn(line.split()[2], names)
                names.add(line.split()[2])
            elif not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                float(value)
                family = re.sub(r"_(bucket|sum|count)$", "", name.partition("{")[0])
                self.assertTrue({family, name.partition("{")[0]} & names, name)
        self.assertIn("orderbell_connections", names)

    def test_the_console_is_served_with_its_policy(self):
        for path, content_type in (("/console/", "text/html"), ("/console/console.css", "text/css"),
                                   ("/console/orderbell.js", "javascript"),
                                   ("/console/icon.svg", "image/svg+xml")):
            answer = self.get(path)
            self.assertEqual(answer.status, 200, path)
            self.assertIn(content_type, answer.header("Content-Type"))
            self.assertIn("default-src 'self'", answer.header("Content-Security-Policy"))
            self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff")

    def test_nothing_but_the_consoles_files_is_served(self):
        for path in ("/console/nothing", "/console/../main.c", "/console/%2e%2e/main.c",
                     "/console/..%2fmain.c", "/console//etc/passwd", "/etc/passwd",
                     "/console/index.html/", "/console/console.js%00", "/nothing", "/ws",
                     "/metrics/"):
            with self.subTest(path=path):
                self.assertIn(self.get(path).status, (400, 404))
        self.assertEqual(self.get("/console/..").header("Location"), "/console/")

    def test_the_bare_address_leads_to_the_console(self):
        for path in ("/", "/console"):
            answer = self.get(path)
            self.assertEqual((answer.status, answer.header("Location")), (302, "/console/"))

    def test_auth_none_serves_loopback_names_only(self):
        for host, status in (("localhost", 101), ("127.0.0.1", 101), ("127.3.2.1:99", 101),
                             ("[::1]:8790", 101), ("LOCALHOST:1", 101), ("evil.example", 403),
                             ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403),
                             ("192.0.2.1", 403), ("[::2]", 403), ("0.0.0.0", 403)):
            with self.subTest(host=host):
                self.assertEqual(self.upgrade(Host=host), status)
                self.assertEqual(self.get("/console/", {"Host": host}).status,
                                 200 if status == 101 else 403)

    def test_auth_none_serves_nobody_from_behind_a_proxy(self):
        for forwarded, status in (("127.0.0.1", 101), ("::1", 101), ("192.0.2.1", 403),
                                  ("192.0.2.1, 127.0.0.1", 403), ("127.0.0.1, 192.0.2.1", 403),
                                  ("unknown", 403), ("10.0.0.1", 403), ("127.0.0.1," * 60, 403)):
            with self.subTest(forwarded=forwarded[:40]):
                self.assertEqual(self.upgrade(X_Forwarded_For=forwarded), status)
        self.assertEqual(self.upgrade(X_Real_IP="192.0.2.1"), 403)
        self.assertEqual(self.upgrade(Forwarded="for=192.0.2.1"), 403)
        # As the last of very many headers it counts no less.
        crowd = {f"X{i}": "y" for i in range(70)}
        self.assertIn(self.upgrade(**crowd, X_Forwarded_For="192.0.2.1"), (403, 431, 400))
        self.assertEqual(self.get("/metrics", {"X-Forwarded-For": "192.0.2.1"}).status, 403)

    def test_auth_none_serves_no_foreign_page(self):
        for origin, status in (("http://evil.example", 403), ("null", 403), ("", 403),
                               ("http://localhost:3000", 101), ("http://127.0.0.1", 101),
                               ("http://127.0.0.1.evil.example", 403),
                               ("http://evil.example/?http://localhost", 403)):
            with self.subTest(origin=origin):
                self.assertEqual(self.upgrade(Origin=origin), status)

    def test_auth_none_takes_the_merchant_from_the_address(self):
        for query, status in (("", 101), ("?merchant=2", 101), ("?x=1&merchant=3", 101),
                              ("?merchant=", 401), ("?merchant=0", 401), ("?merchant=-1", 401),
                              ("?merchant=x", 401), ("?merchant=1x", 401),
                              ("?merchant=99999999999999999999", 401)):
            with self.subTest(query=query):
                self.assertEqual(self.upgrade("/ws/till-1" + query), status)


class NotifierWithTokens(unittest.TestCase):
    """the notifier, auth = jwt"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(auth="jwt", settings=("hello_s=2",)).up()
        cls.addClassCleanup(cls.stack.down)

    def open(self, v1=False, hello=None, says_hello=True, query="", **headers):
        terminal = PythonTerminal(self.stack.ws_url("till-1") + query, v1=v1,
                                  headers=headers, hello=hello, says_hello=says_hello)
        self.addCleanup(terminal.close)
        return terminal

    def is_live(self, terminal, merchant=1):
        """It hears of an order of its merchant, and of none of another."""
        if terminal.v1:
            terminal.wait_for(lambda m: "caught_up" in m, "caught_up")
            self.assertEqual(terminal.frames[0].json["merchant"], merchant)
        terminal.wait_open()
        other = self.stack.place_order(merchant=3 - merchant)
        self.stack.pay_by_sql(other)
        for is_last_try in (False, False, True):  # a plain terminal is not told when it is live
            order = self.stack.place_order(merchant=merchant)
            self.stack.pay_by_sql(order)
            try:
                terminal.event_of(order.id, within_s=20 if is_last_try else 2)
                break
            except AssertionError:
                if is_last_try:
                    raise
        self.assertIsNone(terminal.find(lambda m: m.get("orderId") == other.id))

    def bad_tokens(self):
        """[(what is wrong, token)]"""
        now = int(time.time())
        secret, claims = self.stack.env["JWT_SECRET"], {"merchant": 1, "exp": now + 60}
        token = self.stack.merchant_token
        return [
            ("empty", ""), ("a letter", "x"), ("letters", "a.b.c"), ("lengthened", token() + "x"),
            ("expired", token(exp=now - 5)), ("not valid yet", token(nbf=now + 600)),
            ("without an end", jwt(secret, {"merchant": 1})),
            ("with an end that is no number", token(exp=str(now + 60))),
            ("of merchant 0", token(0)), ("of merchant -1", token(-1)),
            ("of merchant x", token("x")), ("of merchant null", token(None)),
            ("of merchant true", token(True)), ("of merchant 2^63", token(2 ** 63)),
            ("of a customer", self.stack.user_token()),
            ("by a key that nobody has", jwt(secret, claims, {"alg": "HS256", "kid": "nobody"})),
            *forged_tokens(secret, claims)]

    def test_a_plain_terminal_proves_itself_by_a_bearer_token(self):
        self.is_live(self.open(Authorization=f"Bearer {self.stack.merchant_token()}"))

    def test_a_plain_terminal_proves_itself_by_the_header_token(self):
        self.is_live(self.open(token=self.stack.merchant_token(2)), merchant=2)

    def test_a_plain_terminal_proves_itself_by_the_cookie_token(self):
        cookie = f"a=b; token={self.stack.merchant_token(2)}; c=d"
        self.is_live(self.open(Cookie=cookie), merchant=2)

    def test_a_v1_terminal_proves_itself_by_its_hello(self):
        self.is_live(self.open(v1=True, hello={"token": self.stack.merchant_token(2)}), merchant=2)

    def test_a_v1_terminal_may_prove_itself_in_the_request(self):
        self.is_live(self.open(v1=True, Authorization=f"Bearer {self.stack.merchant_token()}"))

    def test_the_token_of_the_hello_wins_over_all_others(self):
        self.is_live(self.open(v1=True, hello={"token": self.stack.merchant_token(2)},
                               Authorization=f"Bearer {self.stack.merchant_token(1)}"), merchant=2)

    def test_a_bad_cookie_is_ignored_until_the_hello(self):
        self.is_live(self.open(v1=True, hello={"token": self.stack.merchant_token()},
                               Cookie="token=expired.long.ago"))

    def test_a_plain_terminal_without_a_good_token_is_401(self):
        for what, token in [("none", None), *self.bad_tokens()]:
            with self.subTest(token=what):
                headers = {} if token is None else {"token": token}
                terminal = self.open(**headers)
                terminal.wait_ended()
                self.assertEqual(terminal.status, 401)

    def test_a_token_in_the_query_is_not_looked_at(self):
        token = self.stack.merchant_token()
        terminal = self.open(query=f"?token={token}")
        terminal.wait_ended()
        self.assertEqual(terminal.status, 401)
        with open(os.path.join(self.stack.folder, "log", "notifier-1.log"), encoding="utf-8") as f:
            self.assertNotIn(token, f.read())

    def test_the_merchant_of_the_query_does_not_matter(self):
        self.is_live(self.open(query="?merchant=2", token=self.stack.merchant_token(1)))

    def test_a_hello_with_a_bad_token_is_closed_4401(self):
        for what, token in self.bad_tokens():
            with self.subTest(token=what):
                terminal = self.open(v1=True, hello={"token": token})
                self.assertEqual(terminal.wait_ended(), 4401)
                self.assertEqual(terminal.frames, [])

    def test_a_hello_without_any_token_is_closed_4401(self):
        self.assertEqual(self.open(v1=True).wait_ended(), 4401)

    def test_no_hello_in_time_is_closed_4401(self):
        begun = time.monotonic()
        terminal = self.open(v1=True, says_hello=False)
        terminal.wait_open()
        self.assertEqual(terminal.wait_ended(), 4401)
        self.assertTrue(2 <= time.monotonic() - begun < 9, time.monotonic() - begun)

    def test_a_token_that_ends_closes_its_terminals_4401(self):
        def open_both(token):
            terminals = self.open(v1=True, hello={"token": token}), self.open(token=token)
            for terminal in terminals:
                self.assertTrue(until(lambda t=terminal: t.is_open or t.is_ended, 20))
            return terminals if all(t.status is None for t in terminals) else None

        for terminal in self.before_it_ends(open_both)[0]:
            self.assertEqual(terminal.wait_ended(40), 4401)

    def test_a_later_hello_brings_a_fresh_token(self):
        def open_and_go_on(token):
            terminal = self.open(v1=True, hello={"token": token})
            if until(lambda: terminal.is_ended or terminal.find(lambda m: "caught_up" in m), 20) \
                    and not terminal.is_ended:
                terminal.send(json.dumps({"hello": 1, "token": self.stack.merchant_token()}))
                terminal.wait_until_read()
                return terminal
            return None

        terminal, end = self.before_it_ends(open_and_go_on)
        until(lambda: terminal.is_ended or time.time() > end + 1.5, 40)
        self.assertFalse(terminal.is_ended)
        self.is_live(terminal)

    def before_it_ends(self, do):
        """What do(token) gives, with a token that ends soon, and when that is.  It gives None where it
        took longer."""
        for life_s in (3, 10, 30):
            end = int(time.time()) + life_s
            done = do(self.stack.merchant_token(exp=end))
            if done and time.time() < end:
                return done, end
        raise AssertionError("no token lives long enough")

    def test_a_later_hello_cannot_change_the_merchant(self):
        terminal = self.open(v1=True, hello={"token": self.stack.merchant_token(1)})
        terminal.wait_for(lambda m: "caught_up" in m, "caught_up")
        terminal.send(json.dumps({"hello": 1, "token": self.stack.merchant_token(2)}))
        self.assertEqual(terminal.wait_ended(), 4403)

    def test_a_foreign_page_is_403_even_with_a_token(self):
        terminal = self.open(token=self.stack.merchant_token(), Origin="http://evil.example")
        terminal.wait_ended()
        self.assertEqual(terminal.status, 403)

    def test_any_host_and_any_forwarded_address_may_come(self):
        self.assertEqual(upgrade(self.stack.notifier_url + "/ws/till-1", Host="shop.example",
                                 X_Forwarded_For="192.0.2.7", Origin="https://shop.example",
                                 token=self.stack.merchant_token()), 101)


class Programs(unittest.TestCase):
    """the programs' command lines"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def run_program(self, name, *arguments, **env):
        return subprocess.run([self.stack.env[name], *arguments], capture_output=True, text=True,
                              check=False, timeout=60, env={"PATH": os.environ["PATH"], **env})

    def config(self, text):
        path = os.path.join(self.stack.folder, "test.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def test_a_sample_configuration_passes_its_own_check(self):
        for name in ("BIN_NOTIFIER", "BIN_FCGI_ORDER"):
            sample = self.run_program(name, "--sample-config")
            self.assertEqual(sample.returncode, 0)
            checked = self.run_program(name, "--check-config", "--config",
                                       self.config(sample.stdout), ORDERBELL_AUTH="none")
            self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_a_mistake_is_refused_with_its_file_and_line(self):
        for text, words in (("log_level = info\nlog_levle = debug\n", ("test.conf:2", "log_levle")),
                            ("log_level = loud\n", ("test.conf:1", "log_level", "debug")),
                            ("log_level\n", ("test.conf:1",))):
            for name in ("BIN_NOTIFIER", "BIN_FCGI_ORDER"):
                with self.subTest(name=name, text=text):
                    done = self.run_program(name, "--config", self.config(text), "--check-config")
                    self.assertNotEqual(done.returncode, 0)
                    for word in words:
                        self.assertIn(word, done.stderr)

    def test_the_notifier_without_a_fence_listens_on_loopback_only(self):
        done = self.run_program("BIN_NOTIFIER", "--check-config", "--config",
                                self.config("auth = none\nlisten = 0.0.0.0:8790\n"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("loopback", done.stderr)

    def test_tls_is_refused_with_the_reason(self):
        done = self.run_program("BIN_NOTIFIER", "--check-config", "--config",
                                self.config("auth = none\nlisten = 127.0.0.1:8790s\n"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("TLS", done.stderr)
