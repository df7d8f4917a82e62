"""Settings change while the programs run (SIGHUP)."""

import base64
import json
import os
import signal
import threading
import time
import unittest

from clients import PythonTerminal
from processes import until
from settings import SettingsFile
from stack import Stack, jwt, request
from streams import StreamTerminal

WITHIN_S = 30
NEW_SECRET = "a new secret, of more than 16 bytes"


class Reload(unittest.TestCase):
    """What the cases share: a notifier whose settings they change."""

    settings = ()

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(auth="jwt", settings=cls.settings).up()
        cls.addClassCleanup(cls.stack.down)
        cls.first = SettingsFile(cls.stack.notifier_pid).read()

    def setUp(self):
        self.said_before = 0
        self.file = SettingsFile(self.stack.notifier_pid)
        self.file.replace(self.first)
        self.reload()
        self.said_before = len(self.log())

    def n_reloads(self, result):
        return self.stack.metric(f'orderbell_reloads_total{{result="{result}"}}')

    def reload(self, result="done", **changes):
        said = {"done": "settings read again", "refused": "the settings stay as they were"}[result]
        before, said_before = self.n_reloads(result), self.log().count(said)
        self.file.change(**changes)
        self.file.hang_up()
        self.assertTrue(until(lambda: self.n_reloads(result) == before + 1 and
                              self.log().count(said) == said_before + 1, WITHIN_S), changes)

    def log(self):
        """What the notifier has said in this test."""
        with open(os.path.join(self.stack.folder, "log", "notifier-1.log"), encoding="utf-8") as f:
            return f.read()[self.said_before:]

    def terminal(self, kind=PythonTerminal, sid="till-1", token=None, merchant=None, **options):
        url = self.stack.ws_url(sid, merchant, direct=True)
        if kind is StreamTerminal:
            url = url.replace("ws:", "http:", 1).replace("/ws/", "/events/")
        if token is not None:
            options.setdefault("headers", {})["Authorization"] = "Bearer " + token
        terminal = kind(url, **options)
        self.addCleanup(terminal.close)
        return terminal

    def pays(self, *terminals, merchant=1):
        """Each of them hears of an order."""
        order = self.stack.place_order(merchant)
        self.stack.pay_by_sql(order)
        for terminal in terminals:
            terminal.event_of(order.id)
        return order


