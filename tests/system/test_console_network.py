"""The merchant's page where networks, servers and tabs come and go."""

import time

import ear
import pages
from meddler import Meddler
from stack import Stack
from timing import within


class Lost(pages.PageTest):
    """what is lost comes back"""

    @classmethod
    def setUpClass(cls):
        cls.browser = pages.open_browser(cls.addClassCleanup)
        cls.stack = Stack(host="apache", settings=["heartbeat_s=2"]).up()
        cls.addClassCleanup(cls.stack.down)

    def setUp(self):
        self.stack.psql("select ack(1, array(select seq from order_event where acked_at is null), 'x')")

    def wait_all(self, page, orders, within_s=60):
        page.wait(f"document.getElementById('count').textContent === '{len(orders)}'", within_s)
        self.assertEqual(page.waiting(), [order.number for order in reversed(orders)])

    def test_a_network_that_swallows_everything_is_noticed_and_then_all_is_there(self):
        with Meddler(self.stack.web_url) as meddler:
            page = self.on_shift(url=meddler.url)
            orders = [self.pay()]
            self.wait_all(page, orders)
            meddler.cut()
            page.wait_state("offline")
            orders += [self.pay(), self.pay()]
            meddler.mend()
            self.wait_all(page, orders)
            page.wait_state("connected")

    def test_what_was_seen_while_the_network_was_away_is_kept_afterwards(self):
        with Meddler(self.stack.web_url) as meddler:
            page = self.on_shift(url=meddler.url)
            self.say("seen offline")
            page.wait_card("seen offline")
            meddler.cut()
            page.wait_state("offline")
            page.click_card("seen offline")
            page.wait("document.querySelector('#cards .how').textContent.startsWith('Saved later')")
            self.picture(page, "seen-offline")
            meddler.mend()
            page.evaluate("void dispatchEvent(new Event('online'))")
            page.wait_no_card("seen offline")
            self.assertTrue(self.acked_by("seen offline"))

    def test_the_notifier_is_started_again(self):
        page = self.on_shift()
        orders = [self.pay()]
        self.wait_all(page, orders)
        self.stack.restart("notifier")
        orders.append(self.pay())
        self.wait_all(page, orders)
        self.assertEqual(page.wait_connected(), "connected")

    def test_postgresql_is_started_again(self):
        page = self.on_shift()
        self.stack.restart("postgres")
        self.wait_all(page, [self.pay()])

    def test_a_reload_without_a_network_shows_what_was_there(self):
        page = self.on_shift()
        orders = [self.pay(), self.pay()]
        self.wait_all(page, orders)
        page.reload()
        self.wait_all(page, orders)


class Roads(pages.PageTest):
    """where proxies block this and that"""

    @classmethod
    def setUpClass(cls):
        cls.browser = pages.open_browser(cls.addClassCleanup)
        cls.stack = Stack(auth="jwt", settings=["auth=any", "heartbeat_s=2"]).up()
        cls.addClassCleanup(cls.stack.down)

    def setUp(self):
        self.stack.psql("select ack(1, array(select seq from order_event where acked_at is null), 'x')")

    def online(self):
        """What the DBA sees: [[kind, audio]] of the merchant's terminals."""
        return self.stack.rows("select kind, audio from terminals_online where merchant_id = 1")

    def wait_online(self, *wanted):
        self.wait_until(lambda: self.online() == [list(one) for one in wanted], f"{wanted}")

    def comes_online(self, page, kind):
        page.evaluate("void dispatchEvent(new Event('online'))")  # no waiting for the next try
        return [kind, "armed"] in self.online()

    def check(self, page):
        """An order comes once, and once seen is kept."""
        order = self.pay()
        page.wait_card(order.number)
        self.assertEqual(page.waiting().count(order.number), 1)
        page.click_card(order.number)
        page.wait_no_card(order.number)
        self.assertTrue(self.acked_by(f"订单号:{order.number}"))

    def test_without_websockets_it_takes_a_stream_without_streams_it_polls_and_climbs_back(self):
        with Meddler(self.stack.web_url) as meddler:
            meddler.blocks = {"ws"}
            page = self.on_shift(url=meddler.url, fragment=f"#token={self.stack.merchant_token(1)}")
            self.wait_online(("sse", "armed"))
            self.check(page)
            meddler.blocks = {"ws", "events"}
            meddler.drop()
            self.wait_until(lambda: self.comes_online(page, "poll"), "a poll")
            self.check(page)
            meddler.blocks = set()
            self.wait_until(lambda: self.comes_online(page, "v1"), "a WebSocket")
            order = self.pay()
            page.wait_card(order.number)

    def test_on_a_stream_another_terminals_ack_is_heard(self):
        with Meddler(self.stack.web_url) as meddler:
            meddler.blocks = {"ws"}
            page = self.on_shift(url=meddler.url, fragment=f"#token={self.stack.merchant_token(1)}")
            order = self.pay()
            page.wait_card(order.number)
            self.stack.psql(f"select ack(1, array(select seq from order_event where order_id = {order.id}), 'till-9')")
            page.wait_no_card(order.number)

    def test_sql_tells_who_is_deaf_right_now(self):
        page = self.console(fragment=f"#token={self.stack.merchant_token(1)}")
        page.wait_state("muted")
        self.wait_online(("v1", "blocked"))
        page.click("#start")
        self.wait_online(("v1", "armed"))
        page.click("#mute")
        self.wait_online(("v1", "blocked"))
        page.do("close")
        self.wait_online()
        page.do = lambda what, **_: None

    def test_a_link_of_the_dba_opens_it_and_a_revoked_one_says_so(self):
        [[token, link]] = self.stack.rows("select token, link from terminal_add(1, 'kitchen', "
                                          f"'{self.stack.web_url}/console/')")
        page = self.console(url=link.split("/console/")[0], fragment=link[link.index("#"):])
        page.wait_connected()
        self.assertNotIn(token, page.evaluate("location.href"))
        order = self.pay()
        page.wait_card(order.number)
        page.click("#start")
        page.click_card(order.number)
        page.wait_no_card(order.number)
        self.assertEqual(self.acked_by(f"订单号:{order.number}"), "kitchen", "the DBA's name for it")
        self.stack.psql("select terminal_revoke(1, 'kitchen')")
        page.wait_state("refused")
        self.assertEqual(page.text("#banner p"), "Not authorised: open this page by a new link.")


