"""Terminals behind each web server with TLS that sit idle for longer than its time-outs.

A long one, ./bootstrap idle [SECONDS]: all web servers at once, each with terminals of all kinds.
Nothing but heartbeats goes to them; none may be dropped, and afterwards an order rings at each.
"""

import os
import time
import unittest

import http2
import secure
from stack import HOSTS, Stack

# Longer than twice the longest: lighttpd 60 s (max-read-idle; 360 s write), nginx and HAProxy 90 s
# and Apache 90 s as the examples say, where their own defaults are 60 s and none.
IDLE_S = int(os.environ.get("IDLE_S", "200"))


class Idle(unittest.TestCase):
    """All web servers, all kinds of terminals."""

    def setUp(self):
        if http2.why_not:
            self.skipTest(http2.why_not)

    def test_nobody_is_dropped_and_all_hear_the_next_order(self):
        stacks, terminals, left_out = [], [], []
        for host in HOSTS:
            stack = Stack(host=host, tls=True).up()
            self.addCleanup(stack.down)
            stacks.append(stack)
            for kind, make in secure.KINDS.items():
                try:
                    terminal = make(stack, "till-" + str(len(terminals)))
                except OSError as why:
                    left_out.append(f"{host}: {kind}: {why}")
                    continue
                self.addCleanup(terminal.close)
                secure.until(terminal, lambda m: "caught_up" in m)
                terminals.append((f"{host}: {kind}", stack, terminal))
        self.assertEqual(len(left_out), 1, left_out)  # nginx: see test_tls.py
        before = [stack.metric("orderbell_closed_total{reason=\"client\"}") for stack in stacks]
        print(f"  {len(terminals)} terminals sit idle for {IDLE_S} s", flush=True)
        deadline = time.monotonic() + IDLE_S
        while time.monotonic() < deadline:
            for name, _, terminal in terminals:
                self.hear_nothing(name, terminal, deadline)
        after = [stack.metric("orderbell_closed_total{reason=\"client\"}") for stack in stacks]
        self.assertEqual(after, before, "somebody was dropped")
        for stack in stacks:
            order = stack.place_order()
            stack.pay_by_sql(order)
            for name, of, terminal in terminals:
                if of is stack:
                    with self.subTest(terminal=name):
                        secure.until(terminal, lambda m, o=order: m.get("orderId") == o.id)

    def hear_nothing(self, name, terminal, deadline):
        """What comes in the next second, if anything, is a heartbeat."""
        import queue
        try:
            message = terminal.next(min(1, max(0.01, deadline - time.monotonic())))
        except queue.Empty:
            return
        except ConnectionError as error:
            self.fail(f"{name} was dropped: {error}")
        self.assertEqual(message, {"heartbeat": 1}, name)


if __name__ == "__main__":
    unittest.main()