class Keys(Reload):
    """SIGHUP: keys"""

    settings = ("jwt_kid=old",)

    def token(self, kid, secret):
        return jwt(secret, {"merchant": 1, "exp": int(time.time()) + 3600},
                   {"alg": "HS256", "typ": "JWT", "kid": kid})

    def test_a_key_is_rotated_by_its_kid_and_no_connection_drops(self):
        old = self.token("old", self.stack.env["JWT_SECRET"])
        new = self.token("new", NEW_SECRET)
        v1 = self.terminal(v1=True, token=old).wait_until_live()
        sse = self.terminal(StreamTerminal, token=old).wait_until_live()
        early = self.terminal(token=new)
        early.wait_ended()
        self.assertEqual(early.status, 401)

        key = self.file.secret("new.secret", NEW_SECRET)
        self.reload(jwt_secret_file_2=key, jwt_kid_2="new")
        both = [self.terminal(v1=True, token=t).wait_until_live() for t in (old, new)]
        self.pays(v1, sse, *both)

        self.reload(jwt_secret_file=key, jwt_kid="new", jwt_secret_file_2=None, jwt_kid_2=None)
        late = self.terminal(token=old)
        late.wait_ended()
        self.assertEqual(late.status, 401)
        said_late = self.terminal(v1=True, hello={"token": old})
        self.assertEqual(said_late.wait_ended(), 4401)
        self.pays(v1, sse, *both, self.terminal(v1=True, token=new).wait_until_live())
        # The loops know it too: a fresh token is one of the new key.
        v1.send(json.dumps({"hello": 1, "token": new}))
        v1.wait_until_read()
        self.pays(v1)
        both[0].send(json.dumps({"hello": 1, "token": old}))
        self.assertEqual(both[0].wait_ended(), 4401)
        self.assertFalse(v1.is_ended or sse.is_ended)
        self.assertNotIn(NEW_SECRET, self.log())
        self.assertIn('changed="jwt_secret_file_2 jwt_kid_2"', self.log())

    def test_what_is_not_good_keeps_the_old_settings_and_says_why(self):
        old = self.token("old", self.stack.env["JWT_SECRET"])
        terminal = self.terminal(v1=True, token=old).wait_until_live()
        good = self.file.read()
        for changes, why in (({"max_per_merchant": "many"}, "no whole number"),
                             ({"no_such_key": "1"}, "no setting"),
                             ({"jwt_secret_file": None}, "needs? jwt_secret_file"),
                             ({"jwt_secret_file": "/nonexistent"}, "cannot read"),
                             ({"auth": "none", "jwt_secret_file": None}, "needs? jwt_secret_file")):
            with self.subTest(changes=changes):
                n_lines = len(self.log().splitlines())
                self.reload("refused", log_level="debug", **changes)
                said = "\n".join(self.log().splitlines()[n_lines:])
                self.assertRegex(said, why)
                self.assertIn("the settings stay as they were", said)
                self.assertNotIn(" debug: ", said)
                self.file.replace(good)
        n_refused = self.n_reloads("refused")
        os.rename(self.file.path, self.file.path + ".away")
        self.file.hang_up()
        self.assertTrue(until(lambda: self.n_reloads("refused") == n_refused + 1, WITHIN_S))
        os.rename(self.file.path + ".away", self.file.path)
        self.pays(terminal, self.terminal(v1=True, token=old).wait_until_live())
        self.reload()
        self.assertIn('settings read again: changed=""', self.log())

    def test_what_only_a_restart_changes_is_named_and_the_rest_is_taken(self):
        terminal = self.terminal(v1=True, token=self.token("old", self.stack.env["JWT_SECRET"]))
        terminal.wait_until_live()
        self.reload(listen="127.0.0.1:1", carrier_loops="5", auth="any", slow_s="20")
        self.assertIn('needs_restart="listen auth carrier_loops"', self.log())
        self.assertIn('changed="slow_s"', self.log())
        self.pays(terminal)

    def test_origins_and_where_a_token_may_stand(self):
        token = self.token("old", self.stack.env["JWT_SECRET"])
        url = self.stack.notifier_url + "/poll/till-1"
        ask = lambda: request(url, headers={"Origin": "https://till.example", "token": token}).status
        self.assertEqual(ask(), 403)
        self.assertEqual(request(url + "?token=" + token).status, 401)
        self.reload(allow_origin="https://till.example", token_in_query="yes")
        self.assertEqual(ask(), 200)
        self.assertEqual(request(url + "?token=" + token).status, 200)
        self.reload(allow_origin=None, token_in_query=None)
        self.assertEqual(ask(), 403)
        self.assertEqual(request(url + "?token=" + token).status, 401)