class Tabs(pages.PageTest):
    """several tabs of one window, all but one hidden"""

    listener = None

    @classmethod
    def setUpClass(cls):
        if ear.why_deaf() is None:
            try:
                cls.listener = ear.Ear()
                cls.addClassCleanup(cls.listener.close)
            except (OSError, RuntimeError):
                pass
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def setUp(self):
        self.stack.psql("select ack(1, array(select seq from order_event where acked_at is null), 'x')")
        # Tabs share what is kept: each test has a browser of its own.
        self.browser = pages.open_browser(self.addCleanup, script="tabs.mjs",
                                          env=self.listener and self.listener.env)

    def tab(self):
        page = self.open(self.stack.web_url + "/console/")
        page.wait_connected()
        return page

    def open(self, url):
        page = self.browser.console(url)
        self.addCleanup(page.do, "close")  # twice is no harm
        return page

    def test_three_tabs_have_one_connection_and_one_voice(self):
        tabs = [self.tab(), self.tab(), self.tab()]
        self.wait_until_they_share(tabs)
        tabs[0].click("#start")
        for tab in tabs[1:]:
            tab.wait("document.getElementById('shift').hidden")  # one shift for all
            tab.do("front")
            tab.click("#mute")  # a touch: it may sound too
            tab.wait_state("connected")
        before = [tab.sounded() for tab in tabs]
        order = self.pay()
        for tab in tabs:
            tab.wait_card(order.number)
        tabs[0].wait(f"Number(document.body.dataset.sounded) === {before[0] + 1}")
        self.assertEqual([tab.sounded() for tab in tabs[1:]], before[1:], "one voice")
        # It goes on without the tab that was the voice.
        tabs[0].do("close")
        self.wait_until(lambda: [tab.sounded() for tab in tabs[1:]] != before[1:], "another voice")
        second = self.pay()
        tabs[1].wait_card(second.number)
        tabs[2].click_card(second.number)
        tabs[1].wait_no_card(second.number)
        self.assertEqual(self.stack.metric("orderbell_connections"), 1)

    def test_a_hidden_tab_is_heard(self):
        page = self.tab()
        page.click("#start")
        page.wait_state("connected")
        page.wait("document.body.dataset.sounded === '1'")
        if self.listener:
            self.assertTrue(self.listener.wait_silence(0.5, 30))
        self.open("about:blank#")
        page.wait("document.hidden")
        orders = []

        def seconds_to_sound():
            """From the payment on."""
            orders.append(self.stack.place_order())
            before, since = page.sounded(), time.monotonic()
            self.stack.pay_by_sql(orders[-1])
            page.wait(f"Number(document.body.dataset.sounded) > {before}")
            took_s = [time.monotonic() - since]
            if self.listener is not None:
                at = self.listener.wait_sound(since, 10)
                self.assertIsNotNone(at, "it is not heard")
                took_s.append(at - since)
                self.assertTrue(self.listener.wait_silence(0.5, 30))
            return max(took_s)

        within(1, seconds_to_sound)
        page.wait_card(orders[-1].number)
        self.assertEqual(page.evaluate("[document.title, document.body.dataset.state]"),
                         [f"({len(orders)}) orderbell", "connected"])
        if self.listener is None:
            self.skipTest(f"it began to sound, but nobody could hear it: {ear.why_deaf()}")

    def test_hidden_without_sound_it_says_so_and_tells_later_what_came(self):
        page = self.tab()
        self.open("about:blank#")
        page.wait_state("hidden")
        order = self.pay()
        page.wait_card(order.number)
        self.assertEqual(page.evaluate("document.title"), "🔕 (1) orderbell")
        page.do("front")
        page.wait_state("muted")
        self.assertEqual(page.text("#banner p"), "1 came in while this page was hidden and had no sound.")
        page.click("#again")
        page.wait("document.getElementById('banner').hidden")
