"""Behind each web server with TLS, by HTTP/1.1 and HTTP/2: page, terminals, callbacks."""

import os
import re
import signal
import unittest

import http2
import secure
from processes import until
from stack import HOSTS, Stack, request

CLIENT = "127.0.0.9"  # not the address that the web server itself comes from
# Debian 12's own: the others say by a setting whether they take WebSockets over HTTP/2.
WITHOUT_WEBSOCKETS = ("nginx",)


class Tls:
    """The tests; a class below for each host."""

    host = None

    @classmethod
    def setUpClass(cls):
        if http2.why_not:
            raise unittest.SkipTest(http2.why_not)
        cls.stack = Stack(host=cls.host, tls=True).up()
        cls.addClassCleanup(cls.stack.down)

    def h2(self, source="127.0.0.1"):
        connection = http2.Connection(self.stack.web_url, self.stack.env["WEB_CA"], source)
        self.addCleanup(connection.close)
        return connection

    def rings(self, kind):
        terminal = kind(self.stack, "till-1")
        self.addCleanup(terminal.close)
        secure.until(terminal, lambda m: "caught_up" in m)
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        event = secure.until(terminal, lambda m: m.get("orderId") == order.id)
        self.assertEqual(event["content"], f"订单号:{order.number}")

    def test_the_page_comes_by_both(self):
        answer = request(self.stack.web_url + "/console/")
        self.assertEqual(answer.status, 200)
        status, headers, body = self.h2().request("GET", "/console/")
        self.assertEqual((status, body), (200, answer.body))
        self.assertEqual(headers["content-type"], answer.header("Content-Type"))

    def test_who_trusts_another_authority_gets_nowhere(self):
        import ssl
        with self.assertRaises(ssl.SSLCertVerificationError):
            import urllib.request
            try:
                urllib.request.urlopen(self.stack.web_url + "/console/", timeout=10)
            except OSError as error:
                raise getattr(error, "reason", error)

    def test_a_websocket_rings_over_http_1(self):
        self.rings(secure.Socket1)

    def test_a_websocket_rings_over_http_2_where_the_server_does_it(self):
        does_it = self.h2().takes_websockets()
        self.assertEqual(does_it, self.host not in WITHOUT_WEBSOCKETS)
        if not does_it:
            self.skipTest(f"{self.host} takes no WebSockets over HTTP/2: browsers use HTTP/1.1")
        self.rings(secure.Socket2)

    def test_a_stream_rings_over_http_1(self):
        self.rings(secure.Stream1)

    def test_a_stream_rings_over_http_2(self):
        self.rings(secure.Stream2)

    def test_polls_and_acks_go_over_http_2(self):
        order = self.stack.place_order(merchant=2)
        self.stack.pay_by_sql(order)
        connection = self.h2()
        status, headers, body = connection.request("GET", "/poll/till-2?merchant=2")
        self.assertEqual(status, 200, body)
        self.assertIn(f'"orderId":{order.id}'.encode(), body.replace(b" ", b""))
        seq = headers["orderbell-cursor"].rpartition(":")[2]
        status, _, body = connection.request(
            "POST", "/ack/till-2?merchant=2", {"Content-Type": "application/json"},
            f'{{"ack":[{seq}]}}'.encode())
        self.assertEqual((status, body), (200, f'{{"acked":[{seq}]}}'.encode()))

    def test_callbacks_pay_over_both(self):
        order = self.stack.place_order()
        answer = self.stack.pay_by_webhook(order)
        self.assertEqual(answer.status, 204, answer)
        order = self.stack.place_order()
        body = self.stack.webhook_body(order)
        status, _, said = self.h2().request(
            "POST", "/notify/webhook", self.stack.sign_webhook(body, f"msg_{order.number}"), body)
        self.assertEqual(status, 204, said)
        paid = self.stack.psql(f"select pay_status from orders where id = {order.id}")
        self.assertEqual(paid, "1")

    def test_the_real_address_of_who_is_refused_is_in_both_logs(self):
        connection = self.h2(source=CLIENT)
        status, _, _ = connection.request("GET", "/poll/")
        self.assertEqual(status, 404)
        status, _, _ = connection.request("POST", "/notify/webhook", {}, b"{}")
        self.assertEqual(status, 401)
        self.assertTrue(until(lambda: re.search(
            f"refused: status=404 client={CLIENT} ", self.stack.part_log("notifier-1")), 30),
            self.stack.part_log("notifier-1"))
        self.assertTrue(until(lambda: re.search(
            f"callback refused: .* client={CLIENT} ", self.fcgi_log()), 30), self.fcgi_log())

    def fcgi_log(self):
        return "".join(self.stack.part_log(part) for part in ("fcgi-order", "web")
                       if self.has_log(part))

    def has_log(self, part):
        try:
            self.stack.part_log(part)
        except FileNotFoundError:
            return False
        return True


class ApacheIsReloaded(unittest.TestCase):
    """apache, that reads its settings anew while terminals are open."""

    RELOADS = 6  # more than Apache's ServerLimit of the tests, but for the example's

    def setUp(self):
        if http2.why_not:
            self.skipTest(http2.why_not)
        self.stack = Stack(host="apache", tls=True).up()
        self.addCleanup(self.stack.down)
        self.terminals = []

    def open_terminals(self):
        """One of each kind.  Raises where it is not let in."""
        for kind, make in secure.KINDS.items():
            terminal = make(self.stack, f"till-{len(self.terminals)}")
            self.addCleanup(terminal.close)
            self.terminals.append((f"{kind}, after {len(self.terminals) // 4} reloads", terminal))
            secure.until(terminal, lambda m: "caught_up" in m)

    def reload(self):
        def times():
            return self.stack.part_log("web").count("resuming normal operations")
        before = times()
        os.kill(int(self.stack.env["WEB_PID"]), signal.SIGUSR1)
        self.assertTrue(until(lambda: times() > before, secure.WITHIN_S))

    def test_nobody_is_dropped_and_nobody_shut_out(self):
        self.open_terminals()
        for _ in range(self.RELOADS):
            self.reload()
            self.open_terminals()
        order = self.stack.place_order()
        answer = self.stack.pay_by_webhook(order)
        self.assertEqual(answer.status, 204, answer)
        for name, terminal in self.terminals:
            with self.subTest(name):
                secure.until(terminal, lambda m: m.get("orderId") == order.id)


for _host in HOSTS:
    globals()[f"Behind_{_host}"] = type(
        f"Behind_{_host}", (Tls, unittest.TestCase),
        {"host": _host, "__doc__": f"{_host}, with TLS."})


if __name__ == "__main__":
    unittest.main()