class Limits(Reload):
    """SIGHUP: limits and times"""

    settings = ("max_per_merchant=3", "drain_s=60")

    def v1(self, **options):
        return self.terminal(v1=True, token=self.stack.merchant_token(), **options)

    def test_max_per_merchant_is_lowered_and_raised_and_who_is_there_stays(self):
        there = [self.v1().wait_until_live() for _ in range(3)]
        self.assertEqual(self.v1().wait_ended(), 1013)
        self.reload(max_per_merchant="1")
        self.pays(*there)
        there.pop().close()
        self.assertTrue(until(lambda: self.stack.metric("orderbell_connections") == 2, WITHIN_S))
        self.assertEqual(self.v1().wait_ended(), 1013)
        self.reload(max_per_merchant="4")
        there += [self.v1().wait_until_live() for _ in range(2)]
        self.assertEqual(self.v1().wait_ended(), 1013)
        self.pays(*there)

    def test_max_connections_holds_for_who_comes_next(self):
        there = [self.v1().wait_until_live() for _ in range(2)]
        self.reload(max_connections="2")
        refused = self.v1()
        refused.wait_ended()
        self.assertEqual(refused.status, 503)
        self.reload(max_connections=None)
        self.pays(*there, self.v1().wait_until_live())

    def test_a_shorter_heartbeat_holds_for_all_and_a_longer_one_for_new_ones(self):
        beat = lambda t: t.wait_for(lambda m: "welcome" in m, "welcome")["heartbeat"]
        n_beats = lambda t: sum("heartbeat" in f.json and "welcome" not in f.json for f in t.frames)
        first = self.v1().wait_until_live()
        self.assertEqual(beat(first), 25)
        self.reload(heartbeat_s="2")
        self.assertTrue(until(lambda: n_beats(first) >= 2, 20))
        self.assertEqual(beat(self.v1().wait_until_live()), 2)
        self.reload(heartbeat_s="30")
        seen = n_beats(first)
        self.assertTrue(until(lambda: n_beats(first) >= seen + 2, 20))
        self.assertEqual(beat(self.v1().wait_until_live()), 30)

    def test_a_shorter_time_for_hello(self):
        self.reload(hello_s="1")
        started = time.monotonic()
        self.assertEqual(self.terminal(v1=True, says_hello=False).wait_ended(), 4401)
        self.assertLess(time.monotonic() - started, 9)  # not the 10 s it had

    def test_broadcasts_escaping_and_the_level_of_the_log(self):
        plain = self.terminal(token=self.stack.merchant_token()).wait_until_live(self.stack)
        self.reload(broadcast="no", plain_escape_html="no", log_level="debug")
        self.stack.psql("""NOTIFY order_events, '{"type":1,"orderId":-2,"content":"to all"}'""")
        self.stack.psql("select notify(1, 1, '<b>raw</b>')")
        self.assertTrue(until(lambda: plain.find(lambda m: m["content"] == "<b>raw</b>"), WITHIN_S),
                        plain.frames)
        self.assertIsNone(plain.find(lambda m: m["content"] == "to all"))
        ask = lambda: request(self.stack.notifier_url + "/nothing-here").status
        n_debug = lambda: self.log().count("debug: refused: status=404")
        self.assertEqual(ask(), 404)
        self.assertTrue(until(lambda: n_debug() == 1, WITHIN_S))
        self.reload(log_level="info")
        self.assertEqual(ask(), 404)
        self.assertEqual(n_debug(), 1)

    def test_a_drain_is_as_long_as_it_was_last_said(self):
        there = [self.v1().wait_until_live() for _ in range(3)]
        self.reload(drain_s="0")
        started = time.monotonic()
        self.stack.restart("notifier")
        self.assertEqual([terminal.wait_ended() for terminal in there], [4003] * 3)
        self.assertLess(time.monotonic() - started, 40)  # not the minute it had
        self.assertIn("drain_s=0", self.log())

    def test_many_reloads_while_terminals_come_and_go(self):
        there = [self.v1().wait_until_live() for _ in range(2)]
        self.reload(max_per_merchant="0")
        is_over = threading.Event()
        failed = []

        def come_and_go():
            while not is_over.is_set():
                terminal = PythonTerminal(self.stack.ws_url("guest", direct=True), v1=True,
                                          hello={"token": self.stack.merchant_token()})
                try:
                    terminal.wait_until_live()
                except AssertionError as error:
                    failed.append(error)
                terminal.close()

        guests = [threading.Thread(target=come_and_go) for _ in range(3)]
        for guest in guests:
            guest.start()
        try:
            for n in range(40):
                self.reload(heartbeat_s=str(2 + n % 3), max_pending=str(4096 + n),
                            allow_origin=f"https://till-{n}.example", escalate_s=str(60 + n))
                if n % 10 == 0:
                    self.pays(*there)
        finally:
            is_over.set()
            for guest in guests:
                guest.join()
        self.assertEqual(failed, [])
        self.pays(*there)


