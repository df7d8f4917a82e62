"""The merchant's page, in headless Chromium."""

import os
import unittest

import clients
from stack import Stack

browser = None
why_no_browser = clients.why_no_browser()

NASTY = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> 面条 😀"


def setUpModule():
    global browser
    if why_no_browser is not None:
        raise unittest.SkipTest(why_no_browser)
    browser = clients.Browser()
    unittest.addModuleCleanup(browser.program.end)


class Page(unittest.TestCase):
    def console(self, query="", locale="en-GB", fragment=""):
        page = browser.console(f"{self.stack.web_url}/console/{query}{fragment}", locale=locale)
        self.addCleanup(page.__exit__)
        return page

    def picture(self, page, name):
        """Where pictures are asked for (PICTURES=DIR), what the page looks like now."""
        if os.environ.get("PICTURES"):
            page.screenshot(os.path.join(os.environ["PICTURES"], name + ".png"))

    def text(self, page, selector):
        return page.evaluate(f"document.querySelector('{selector}').textContent")

    def is_shown(self, page, selector):
        return page.evaluate(f"document.querySelector('{selector}').checkVisibility()")


class ConsoleOpen(Page):
    """the page, auth = none"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(notifiers=1).up()
        cls.addClassCleanup(cls.stack.down)

    def test_it_says_that_sound_is_off_until_the_shift_is_started(self):
        page = self.console()
        page.wait_state("connected")
        self.assertEqual(self.text(page, "#sound"), "Sound is off: press “Start shift”")
        self.picture(page, "sound-off")
        page.click("#start")
        page.wait("document.getElementById('sound').dataset.sound === 'on'")
        self.assertFalse(self.is_shown(page, "#start"))
        self.picture(page, "sound-on")

    def test_without_the_click_an_order_is_a_card_without_a_sound(self):
        page = self.console("?merchant=3")
        page.wait_state("connected")
        order = self.stack.place_order(merchant=3)
        self.stack.pay_by_sql(order)
        page.wait_card(order.number)
        self.assertIsNone(page.evaluate("document.body.dataset.rung ?? null"))

    def test_hostile_content_is_shown_as_text(self):
        page = self.console("?merchant=2")
        page.wait_state("connected")
        self.stack.psql("select notify(2, 1, '{}')".format(NASTY.replace("'", "''")))
        card = page.wait_card("面条 😀")
        self.assertEqual(card["text"], NASTY)
        self.assertNotIn("<img", card["html"])
        self.assertIsNone(page.evaluate("document.querySelector('#cards img, #cards script')"))
        self.assertEqual(page.evaluate("document.title"), "orderbell")
        self.picture(page, "hostile")

    def test_each_type_has_its_own_look_and_the_shops_own_too(self):
        page = self.console("?merchant=2")
        page.wait_state("connected")
        order = self.stack.place_order(merchant=2)
        self.stack.pay_by_sql(order)
        self.stack.remind(order)
        self.stack.psql("select notify(2, 9, 'the oven is ready')")
        page.wait_card("the oven is ready")
        self.assertEqual([(c["type"], c["title"]) for c in page.cards()[:3]],
                         [("9", "Notice"), ("2", "Customer reminds"), ("1", "New order")])
        self.picture(page, "cards")

    def test_a_card_can_be_dismissed(self):
        page = self.console("?merchant=2")
        page.wait_state("connected")
        self.stack.psql("select notify(2, 9, 'go away')")
        page.wait_card("go away")
        n_cards = len(page.cards())
        page.click("#cards > li:first-child button")
        self.assertEqual(len(page.cards()), n_cards - 1)
        self.assertNotIn("go away", [card["text"] for card in page.cards()])

    def test_it_speaks_the_browsers_language_and_the_other_one_by_a_click(self):
        page = self.console(locale="zh-CN")
        page.wait_state("connected")
        self.assertEqual(self.text(page, "#start"), "开始营业")
        self.assertEqual(page.evaluate("document.documentElement.lang"), "zh-CN")
        self.picture(page, "zh")
        page.click("#language")
        self.assertEqual(self.text(page, "#start"), "Start shift")
        self.assertEqual(page.evaluate("document.documentElement.lang"), "en")

    def test_its_name_is_shown_and_stays_over_a_reload(self):
        page = self.console()
        page.wait_state("connected")
        name = self.text(page, "#terminal")
        self.assertRegex(name, r"^Terminal: web-[0-9a-f]{12}$")
        page.reload()
        page.wait_state("connected")
        self.assertEqual(self.text(page, "#terminal"), name)

    def test_what_happened_while_it_was_offline_is_there_when_it_comes_back(self):
        page = self.console("?merchant=3")
        page.wait_state("connected")
        self.stack.psql("select notify(3, 9, 'before the restart')")
        page.wait_card("before the restart")
        n_cards = len(page.cards())
        self.stack.run("restart", self.stack.folder, "notifier")
        order = self.stack.place_order(merchant=3)
        self.stack.pay_by_sql(order)
        page.wait_state("connected", within_s=30)
        page.wait_card(order.number)
        self.assertEqual(len(page.cards()), n_cards + 1, "nothing is shown twice")

    def test_it_says_when_the_connection_is_lost(self):
        page = self.console()
        page.wait_state("connected")
        os.kill(self.stack.notifier_pid, 9)
        page.wait("document.getElementById('state').dataset.state !== 'connected'")
        self.assertTrue(page.evaluate("document.title").startswith("⚠"))
        self.picture(page, "offline")
        self.stack.restart("notifier")
        page.wait_state("connected", within_s=30)
        self.assertEqual(page.evaluate("document.title"), "orderbell")

    def test_a_thousand_events_at_once_leave_it_usable(self):
        page = self.console("?merchant=2")
        page.wait_state("connected")
        self.stack.psql("select notify(2, 9, 'many-' || n) from generate_series(1, 1000) n")
        page.wait_card("many-1000", within_s=20)
        page.click("#cards > li:first-child button")
        self.assertTrue(self.is_shown(page, "#older"))

    def test_it_loads_nothing_from_elsewhere_and_is_small(self):
        page = self.console()
        page.wait_state("connected")
        loaded = page.evaluate(
            "performance.getEntriesByType('resource').map(r => [r.name, r.decodedBodySize])")
        for name, _ in loaded:
            self.assertTrue(name.startswith(self.stack.web_url), name)
        self.assertLess(sum(size for _, size in loaded), 60 * 1024)


class ConsoleWithTokens(Page):
    """the page, auth = jwt"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(auth="jwt").up()
        cls.addClassCleanup(cls.stack.down)

    def test_the_token_of_the_fragment_opens_it_and_leaves_the_address_bar(self):
        page = self.console(fragment=f"#token={self.stack.merchant_token(2)}")
        page.wait_state("connected")
        self.assertEqual(page.evaluate("location.href"), self.stack.web_url + "/console/")
        order = self.stack.place_order(merchant=2)
        self.stack.pay_by_sql(order)
        page.wait_card(order.number)
        page.reload()
        page.wait_state("connected")

    def test_without_a_token_it_says_not_authorised_and_waits_for_a_person(self):
        page = self.console()
        page.wait_state("stopped")
        self.assertEqual(self.text(page, "#refused p"),
                         "Not authorised: open this page by a new link")
        self.picture(page, "not-authorised")
        # A person brings a token: the new link in the same tab.
        page.evaluate(f"location.hash = 'token={self.stack.merchant_token(1)}'")
        page.wait_state("connected")
        self.assertFalse(self.is_shown(page, "#refused"))

    def test_try_again_tries_once(self):
        page = self.console(fragment="#token=nonsense")
        page.wait_state("stopped")
        page.click("#again")
        page.wait_state("stopped")
        self.assertTrue(self.is_shown(page, "#refused"))
