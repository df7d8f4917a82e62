"""The whole path through a pooler, which nobody should put there: it rings all the same."""

import concurrent.futures
import time
import unittest

import processes
from clients import PythonTerminal
from pooler import Pooler, why_no_pooler
from processes import until
from spy import Spy
from stack import Stack

WARNING = "notifications do not arrive, probably there is a pooler in transaction mode"
WITHOUT = "the server does not keep our prepared statements"


@unittest.skipIf(why_no_pooler(), why_no_pooler())
class TransactionMode(unittest.TestCase):
    """pgbouncer in transaction mode before PostgreSQL"""

    @classmethod
    def setUpClass(cls):
        postgres_port = processes.free_port()
        cls.pooler = Pooler(postgres_port).start()
        cls.addClassCleanup(cls.pooler.close)
        cls.stack = Stack(host="nginx", postgres_port=postgres_port, settings=[
            f"notifier.database={cls.pooler.conninfo('notifier')}",
            f"fcgi-order.database={cls.pooler.conninfo('fcgi_order')}",
            "fcgi-order.currency=USD"]).up()
        cls.addClassCleanup(cls.stack.down)
        # What LISTEN, SET and prepared statements were about is another connection soon.
        cls.shaker = concurrent.futures.ThreadPoolExecutor(2)
        cls.is_over = False
        shakes = [cls.shaker.submit(cls.shake) for _ in range(2)]
        cls.addClassCleanup(lambda: [shake.result() for shake in shakes])
        cls.addClassCleanup(lambda: setattr(cls, "is_over", True))

    @classmethod
    def shake(cls):
        while not cls.is_over:
            for user in ("notifier", "fcgi_order"):
                cls.pooler.psql(user, "select pg_sleep(0.01)")

    def terminal(self, name, merchant):
        terminal = PythonTerminal(self.stack.ws_url(name, merchant), v1=True)
        self.addCleanup(terminal.close)
        return terminal.wait_until_live()

    def plain_terminal(self, name, merchant):
        """A NOTIFY cannot tell whether it is live; an order can."""
        terminal = PythonTerminal(self.stack.ws_url(name, merchant))
        self.addCleanup(terminal.close)
        terminal.wait_open()

        def hears():
            self.pay_by_webhook(merchant)
            return until(lambda: terminal.frames, 2)

        self.assertTrue(until(hears, 60))
        terminal.event_of(self.pay_by_webhook(merchant).id)
        terminal.live_from = len(terminal.frames)
        return terminal

    def pay_by_webhook(self, merchant):
        order = self.stack.place_order(merchant=merchant)
        body = self.stack.webhook_body(order, currency="USD")
        headers = self.stack.sign_webhook(body, message_id=f"msg_{order.number}")
        statuses = []

        def is_taken():  # in the end, as a gateway does it: the pooler may keep it waiting
            statuses.append(self.stack.post_webhook(body, headers).status)
            return statuses[-1] == 204

        self.assertTrue(until(is_taken, 60), statuses)
        self.assertLessEqual(set(statuses), {204, 503})
        return order

    def test_every_paid_order_rings_once_and_in_order(self):
        terminals = [self.plain_terminal("plain", 1), self.terminal("v1", 1)]
        before = len(self.stack.events())
        with concurrent.futures.ThreadPoolExecutor(4) as payers:
            list(payers.map(lambda _: self.pay_by_webhook(1), range(40)))
        for _ in range(5):
            last = self.stack.place_order()
            self.stack.pay_by_sql(last)
        for terminal in terminals:
            terminal.event_of(last.id)
            self.assertEqual([(m["seq"], m["type"], m["orderId"]) for m in terminal.heard()],
                             self.stack.events()[before:], terminal)
        self.assertEqual(len(self.stack.events()), before + 45)
        self.assertEqual(self.stack.psql("select count(*) from payment_exception"), "0")

    def test_an_ack_is_durable_and_told_to_the_others(self):
        first, second = self.terminal("till-1", 2), self.terminal("till-2", 2)
        order = self.pay_by_webhook(2)
        seq = first.event_of(order.id)["seq"]
        second.event_of(order.id)
        first.send(f'{{"ack":[{seq}]}}')
        for terminal in (first, second):
            self.assertEqual(terminal.wait_for(lambda m: "acked" in m, "acked"),
                             {"acked": [seq], "by": "till-1"})
        self.assertEqual(self.stack.psql(
            f"select acked_by from order_event where merchant_id = 2 and seq = {seq}"), "till-1")

    def test_who_comes_back_is_told_what_it_missed(self):
        order = self.pay_by_webhook(3)
        terminal = PythonTerminal(self.stack.ws_url("late", 3), v1=True)
        self.addCleanup(terminal.close)
        terminal.event_of(order.id)

    def test_it_says_so_once_and_how_to_do_better(self):
        self.assertTrue(until(lambda: self.stack.metric("orderbell_listener_poll_only") == 1, 60))
        self.assertTrue(self.stack.is_ready())
        log = self.stack.part_log("notifier-1")
        self.assertEqual(log.count(WARNING), 1, log)
        self.assertIn("polling every second", log)
        self.assertIn(WITHOUT, log)
        self.assertIn(WITHOUT, self.stack.part_log("fcgi-order"))
        for part in ("notifier-1", "fcgi-order"):
            self.assertNotIn("failed", self.stack.part_log(part))


