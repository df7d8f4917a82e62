"""The WeChat mini-program of examples/, in miniprogram-simulate with real sockets."""

import os
import shutil
import tempfile
import time
import unittest

import clients
import pages
from stack import TOP, Stack

EXAMPLE = os.path.join(TOP, "examples", "miniprogram")
LIBRARY = os.path.join(TOP, "notifier", "console", "orderbell.js")


class MiniProgram(pages.PageTest):
    """the mini-program"""

    @classmethod
    def setUpClass(cls):
        path, reason = clients.node_modules()
        if reason is None and not os.path.isdir(os.path.join(path, "miniprogram-simulate")):
            reason = "miniprogram-simulate is not installed (./bootstrap deps)"
        if reason is not None:
            raise unittest.SkipTest(reason)
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="orderbell-test.")
        self.addCleanup(folder.cleanup)
        project = os.path.join(folder.name, "miniprogram")
        shutil.copytree(EXAMPLE, project)
        shutil.copy(LIBRARY, os.path.join(project, "lib"))  # as its README says
        self.program = clients.Browser(project, self.stack.ws_url(merchant=2),
                                       script="miniprogram.mjs", executable=None)
        self.addCleanup(self.program.program.end)
        self.wait_for(lambda page: page["state"] == "connected", "connected")

    def wait_for(self, matches, what):
        self.wait_until(lambda: matches(self.program.do("read")), what)
        return self.program.do("read")

    def test_an_order_is_a_card_and_a_voice_until_it_is_seen(self):
        order = self.pay(2)
        text = f"订单号:{order.number}"
        page = self.wait_for(lambda page: text in page["texts"], "the card")
        self.assertEqual(page["played"][-1], "https://shop.example/console/voice-zh-order.mp3")
        self.program.do("tap", text=text)
        self.wait_for(lambda page: text not in page["texts"], "the card gone")
        self.wait_until(lambda: self.acked_by(text, 2) == "mini-1", "acked")

    def test_a_card_has_the_amount_and_what_was_ordered(self):
        order = self.pay_for([{"name": "面", "quantity": 2}, *(f"dish {n}" for n in range(2, 11))], 2,
                             currency="CNY")
        page = self.wait_for(lambda page: f"订单号:{order.number}" in page["texts"], "the card")
        self.assertEqual(page["details"],
                         ["CNY 38.50", "面 × 2", *(f"dish {n}" for n in range(2, 9)), "另有 2 样"])
        self.program.do("tap", text=f"订单号:{order.number}")
        self.wait_for(lambda page: page["details"] == [], "the card gone")

    def test_what_another_terminal_has_seen_is_gone(self):
        self.say("seen elsewhere", 2)
        self.wait_for(lambda page: "seen elsewhere" in page["texts"], "the card")
        self.stack.psql("select ack(2, array(select seq from order_event where merchant_id = 2), 'till-9')")
        self.wait_for(lambda page: "seen elsewhere" not in page["texts"], "the card gone")

    def test_a_connection_that_was_cut_in_the_background_is_made_anew_when_it_is_shown(self):
        self.say("before", 2)
        self.wait_for(lambda page: "before" in page["texts"], "the card")
        self.program.do("hide", awayMs=3100)
        self.say("meanwhile", 2)
        started = time.monotonic()
        self.program.do("show")
        page = self.wait_for(lambda page: "meanwhile" in page["texts"], "what was missed")
        self.assertLess(time.monotonic() - started, 15)  # not by a heartbeat that is missed
        self.assertEqual(page["connections"], 2)
        self.assertEqual(page["texts"].count("before"), 1)
        self.stack.psql("select ack(2, array(select seq from order_event where merchant_id = 2), 'x')")
