"""fcgi-order under FastCGI records that no web server sends, and its return where libfcgi ends it.

Each run has a seed, which it tells when it fails: FUZZ_SEED=N again gives the same streams.  FUZZ_S
is for how many seconds (default 8), FUZZ_STREAMS for how many streams at most (default 3000).
"""

import itertools
import os
import random
import re
import signal
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import fastcgi
import processes
import recordfuzz
from processes import until
from stack import HOSTS, Stack

FUZZ_S = float(os.environ.get("FUZZ_S", "8"))
STREAMS_MAX = int(os.environ.get("FUZZ_STREAMS", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 10 ** 9)
GOOD_EVERY = 25    # streams between two good callbacks
ANSWER_S = 10       # a gateway is answered within, whatever the others do
RETURN_S = 60      # a program that died is back within
GROWTH_KB = 8192   # what the program may grow by once it has seen everything
AWAY = (502, 503)  # what hosts answer for a program that is not there: 502 is nginx's word for it


def fcgi_socket(stack):
    folder = os.path.join(stack.folder, "run")
    names = [name for name in os.listdir(folder) if name.startswith("fcgi-order.sock")]
    return os.path.join(folder, names[0]) if names else os.path.join(folder, "fcgi-order.sock")


def pid_of(stack):
    """The pid of the one fcgi-order, None when there is none now."""
    stack.run("pids", stack.folder)
    stack.read_env()
    pids = stack.env["FCGI_PIDS"].split()
    return int(pids[0]) if pids else None


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Gateway:
    """Sends good callbacks through the front, again and again until each is taken, as gateways do,
    and remembers how long each answer took."""

    def __init__(self, stack):
        self.stack = stack
        self.orders = []
        self.slowest_s = 0
        self.refused = 0

    def pay(self):
        order = self.stack.place_order()
        self.orders.append(order)
        return until(lambda: self.try_once(order), RETURN_S)

    def try_once(self, order):
        started = time.monotonic()
        status = self.stack.pay_by_webhook(order, within_s=30).status
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        if status != 204 and status not in AWAY:
            raise AssertionError(f"a good callback was answered {status}")
        self.refused += status != 204
        return status == 204

    def unpaid_or_doubled(self):
        """Numbers of orders that did not ring exactly once."""
        rung = [order_id for _, _, order_id in self.stack.events()]
        return [order.number for order in self.orders if rung.count(order.id) != 1]


class Fuzz(unittest.TestCase):
    """fcgi-order, given records that no web server sends"""

    def good_request(self, stack):
        """What a web server sends for a callback; of no order, so that it may come again."""
        body = b'{"type":"order.paid","data":{"orderNumber":"fuzz","amount":"38.00"}}'
        headers = stack.sign_webhook(body)
        variables = fastcgi.cgi_variables("POST", "/notify/webhook", headers, body)
        return fastcgi.begin() + fastcgi.params(variables) + fastcgi.stdin(body)

    def fuzz(self, stack, seconds, wild):
        """Throws streams from four threads, good callbacks between; gives how many, and the
        gateway."""
        path, good, gateway = fcgi_socket(stack), self.good_request(stack), Gateway(stack)
        deadline = time.monotonic() + seconds
        numbers = itertools.count()

        def throw_some(_):
            thrown = 0
            while time.monotonic() < deadline and thrown < GOOD_EVERY // 4:
                i = next(numbers)
                recordfuzz.throw(path, recordfuzz.stream(SEED, i, good, wild),
                                 random.Random(f"{SEED}-{i}-end"))
                thrown += 1
            return thrown

        total = 0
        with ThreadPoolExecutor(4) as throwers:
            while time.monotonic() < deadline and total < STREAMS_MAX:
                total += sum(throwers.map(throw_some, range(4)))
                self.assertTrue(gateway.pay(), f"FUZZ_SEED={SEED}: no good callback any more")
        self.assertTrue(gateway.pay(), f"FUZZ_SEED={SEED}: no good callback any more")
        self.assertEqual(gateway.unpaid_or_doubled(), [], f"FUZZ_SEED={SEED}")
        self.assertLess(gateway.slowest_s, ANSWER_S, f"FUZZ_SEED={SEED}")
        return total, gateway

    def test_odd_records_leave_it_running_and_its_memory_flat(self):
        with Stack(host="nginx") as stack:
            pid = pid_of(stack)
            first, _ = self.fuzz(stack, FUZZ_S / 2, wild=False)
            self.assertEqual(pid_of(stack), pid, f"FUZZ_SEED={SEED}: it died\n{stack.logs()}")
            before = rss_kb(pid)
            second, gateway = self.fuzz(stack, FUZZ_S / 2, wild=False)
            self.assertEqual(pid_of(stack), pid, f"FUZZ_SEED={SEED}: it died\n{stack.logs()}")
            if not processes.is_sanitized(pid):
                self.assertLess(rss_kb(pid) - before, GROWTH_KB, f"FUZZ_SEED={SEED}")
            self.assertEqual(gateway.refused, 0)
            self.assertGreater(first + second, 100)

    def test_where_libfcgi_ends_it_nothing_is_lost(self):
        for host in ("nginx", "lighttpd"):
            with self.subTest(host=host), Stack(host=host) as stack:
                self.fuzz(stack, FUZZ_S, wild=True)
                log = stack.logs(lines=100000)
                ends = re.findall(r"keep-running: ended with status (\d+)", log)
                # Each end was libfcgi's own, said before: no memory was overwritten, none by us.
                self.assertEqual(ends, [str(128 + signal.SIGABRT)] * len(ends), SEED)
                self.assertGreaterEqual(log.count("fcgiapp.c:75: Malloc: Assertion"), len(ends))


class Return(unittest.TestCase):
    """a fcgi-order that died is missed for a moment only"""

    def kill(self, stack):
        """By a length that libfcgi ends the process for; where that is mended, by a signal."""
        pid = pid_of(stack)
        process = processes.identify(pid)
        data = fastcgi.begin() + fastcgi.record(
            fastcgi.PARAMS, b"\xff\xff\xff\xfe\x80\x00\x00\x01" + b"x" * 20)
        recordfuzz.throw(fcgi_socket(stack), data, random.Random(1))
        if not until(lambda: not processes.is_alive(process), 1):
            processes.send(pid, signal.SIGABRT)
        return pid

    def test_each_host_says_503_and_not_nothing_until_it_is_back(self):
        for host in HOSTS:
            with self.subTest(host=host), Stack(host=host) as stack:
                gateway = Gateway(stack)
                self.assertTrue(gateway.pay())
                for _ in range(3):
                    died = self.kill(stack)
                    self.assertTrue(gateway.pay(), stack.logs())
                    self.assertNotEqual(pid_of(stack), died)
                self.assertEqual(gateway.unpaid_or_doubled(), [])
                self.assertLess(gateway.slowest_s, ANSWER_S)
