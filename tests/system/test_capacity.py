"""Very many terminals, and some that behave badly."""

import resource
import unittest

import loadclient as lc
import processes
from processes import until
from stack import Stack

FEW, MANY = 1000, 5000
SECONDS = 120  # a load client ends after so long, and what it waited for has failed


def why_not_so_many():
    """Why 5,000 terminals cannot be tried here; None when they can."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < MANY + 1000:
        return f"needs {MANY + 1000} open files, the limit is {hard}"
    return None


class Capacity(unittest.TestCase):
    """Many terminals, silent and stuck ones"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(settings=["notifier.slow_s=2"]).up()
        cls.addClassCleanup(cls.stack.down)
        cls.pid = cls.stack.notifier_pid

    def setUp(self):
        lc.wait_until_empty(self.stack.notifier_url)
        lc.ack_all(self.stack.env)

    def load(self, **options):
        load = lc.Load(self.stack.notifier_url, **{"seconds": SECONDS, "merchants": 3, **options})
        self.addCleanup(load.__exit__)
        return load

    def assert_no_harm(self, report):
        """Nobody was turned away, cut off or told something wrong."""
        for key in ("refused", "closes"):
            self.assertEqual(report[key], {}, report)
        for key in ("no_connection", "holes", "repeats", "early", "broken_frames", "unsent"):
            self.assertEqual(report[key], 0, (key, report))

    @unittest.skipIf(why_not_so_many(), why_not_so_many())
    def test_thousands_of_idle_terminals_need_no_thread_and_2_KB_each(self):
        before = lc.threads(self.pid)
        few, more = self.load(v1=True, connections=FEW), None
        self.assert_no_harm(few.ready())
        memory = lc.settled(lambda: lc.pss_bytes(self.pid))
        more = self.load(v1=True, connections=MANY - FEW)
        self.assert_no_harm(more.ready())
        self.assertEqual(lc.metric(self.stack.notifier_url, "orderbell_connections"), MANY)
        self.assertEqual(lc.threads(self.pid), before)
        if processes.is_sanitized(self.pid):
            self.skipTest("a sanitizer's memory is not the program's; the threads were right")
        each = (lc.settled(lambda: lc.pss_bytes(self.pid)) - memory) / (MANY - FEW)
        self.assertLessEqual(each, 2048)
        for load in (few, more):
            self.assert_no_harm(load.end())

    def test_silent_and_dripping_clients_do_not_stop_a_good_handshake(self):
        bad = self.load(silent=400, one_byte=400, drip=400)
        bad.ready()
        # Nearly all of them: each that is let go comes back.
        pending = lc.wait_for_metric(self.stack.notifier_url, "orderbell_gate_pending",
                                     lambda n: n >= 1000)
        self.assertGreaterEqual(pending, 1000)
        # Through eight workers that waited for the others, three seconds each, few would come.
        good = self.load(v1=True, cycles=300, goodbye="close", parallel=1, seconds=60).final()
        self.assertEqual((good["handshakes"], good["cycles"]), (300, 300))
        self.assert_no_harm(good)
        bad.end()

    def test_a_stuck_reader_is_closed_and_the_others_get_everything(self):
        n_events, n_stuck = 300, 5
        stuck = self.load(v1=True, stuck=n_stuck, receive_buffer=4096, merchants=1)
        stuck.ready()
        good = self.load(v1=True, connections=100, events=n_events, merchants=1)
        good.ready()
        lc.publish(self.stack.env, events=n_events, rate=100, bytes=1000)
        seen = good.final()
        self.assertEqual((seen["events_min"], seen["events_max"]), (n_events, n_events))
        self.assert_no_harm(seen)
        lc.wait_until_empty(self.stack.notifier_url)
        self.assertEqual(stuck.end()["stuck_closes"], {"4001": n_stuck})

    def test_two_thousand_comings_and_goings_leave_no_descriptor(self):
        self.load(v1=True, cycles=200).final()
        lc.wait_until_empty(self.stack.notifier_url)
        before = lc.descriptors(self.pid)
        done = self.load(v1=True, cycles=1000).final()
        self.assertEqual(done["cycles"], 1000)
        self.assertEqual(self.load(cycles=1000).final()["cycles"], 1000)
        lc.wait_until_empty(self.stack.notifier_url)
        self.assertTrue(until(lambda: lc.descriptors(self.pid) <= before, 30),
                        f"{before} descriptors before, {lc.descriptors(self.pid)} after")