class FcgiOrder(unittest.TestCase):
    """SIGHUP: fcgi-order"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)
        cls.first = cls.file_of_the_first().read()
        with open(cls.first["webhook_secret_file"], encoding="utf-8") as f:
            cls.first_secret = f.read().strip()

    @classmethod
    def file_of_the_first(cls):
        return SettingsFile(int(cls.stack.env["FCGI_PIDS"].split()[0]))

    def setUp(self):
        self.said_before = 0
        self.file = self.file_of_the_first()
        self.file.replace(self.first)
        self.secret(self.first_secret)
        self.reload()
        self.said_before = len(self.log())

    def log(self):
        with open(os.path.join(self.stack.folder, "log", "fcgi-order.log"), encoding="utf-8") as f:
            return f.read()[self.said_before:]

    def secret(self, text):
        self.file.secret(os.path.basename(self.first["webhook_secret_file"]), text)

    def reload(self, said="settings read again", **changes):
        """Tells all processes there are, and waits until each has said so."""
        pids = self.stack.env["FCGI_PIDS"].split()
        before = self.log().count(said)
        self.file.change(**changes)
        for pid in pids:
            os.kill(int(pid), signal.SIGHUP)
        self.assertTrue(until(lambda: self.log().count(said) == before + len(pids), WITHIN_S),
                        self.log())

    def status(self, key):
        order = self.stack.place_order()
        body = self.stack.webhook_body(order)
        return self.stack.post_webhook(body, self.stack.sign_webhook(body, key=key)).status

    def test_a_key_is_rotated_and_the_processes_stay(self):
        old, new = self.stack.webhook_key(), b"another secret that is long enough"
        self.assertEqual([self.status(old), self.status(new)], [204, 401])
        self.secret(self.first_secret + "\n" + "whsec_" + base64.b64encode(new).decode())
        self.reload()
        self.assertEqual([self.status(old), self.status(new)], [204, 204])
        self.secret("whsec_" + base64.b64encode(new).decode())
        self.reload()
        self.assertEqual([self.status(old), self.status(new)], [401, 204])
        pids = self.stack.env["FCGI_PIDS"]
        self.stack.run("pids", self.stack.folder)
        self.stack.read_env()
        self.assertEqual(self.stack.env["FCGI_PIDS"], pids)

    def test_what_is_not_good_keeps_the_old_settings_and_says_why(self):
        for changes, secret, why in (({"threads": "many"}, self.first_secret, "no whole number"),
                                     ({}, "whsec_!", "webhook_secret_file"),
                                     ({}, "short", "webhook_secret_file")):
            with self.subTest(why=why):
                self.secret(secret)
                self.reload("the settings stay as they were", **changes)
                self.assertIn(why, self.log())
                self.assertEqual(self.status(self.stack.webhook_key()), 204)
                self.file.replace(self.first)

    def test_settings_change_and_those_that_cannot_are_named(self):
        order = self.stack.place_order()
        pay = lambda: request(
            self.stack.web_url + "/user/order/payment", "PUT",
            {"authentication": self.stack.user_token(), "Content-Type": "application/json"},
            json.dumps({"orderNumber": order.number, "payMethod": 1}).encode()).status
        self.reload(sandbox_payment="no", threads="3", body_max="1024")
        self.assertIn('changed="sandbox_payment body_max"', self.log())
        self.assertIn('needs_restart="threads"', self.log())
        self.assertEqual(pay(), 404)
        self.assertEqual(self.stack.post_webhook(b"x" * 2000).status, 413)
        self.reload(sandbox_payment="yes")
        self.assertEqual(pay(), 200)

    def test_requests_under_way_are_answered_by_what_they_began_with(self):
        is_over = threading.Event()
        wrong = []

        def pay():
            while not is_over.is_set():
                status = self.status(self.stack.webhook_key())
                if status != 204:
                    wrong.append(status)

        payers = [threading.Thread(target=pay) for _ in range(3)]
        for payer in payers:
            payer.start()
        try:
            for n in range(30):
                self.reload(body_max=str(65536 + n))
        finally:
            is_over.set()
            for payer in payers:
                payer.join()
        self.assertEqual(wrong, [])
