"""pages - what the tests of the merchant's page share."""

import json
import os
import time
import unittest

import clients
from processes import until
from stack import TOP

PICTURES = os.path.join(os.environ.get("BUILD_DIR") or os.path.join(TOP, "build"), "pictures")


class PageTest(unittest.TestCase):
    """A class of tests sets `stack`; its module has a browser made by open_browser()."""

    browser = None
    stack = None
    pictures = True

    def console(self, query="", locale="en-GB", fragment="", url=None, context=None, **how):
        """Opens the page; it is closed with the test."""
        context = {"locale": locale, "reducedMotion": "reduce", **(context or {})}
        page = self.browser.console(f"{url or self.stack.web_url}/console/{query}{fragment}",
                                    context=context, **how)
        self.addCleanup(self.finish, page)
        return page

    def finish(self, page):
        error = page.do("errors")
        page.do("close")
        self.assertIsNone(error, "an error in the page")

    def on_shift(self, *arguments, **how):
        page = self.console(*arguments, **how)
        page.wait_connected()
        page.click("#start")
        page.wait_state("connected")
        return page

    def picture(self, page, name):
        """What the page looks like now, for a person: build/pictures/NAME.png."""
        os.makedirs(PICTURES, exist_ok=True)
        page.screenshot(os.path.join(PICTURES, name + ".png"))

    def say(self, content, merchant=1, type_=9):
        """Tells the merchant something, by SQL."""
        text = content.replace("'", "''")
        self.stack.psql(f"select notify({merchant}, {type_}, '{text}')")

    def pay(self, merchant=1):
        order = self.stack.place_order(merchant=merchant)
        self.stack.pay_by_sql(order)
        return order

    def pay_for(self, items, merchant=1, amount="38.50", currency=""):
        """A paid order of these; with a currency where the shop's database has one."""
        order = self.stack.place_order(merchant=merchant, amount=amount)
        text = json.dumps(items, ensure_ascii=False).replace("'", "''")
        self.stack.psql(f"set orderbell.currency = '{currency}'; update orders set items = '{text}', "
                        f"pay_status = 1, status = 2 where id = {order.id}")
        return order

    def acked_by(self, content, merchant=1):
        """Who acked the event with that text; "" while nobody has."""
        text = content.replace("'", "''")
        return self.stack.psql(f"select coalesce(acked_by, '') from order_event where "
                               f"merchant_id = {merchant} and content = '{text}'")

    def wait_until_they_share(self, tabs):
        """One connection for all of them.  Where the worker that has it is too long about coming up a
        tab does without: on a busy machine they are loaded anew."""
        for _ in range(6):
            if until(lambda: self.stack.metric("orderbell_connections") == 1, 5):
                return
            for tab in tabs:
                tab.reload()
                tab.wait_connected()
        self.fail(f"{len(tabs)} tabs have {self.stack.metric('orderbell_connections')} connections")

    def wait_until(self, condition, what, within_s=clients.PAGE_S):
        deadline = time.monotonic() + within_s
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"{what}: not within {within_s} s")
            time.sleep(0.02)


def open_browser(case, *arguments, **how):
    """Gives a Browser that ends with the test case's class or module; SkipTest where there is none.
    case: what has addClassCleanup or addModuleCleanup, as a function."""
    reason = clients.why_no_browser()
    if reason is not None:
        raise unittest.SkipTest(reason)
    browser = clients.Browser(*arguments, **how)
    case(browser.program.end)
    return browser
