"""A flood of what is wrong: nobody is harmed by it, and nothing is left of it."""

import os
import socket
import struct
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import loadclient as lc
from clients import PythonTerminal
from malice import Malice
from processes import until
from rawws import Raw, handshake
from stack import Stack

REQUESTS = FRAMES = 10000
WARM_UP = 5000  # of each, before memory is looked at
AT_ONCE = 32
SEED = 20261122
WITHIN_S = 40       # for the server to end what it does not want
PATIENCE_S = 15     # for a good client


class Flood(unittest.TestCase):
    """20,000 malformed requests and frames"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)
        cls.url = cls.stack.notifier_url
        cls.pid = cls.stack.notifier_pid

    # --- the bad ones ---

    def end(self, raw, just_goes):
        """How a client goes: it says that this was all and waits for the server, or just goes."""
        if just_goes:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        raw.socket.shutdown(socket.SHUT_WR)
        while raw.socket.recv(65536):
            pass

    def attack(self, n, upgrades):
        """One malicious client.  Gives what has gone wrong with the server, or None."""
        malice = Malice(SEED + n)
        bad = malice.frames() if upgrades else malice.request()
        try:
            with Raw(self.url, within_s=WITHIN_S) as raw:
                if upgrades:
                    protocol = {"Sec_WebSocket_Protocol": "orderbell.v1"} if n % 2 else {}
                    raw.send(handshake(**protocol))
                    if raw.head().status != 101:
                        return f"{n}: a good handshake was refused"
                raw.send(bad)
                # One that never ends its request is let go after 3 s: a few will do.
                is_half = not upgrades and b"\r\n\r\n" not in bad and b"\n\n" not in bad
                self.end(raw, just_goes=n % 100 if is_half else n % 4 == 0)
        except TimeoutError:
            return f"{n}: the connection stays open after {bad[:200]!r}"
        except OSError:
            pass  # it was ended before all was said
        return None

    def flood(self, first, n_requests, n_frames):
        """Gives what has gone wrong."""
        numbers = range(first, first + n_requests + n_frames)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = pool.map(lambda n: self.attack(n, n % (n_requests + n_frames) < n_frames),
                            numbers)
        return [wrong for wrong in done if wrong]

    # --- the good ones ---

    def come_and_go(self, stop, took):
        """Good terminals, one after the other: how long each waits until it is live."""
        while not stop.is_set():
            started = time.monotonic()
            with Raw.open(self.url, Sec_WebSocket_Protocol="orderbell.v1") as raw:
                raw.say_hello()
            took.append(time.monotonic() - started)
            stop.wait(0.05)

    def pay(self, stop, orders):
        while not stop.is_set():
            order = self.stack.place_order()
            self.stack.pay_by_sql(order)
            orders.append(order.id)
            stop.wait(0.3)

    def is_sanitized(self):
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as f:
            return any("libasan" in line or "libtsan" in line for line in f)

    def settled_memory(self):
        lc.wait_until_empty(self.url)
        return lc.settled(lambda: lc.pss_bytes(self.pid, "Pss_Anon"))

    def test_it_harms_nobody_and_leaves_nothing_behind(self):
        with PythonTerminal(self.stack.ws_url("early", direct=True), v1=True) as early:
            early.wait_until_live()  # by then every part has its database session
        self.assertEqual(self.flood(0, WARM_UP, WARM_UP), [])
        memory, files = self.settled_memory(), lc.descriptors(self.pid)
        threads = lc.threads(self.pid)
        refused = self.refused()

        stop, took, orders = threading.Event(), [], []
        till = PythonTerminal(self.stack.ws_url("till", direct=True), v1=True).wait_until_live()
        with ThreadPoolExecutor(2) as good:
            busy = [good.submit(self.come_and_go, stop, took), good.submit(self.pay, stop, orders)]
            try:
                wrong = self.flood(2 * WARM_UP, REQUESTS, FRAMES)
            finally:
                stop.set()
            for task in busy:
                task.result()

        self.assertEqual(wrong, [])
        self.assertEqual(self.stack.notifier_pid, self.pid)
        self.assertTrue(os.path.exists(f"/proc/{self.pid}"))
        # Good clients were served all the while: who came, and who was there.
        self.assertGreater(len(took), 10)
        self.assertLess(max(took), PATIENCE_S)
        self.assertGreater(len(orders), 3)
        till.event_of(orders[-1])
        self.assertEqual([m["orderId"] for m in till.heard() if m["type"] == 1], orders)
        till.close()
        # Each of the bad ones was noticed, but for those that went before they had said anything.
        self.assertGreater(self.refused() - refused, (REQUESTS + FRAMES) / 2)
        # Nothing is left.
        self.assertTrue(until(lambda: lc.descriptors(self.pid) <= files, 30))
        self.assertEqual(lc.threads(self.pid), threads)
        if self.is_sanitized():
            return  # a sanitizer's memory is not the program's; it tells of leaks at the end
        after = self.settled_memory()
        if after > memory * 1.05 + 64 * 1024:
            # An allocator may take a few pages more, once; a leak goes on.
            self.flood(2 * WARM_UP + REQUESTS + FRAMES, REQUESTS, FRAMES)
            self.assertLess(self.settled_memory(), after * 1.05 + 64 * 1024)

    def refused(self):
        """All refusals, and closes that a client's frames have earned."""
        return sum(self.stack.metric(name) for name in (
            *(f'orderbell_refusals_total{{reason="{reason}"}}'
              for reason in ("bad_request", "unauthorized", "forbidden", "not_found")),
            *(f'orderbell_closed_total{{reason="{reason}"}}'
              for reason in ("websocket_protocol", "bad_protocol")),
            *(f'orderbell_gate_dropped_total{{reason="{reason}"}}'
              for reason in ("timeout", "header_too_long"))))
