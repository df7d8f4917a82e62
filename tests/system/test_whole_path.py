"""A paid order rings at every kind of terminal, behind each web server."""

import unittest

import clients
from clients import BrowserTerminal, NodeTerminal, PythonTerminal
from stack import HOSTS, Stack, request

browser = None
why_no_browser = clients.why_no_browser()
why_no_node = clients.node_modules()[1]


def setUpModule():
    global browser
    if why_no_browser is None:
        browser = clients.Browser()


def tearDownModule():
    if browser is not None:
        browser.program.end()


def by_webhook(test, order):
    answer = test.stack.pay_by_webhook(order)
    test.assertEqual((answer.status, answer.body), (204, b""))


def by_psql(test, order):
    test.stack.pay_by_sql(order)


class WholePath:
    """The tests; a class below for each host."""

    host = None
    stack = None

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(host=cls.host).up()
        cls.addClassCleanup(cls.stack.down)
        cls.pairs = {}
        if why_no_node is None:
            cls.open_pair("node", NodeTerminal)
        cls.open_pair("python", PythonTerminal)
        if browser is not None:
            cls.open_pair("browser", lambda url, v1: BrowserTerminal(
                browser, cls.stack.web_url + "/console/", url, v1))

    @classmethod
    def open_pair(cls, name, make):
        """A plain terminal and one of orderbell.v1, both of merchant 1, through the front."""
        cls.pairs[name] = []
        for v1 in (False, True):
            terminal = make(cls.stack.ws_url(f"{name}-{int(v1)}"), v1=v1)
            cls.addClassCleanup(terminal.close)
            terminal.wait_until_live(cls.stack)
            cls.pairs[name].append(terminal)

    def pair(self, name):
        if name == "node" and why_no_node:
            self.skipTest(why_no_node)
        if name == "browser" and why_no_browser:
            self.skipTest(why_no_browser)
        return self.pairs[name]

    def paid_order_reaches(self, name, pay):
        terminals = self.pair(name)
        order = self.stack.place_order()
        pay(self, order)
        for terminal in terminals:
            event = terminal.event_of(order.id)
            self.assertEqual(event["content"], f"订单号:{order.number}", terminal)
            self.assertEqual((event["seq"], 1, order.id), self.stack.events()[-1], terminal)
            self.assertEqual(terminal.subprotocol, "orderbell.v1" if terminal.v1 else None)

    def reminder_reaches(self, name):
        terminals = self.pair(name)
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        answer = self.stack.remind(order)
        self.assertEqual((answer.status, answer.json()),
                         (200, {"code": 1, "msg": None, "data": None}))
        for terminal in terminals:
            event = terminal.event_of(order.id, type_=2)
            self.assertEqual(event["content"], f"订单号:{order.number}", terminal)
            self.assertEqual((event["seq"], 2, order.id), self.stack.events()[-1], terminal)

    def test_an_order_paid_by_a_signed_webhook_reaches_node_ws(self):
        self.paid_order_reaches("node", by_webhook)

    def test_an_order_paid_by_a_signed_webhook_reaches_python_websockets(self):
        self.paid_order_reaches("python", by_webhook)

    def test_an_order_paid_by_a_signed_webhook_reaches_chromium(self):
        self.paid_order_reaches("browser", by_webhook)

    def test_an_order_paid_by_an_update_in_psql_reaches_node_ws(self):
        self.paid_order_reaches("node", by_psql)

    def test_an_order_paid_by_an_update_in_psql_reaches_python_websockets(self):
        self.paid_order_reaches("python", by_psql)

    def test_an_order_paid_by_an_update_in_psql_reaches_chromium(self):
        self.paid_order_reaches("browser", by_psql)

    def test_a_reminder_reaches_node_ws(self):
        self.reminder_reaches("node")

    def test_a_reminder_reaches_python_websockets(self):
        self.reminder_reaches("python")

    def test_a_reminder_reaches_chromium(self):
        self.reminder_reaches("browser")

    def test_the_merchants_page_shows_and_sounds_it(self):
        if why_no_browser:
            self.skipTest(why_no_browser)
        with browser.console(self.stack.web_url + "/console/?merchant=2",
                             context={"locale": "en-GB"}) as page:
            page.wait_connected()
            page.click("#start")
            page.wait_state("connected")
            for pay in (by_webhook, by_psql):
                order = self.stack.place_order(merchant=2)
                pay(self, order)
                card = page.wait_card(order.number)
                self.assertEqual((card["kind"], card["title"]), ("1", "New order"))
            page.wait("Number(document.body.dataset.sounded) >= 2")  # the first: on shift
            self.stack.remind(order)
            page.wait("document.querySelectorAll('#cards > li[data-kind=\"2\"]').length === 1")
            self.assertEqual(page.cards()[0]["title"], "Reminder")

    def test_what_fcgi_order_refuses_comes_through_as_it_said(self):
        for method, path, headers, body, status, message in (
                ("GET", "/notify/webhook", {}, None, 405, "allowed: POST"),
                ("POST", "/notify/nobody", {}, b"{}", 404, "there is nothing here"),
                ("POST", "/notify/webhook", {}, b"{}", 401,
                 "the headers webhook-id, webhook-timestamp and webhook-signature are needed"),
                ("POST", "/notify/webhook", {}, b"x" * 65537, 413,
                 "the body is longer than 65536 bytes")):
            with self.subTest(method=method, path=path, status=status):
                answer = request(self.stack.web_url + path, method, headers, body)
                self.assertEqual((answer.status, answer.json()),
                                 (status, {"code": "FAIL", "message": message}))

    def test_a_refused_token_is_an_empty_401(self):
        order = self.stack.place_order()
        answer = request(f"{self.stack.web_url}/user/order/reminder/{order.id}", "GET",
                         {"authentication": "nonsense"})
        self.assertEqual((answer.status, answer.body), (401, b""))


for host in HOSTS:
    name = "Behind" + host.title().replace("-", "")
    globals()[name] = type(name, (WholePath, unittest.TestCase),
                           {"host": host, "__doc__": f"behind {host}", "__module__": __name__})
