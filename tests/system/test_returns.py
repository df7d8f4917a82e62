"""A notifier ends under load, and its terminals come back."""

import contextlib
import json
import os
import signal
import subprocess
import unittest

import loadclient as lc
from clients import PythonTerminal
from processes import until
from stack import Stack

TERMINALS, MERCHANTS, EVENTS_EACH = 200, 3, 60
SECONDS = 120  # the load client ends after so long, and what it waited for has failed


class Returns(unittest.TestCase):
    """The load client's terminals, which come back by themselves"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(settings=["notifier.drain_s=1"]).up()
        cls.addClassCleanup(cls.stack.down)

    def they_have_all_after(self, end):
        """end() ends the notifier while orders come in; it is started again."""
        lc.ack_all(self.stack.env)
        load = lc.Load(self.stack.notifier_url, v1=True, resume=True, connections=TERMINALS,
                       merchants=MERCHANTS, events=EVENTS_EACH, seconds=SECONDS)
        self.addCleanup(load.__exit__)
        load.ready()
        publish = lc.start_publish(self.stack.env, events=EVENTS_EACH * MERCHANTS, rate=60,
                                   merchants=MERCHANTS)
        self.addCleanup(publish.stdout.close)
        self.addCleanup(publish.wait)
        until(lambda: lc.metric(self.stack.notifier_url, "orderbell_deliveries_total") > 0, 30)
        end()
        self.stack.restart("notifier-1")
        seen = load.final()
        self.assertEqual((seen["events_min"], seen["events_max"]), (EVENTS_EACH, EVENTS_EACH),
                         seen)
        for key in ("holes", "repeats", "disorders", "early", "unrecovered", "broken_frames"):
            self.assertEqual(seen[key], 0, (key, seen))
        # It ends when each has every event: the last ones may not have read their caught_up yet.
        self.assertGreater(seen["recovery_ms"]["n"], TERMINALS * 0.9)
        return seen["closes"]

    def test_after_a_kill_each_has_every_event_once_and_in_order(self):
        closes = self.they_have_all_after(
            lambda: os.kill(self.stack.notifier_pid, signal.SIGKILL))
        self.assertGreaterEqual(closes["1006"], TERMINALS)

    def test_after_a_drain_too_and_each_was_told_to_come_back(self):
        closes = self.they_have_all_after(lambda: None)
        self.assertGreaterEqual(closes["4003"], TERMINALS)

    @contextlib.contextmanager
    def nobody_can_read(self, table):
        """Whoever reads or writes the table waits."""
        with subprocess.Popen(["psql", "-X", "-q", "-A", "-t"], stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE, env=lc.database_of(self.stack.env)) as dba:
            dba.stdin.write(f"begin; lock table {table} in access exclusive mode;"
                            " select 'locked';\n")
            dba.stdin.flush()
            self.assertEqual(dba.stdout.readline().strip(), "locked")
            yield
            dba.stdin.close()

    def test_one_that_comes_while_another_is_there_need_not_wait_for_the_database(self):
        def come(**hello):
            return PythonTerminal(self.stack.ws_url("till", direct=True), v1=True, hello=hello)

        lc.ack_all(self.stack.env)
        with come() as first, come() as other:  # one in each of the notifier's two loops
            first.wait_until_live()
            other.wait_until_live()
            orders = [self.stack.place_order() for _ in range(3)]
            for order in orders:
                self.stack.pay_by_sql(order)
            acked, seen, missed = (first.event_of(order.id) for order in orders)
            first.send(json.dumps({"ack": [acked["seq"]]}))
            for terminal in (first, other):
                terminal.wait_for(lambda m: m.get("acked") == [acked["seq"]], "acked")
            with self.nobody_can_read("orderbell.order_event"), \
                    come(after={"epoch": seen["epoch"], "seq": seen["seq"]}) as second:
                second.wait_until_live(within_s=20)
                welcome, event = (frame.json for frame in second.frames[:2])
                self.assertIs(welcome["recovered"], True)
                self.assertEqual(welcome["open"][-1], seen["seq"])
                self.assertNotIn(acked["seq"], welcome["open"])
                self.assertEqual(event, missed)