@unittest.skipIf(why_no_pooler(), why_no_pooler())
class OtherModes(unittest.TestCase):
    """pgbouncer in session mode, and a change of mode"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def setUp(self):
        self.pooler = Pooler(int(self.stack.env["PGPORT"]))
        self.addCleanup(self.pooler.close)

    def event_comes(self, spy):
        since = len(spy.calls)
        self.stack.psql("select orderbell.notify(1, 1, 'x')")
        spy.wait_for(lambda call: call.get("item") == 1, "the event", since=since)

    def test_in_session_mode_notifications_arrive(self):
        self.pooler.start("session")
        with Spy(self.pooler.conninfo("notifier")) as spy:
            spy.watch(1)
            deadline = time.monotonic() + 4  # the probe's own bounds
            while time.monotonic() < deadline:
                self.event_comes(spy)
            self.assertEqual(spy.logged(WARNING) + spy.logged(WITHOUT), [])

    def test_it_never_runs_what_another_has_prepared_under_the_same_name(self):
        self.pooler.start("transaction")
        with Spy(self.pooler.conninfo("notifier")) as spy:
            spy.watch(1)  # its statements are prepared, in some connection
            prepare = "".join(f"prepare {name} as select 1::bigint, 'wrong'::text, 9::bigint; "
                              for name in ("streams(bigint[])", "alive", "openings(bigint[], bigint)",
                                           "events(bigint[], bigint[], bigint, bigint)"))
            # At the same time, so that all connections have them; one that had them before says so.
            with concurrent.futures.ThreadPoolExecutor(8) as others:
                list(others.map(lambda _: self.pooler.psql(
                    "notifier", f"begin; {prepare}; select pg_sleep(0.5); commit", check=False),
                    range(8)))
            self.event_comes(spy)
            spy.wait_log(WITHOUT)
            self.assertEqual({call["epoch"] for call in spy.calls if "stream" in call},
                             {self.stack.psql("select wire_epoch(epoch) from stream "
                                              "where merchant_id = 1")})
            self.assertEqual(spy.logged("starts anew") + spy.logged("failed"), [])

    def test_where_the_pooler_changes_its_mode_that_is_noticed_with_the_reconnect(self):
        self.pooler.start("transaction")
        with Spy(self.pooler.conninfo("notifier")) as spy:
            spy.watch(1)
            spy.wait_log(WARNING, 60)
            self.event_comes(spy)
            self.pooler.stop()
            self.pooler.start("session")
            spy.wait_log("notifications arrive again", 60)
            self.event_comes(spy)
            self.pooler.stop()
            self.pooler.start("transaction")
            self.assertTrue(until(lambda: len(spy.logged(WARNING)) == 2, 60), spy.log)
            self.event_comes(spy)
