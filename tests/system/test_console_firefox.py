"""The merchant's page in Firefox, where the machine has one."""

import shutil
import time
import unittest

import clients
import ear
import pages
from stack import Stack


class Firefox(pages.PageTest):
    """the page in Firefox"""

    listener = None

    @classmethod
    def setUpClass(cls):
        program = next(filter(None, map(shutil.which, clients.FIREFOXES)), None)
        reason = clients.node_modules()[1] or (None if program else "Firefox is not installed")
        if reason is not None:
            raise unittest.SkipTest(reason)
        if ear.why_deaf() is None:
            cls.listener = ear.Ear()
            cls.addClassCleanup(cls.listener.close)
        cls.browser = clients.Browser(script="firefox.mjs", executable=program,
                                      env=cls.listener and cls.listener.env)
        cls.addClassCleanup(cls.browser.program.end)
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def test_an_order_is_seen_heard_and_acknowledged_over_one_connection(self):
        page, second = self.console("?merchant=2"), self.console("?merchant=2")
        page.wait_connected()
        second.wait_connected()
        self.wait_until_they_share([page, second])
        page.click("#start")
        if self.listener is not None:
            page.wait_state("connected")
            self.assertTrue(self.listener.wait_silence(0.7, 30))
        since = time.monotonic()
        order = self.pay(2)
        page.wait_card(order.number)
        second.wait_card(order.number)
        page.click("#cards .strong")
        second.wait_no_card(order.number)
        self.assertIn(order.number, page.day())
        page.reload()
        page.wait_connected()
        self.assertIn(order.number, page.day())
        if self.listener is None:
            self.skipTest(f"all but the sound, which nobody could hear: {ear.why_deaf()}")
        self.assertIsNotNone(self.listener.wait_sound(since, 10))
