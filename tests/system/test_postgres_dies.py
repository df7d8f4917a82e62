"""PostgreSQL is killed and comes back."""

import os
import signal
import subprocess
import threading
import time
import unittest

from clients import PythonTerminal
from processes import until
from stack import Stack, request

ANSWER_S = 5  # no gateway waits longer
BACK_S = 60


class PostgresDies(unittest.TestCase):
    """kill -9 of PostgreSQL"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def setUp(self):
        if not self.stack.is_ready():  # as a test that failed has left it
            self.comes_back()
        self.merchant = int(self.stack.psql(
            "insert into merchant (name) values ('of a test') returning id"))
        self.terminals = [self.open(PythonTerminal(self.stack.ws_url("plain", self.merchant))),
                          self.open(PythonTerminal(self.stack.ws_url("v1", self.merchant), v1=True))]
        self.first = self.place_order()
        self.pay_until_taken(self.first)
        for terminal in self.terminals:
            terminal.event_of(self.first.id)

    def open(self, terminal):
        self.addCleanup(terminal.close)
        return terminal.wait_until_live(self.stack)

    def place_order(self):
        return self.stack.place_order(self.merchant)

    def pay_until_taken(self, order):
        """As a gateway does: again and again, until it is a 204."""
        statuses = []

        def is_taken():
            statuses.append(self.stack.pay_by_webhook(order).status)
            return statuses[-1] == 204

        self.assertTrue(until(is_taken, BACK_S), statuses)
        self.assertLessEqual(set(statuses), {204, 503})

    def comes_back(self):
        self.stack.restart("postgres")
        self.assertTrue(until(self.stack.is_ready, BACK_S), "the notifier does not listen again")

    def heard_exactly_what_was_committed(self):
        """Every terminal has each event of the table once and in order, and no other."""
        last = self.place_order()
        self.pay_until_taken(last)
        expected = self.stack.events(self.merchant)
        for terminal in self.terminals:
            terminal.event_of(last.id)
            heard = [(m["seq"], m["type"], m["orderId"]) for m in terminal.heard()]
            self.assertEqual(heard, expected, terminal)
            self.assertFalse(terminal.is_ended, terminal)

    def test_callbacks_get_503_within_5_s_and_terminals_stay(self):
        order = self.place_order()
        self.stack.kill_postgres()
        for _ in range(12):  # more than there are threads, so that each meets its dead connection
            started = time.monotonic()
            self.assertEqual(self.stack.pay_by_webhook(order).status, 503)
            self.assertLess(time.monotonic() - started, ANSWER_S)
        self.assertEqual(self.stack.remind(self.first).status, 503)
        self.assertEqual(request(self.stack.notifier_url + "/healthz").status, 200)
        self.assertTrue(until(lambda: not self.stack.is_ready(), BACK_S))
        self.assertEqual(request(self.stack.notifier_url + "/readyz").status, 503)
        self.assertTrue(until(lambda: self.stack.metric("orderbell_connections") == 2, BACK_S))
        self.comes_back()
        self.heard_exactly_what_was_committed()

    def test_what_was_open_at_the_death_is_never_rung(self):
        order = self.place_order()
        env = {**os.environ, **{k: v for k, v in self.stack.env.items() if k.startswith("PG")}}
        # The event exists, unnumbered, when PostgreSQL dies.
        with subprocess.Popen(["psql", "-X", "-q", "-A", "-t"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              env=env) as psql:
            psql.stdin.write(f"begin; update orders set pay_status = 1 where id = {order.id};\n"
                             "select 'written';\n")
            psql.stdin.flush()
            self.assertEqual(psql.stdout.readline(), "written\n")
            self.stack.kill_postgres()
            psql.stdin.close()
        self.comes_back()
        self.heard_exactly_what_was_committed()
        self.assertNotIn(order.id, [order_id for _, _, order_id in self.stack.events(self.merchant)])

    def test_what_was_committed_unheard_is_delivered_after_the_return(self):
        pid = self.stack.notifier_pid
        os.kill(pid, signal.SIGSTOP)  # it hears neither the bell nor the death
        try:
            orders = [self.place_order() for _ in range(20)]
            for order in orders:
                self.stack.pay_by_sql(order)
            self.stack.kill_postgres()
            self.stack.restart("postgres")
        finally:
            os.kill(pid, signal.SIGCONT)
        for terminal in self.terminals:
            terminal.event_of(orders[-1].id, within_s=BACK_S)
        self.heard_exactly_what_was_committed()

    def test_of_a_burst_it_dies_in_exactly_what_was_committed_is_heard(self):
        answers = []

        def pay_many():
            for _ in range(100):
                try:
                    order = self.place_order()
                    answers.append((order.id, self.stack.pay_by_webhook(order).status))
                except Exception:  # psql has lost its server: the burst is over
                    return

        payers = [threading.Thread(target=pay_many) for _ in range(3)]
        for payer in payers:
            payer.start()
        until(lambda: len(answers) >= 15, 20)
        self.stack.kill_postgres()
        for payer in payers:
            payer.join()
        self.comes_back()
        self.heard_exactly_what_was_committed()
        # A gateway that was told 204 never comes again.
        rung = {order_id for _, _, order_id in self.stack.events(self.merchant)}
        self.assertLessEqual({order_id for order_id, status in answers if status == 204}, rung)

    def test_it_may_die_again_and_again(self):
        for _ in range(3):
            self.stack.kill_postgres()
            self.comes_back()
        self.heard_exactly_what_was_committed()

    def test_a_terminal_that_comes_meanwhile_is_live_after_the_return(self):
        self.stack.kill_postgres()
        self.assertTrue(until(lambda: not self.stack.is_ready(), BACK_S))
        late = PythonTerminal(self.stack.ws_url("late", merchant=2), v1=True)
        self.addCleanup(late.close)
        late.wait_open()
        self.comes_back()
        late.wait_until_live(within_s=BACK_S)
        order = self.stack.place_order(merchant=2)
        self.pay_until_taken(order)
        late.event_of(order.id)

    def test_a_restart_in_good_order_is_the_same(self):
        self.stack.restart("postgres")
        self.assertTrue(until(self.stack.is_ready, BACK_S))
        self.heard_exactly_what_was_committed()

    def test_the_backend_of_the_listener_may_be_terminated(self):
        self.stack.psql("select pg_terminate_backend(pid) from pg_stat_activity "
                        "where usename in ('notifier', 'fcgi_order')")
        self.heard_exactly_what_was_committed()
