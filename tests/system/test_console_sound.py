"""What the merchant's page lets be heard, by an ear at the sound card's place."""

import os
import signal
import time
import unittest

import clients
import ear
import pages
from stack import Stack
from timing import within

ROUND_S = 3  # between two rounds, as the tests set it
OFFLINE_S = 10  # after which the alarm sounds

listener = None
stack = None


def setUpModule():
    global listener, stack
    reason = clients.why_no_browser() or ear.why_deaf()
    if reason is not None:
        raise unittest.SkipTest(reason)
    try:
        listener = ear.Ear()
    except (OSError, RuntimeError) as error:
        raise unittest.SkipTest(f"no sound server runs here: {error}") from error
    unittest.addModuleCleanup(listener.close)
    pages.PageTest.browser = pages.open_browser(unittest.addModuleCleanup, env=listener.env)
    stack = Stack(settings=["heartbeat_s=2"]).up()
    unittest.addModuleCleanup(stack.down)


class SoundTest(pages.PageTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = stack

    def setUp(self):
        self.stack.psql("select ack(1, array(select seq from order_event where acked_at is null), 'x')")

    def assert_heard(self, since, within_s):
        at = listener.wait_sound(since, within_s)
        self.assertIsNotNone(at, f"no sound within {within_s} s")
        return at - since


class Sound(SoundTest):
    """what can be heard"""

    def quiet_on_shift(self, round_s=ROUND_S):
        """On shift, and the sound of the beginning is over."""
        page = self.on_shift(init="localStorage['orderbell.settings'] ??= "
                                  f"""'{{"repeatS":{round_s}}}'""")
        page.wait("Number(document.body.dataset.sounded) === 1")
        self.assertTrue(listener.wait_silence(0.7, 30))
        return page

    def test_a_paid_order_is_heard_within_a_second(self):
        page = self.quiet_on_shift(60)

        def seconds_to_sound():
            order = self.stack.place_order()
            since = time.monotonic()
            self.assertEqual(self.stack.pay_by_webhook(order).status, 204)
            took_s = self.assert_heard(since, 10)
            page.wait_card(order.number)
            # A chime, and then somebody speaks.
            began = since + took_s
            self.assertTrue(listener.wait_silence(0.7, 30))
            self.assertGreater(time.monotonic() - 0.7 - began, 2.3)
            self.assertGreater(listener.loudness(began + 1.2), 500)
            return took_s

        took_s = within(1, seconds_to_sound)
        print(f"       payment to sound: {took_s * 1000:.0f} ms")

    def test_before_the_click_nothing_is_heard_and_the_page_says_so(self):
        page = self.console()
        page.wait_state("muted")
        since = time.monotonic()
        order = self.pay()
        page.wait_card(order.number)
        self.assertIsNone(listener.wait_sound(since, 1.5))
        self.assertEqual(page.evaluate("document.title"), "🔇 (1) orderbell")
        self.assertEqual(page.sounded(), 0)
        # What waits is heard as soon as it may be.
        since = time.monotonic()
        page.click("#start")
        self.assert_heard(since, 10)

    def test_it_rings_again_louder_each_time_until_it_is_seen(self):
        page = self.quiet_on_shift()
        self.say("pepper")
        page.wait_card("pepper")
        rounds = []
        for _ in range(3):
            since = time.monotonic()
            self.assert_heard(since, ROUND_S + 15)
            self.assertTrue(listener.wait_silence(0.5, 30))
            rounds.append(listener.level(since))
        self.assertGreater(rounds[1], rounds[0] * 1.15, rounds)
        self.assertGreater(rounds[2], rounds[1] * 1.15, rounds)
        page.click_card("pepper")
        self.assertIsNone(listener.wait_sound(time.monotonic() + 0.2, ROUND_S + 1.5))

    def test_seen_at_one_terminal_is_silent_at_the_other_in_the_middle_of_a_word(self):
        page = self.quiet_on_shift(60)
        since = time.monotonic()
        order = self.pay()
        whole_s = self.seconds_of_sound(since)
        self.setUp()
        page.wait_no_card(order.number)

        def seconds_until_cut():
            since = time.monotonic()
            order = self.pay()
            page.wait_card(order.number)
            self.assert_heard(since, 10)
            self.stack.psql("select ack(1, array(select seq from order_event where order_id = "
                            f"{order.id}), 'till-9')")
            page.wait_no_card(order.number)
            return self.seconds_of_sound(since)

        within(whole_s - 0.7, seconds_until_cut)

    def seconds_of_sound(self, since):
        """How long what began behind `since` was heard."""
        began = since + self.assert_heard(since, 10)
        self.assertTrue(listener.wait_silence(0.7, 30))
        return time.monotonic() - 0.7 - began

    def test_many_at_once_are_told_one_after_the_other_and_not_a_hundred_times(self):
        page = self.quiet_on_shift(60)
        self.stack.psql("select notify(1, 3, 'X' || n) from generate_series(1, 100) n")
        self.say("and one more", type_=2)
        page.wait("document.getElementById('count').textContent === '101'")
        self.assertTrue(listener.wait_silence(0.7, 60))
        self.assertIn(page.sounded(), (3, 4), "the first, those behind it, a reminder")

    def test_muted_it_says_so_and_a_click_brings_the_sound_back(self):
        page = self.quiet_on_shift()
        page.click("#mute")
        page.wait_state("muted")
        self.picture(page, "muted")
        since = time.monotonic()
        self.say("quiet please")
        page.wait_card("quiet please")
        self.assertIsNone(listener.wait_sound(since, 1))
        page.click("#again")
        page.wait_state("connected")
        since = time.monotonic()
        self.say("loud please")
        self.assert_heard(since, 10)

    def test_the_test_button_and_the_volume(self):
        page = self.quiet_on_shift()
        loud = []
        for volume in ("1", "0.3"):
            page.click("#open-settings")
            page.do("fill", selector="#volume", value=volume)
            page.evaluate("document.getElementById('volume').dispatchEvent(new Event('change'))")
            since = time.monotonic()
            page.click("#test")
            began = since + self.assert_heard(since, 10)
            self.wait_until(lambda began=began: time.monotonic() > began + 1.2, "the chime")
            loud.append(listener.level(began, began + 1))
            page.press("Escape")
            page.click("#mute")
            page.click("#mute")
            self.assertTrue(listener.wait_silence(0.3, 10))
        self.assertGreater(loud[0], 2 * loud[1], loud)

    def test_a_reload_silences_it_which_it_says_and_any_touch_ends(self):
        page = self.quiet_on_shift()
        page.reload()
        page.wait_state("muted")
        self.assertIn("The browser has silenced this page", page.text("#banner p"))
        self.assertFalse(page.is_shown("#shift"), "the shift goes on")
        self.picture(page, "silenced")
        since = time.monotonic()
        self.say("after the reload")
        page.wait_card("after the reload")
        self.assertIsNone(listener.wait_sound(since, 1))
        page.click("h2")
        page.wait_state("connected")
        self.assert_heard(since, 10)

    def test_a_lost_connection_is_heard_after_10_s_and_then_all_is_caught_up(self):
        page = self.quiet_on_shift()
        os.kill(self.stack.notifier_pid, signal.SIGKILL)
        since = time.monotonic()
        page.wait_state("offline")
        self.assertIsNone(listener.wait_sound(since, OFFLINE_S - 2))
        took_s = self.assert_heard(since, OFFLINE_S + 15)
        self.assertGreater(took_s, OFFLINE_S - 2)
        self.assertEqual(page.evaluate("document.title"), "⚠ orderbell")
        self.picture(page, "offline")
        orders = [self.pay() for _ in range(3)]
        self.stack.restart("notifier")
        self.wait_until(lambda: page.evaluate("dispatchEvent(new Event('online')) && "
                                              "document.body.dataset.state") == "connected",
                        "connected", 60)
        page.wait("document.getElementById('count').textContent === '3'")
        self.assertEqual(page.waiting(), [order.number for order in reversed(orders)])
        # and the alarm is over: what is heard from now on are the orders
        self.assertTrue(listener.wait_silence(1, 30))


class Rearmed(SoundTest):
    """where the browser lets pages sound by themselves"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = pages.open_browser(
            cls.addClassCleanup, "--autoplay-policy=no-user-gesture-required", env=listener.env)

    def test_a_reload_arms_itself_again(self):
        page = self.on_shift()
        page.reload()
        page.wait_state("connected")
        self.assertTrue(listener.wait_silence(0.5, 30))
        since = time.monotonic()
        self.say("by itself")
        self.assert_heard(since, 10)

    def test_the_number_is_read_out_only_by_a_voice_of_the_language(self):
        spoken, tails = [], []
        for language in ("en-US", "de-DE"):
            page = self.console(init=f"""
                window.said = [];
                speechSynthesis.getVoices = () => [{{ lang: "{language}", name: "a voice" }}];
                window.SpeechSynthesisUtterance = class {{ constructor(text) {{ this.text = text; }} }};
                speechSynthesis.speak = (text) => {{ said.push(text.text); setTimeout(text.onend, 50); }};""")
            page.wait_connected()
            page.click("#start")
            page.wait_state("connected")
            order = self.pay()
            page.wait("Number(document.body.dataset.sounded) >= 2")
            self.say("the next one", type_=2)
            page.wait("Number(document.body.dataset.sounded) >= 3")
            spoken.append(page.evaluate("said"))
            tails.append(" ".join(order.number[-4:]))
            self.setUp()
        self.assertEqual(spoken, [[tails[0]], []])
