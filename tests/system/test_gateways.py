"""Payment gateways, played by libraries that are not ours, against the running stack."""

import json
import os
import re
import signal
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import fastcgi
from gateways import SUCCESS, Alipay, Signer, Webhook, WechatPay
from processes import until
from stack import Stack

ANSWER_S = 5  # WeChat Pay waits no longer


def put(path, text):
    """A file that everybody may read: the program may run as somebody else."""
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path, 0o644)


class Shop:
    """What all of these need."""

    @classmethod
    def setUpClass(cls):
        cls.signer = Signer()
        cls.addClassCleanup(cls.signer.close)
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def play(self, gateway, *more):
        """A gateway, or the reason why it cannot be played."""
        name = more[0] if more else {"WechatPay": "wechatpay", "Alipay": "alipay"}[gateway.__name__]
        why = None if name == "v1a" and self.signer.process else self.signer.missing(
            "svix" if name == "v1a" else name)
        if why:
            self.skipTest(why)
        return gateway(self.stack, self.signer, *more)

    def is_paid(self, order):
        return self.stack.psql(f"select pay_status from orders where id = {order.id}") == "1"

    def rings(self, order):
        return [o for _, _, o in self.stack.events(order.merchant)].count(order.id)

    def kept(self, order):
        """[(verdict, count)] of the order's callbacks."""
        return [(verdict, int(count)) for verdict, count in self.stack.rows(
            "select verdict, count from payment_callback where number = "
            f"'{order.number}' order by first_at")]

    def exceptions_of(self, order):
        return [kind for (kind,) in self.stack.rows(
            f"select kind from payment_exception where number = '{order.number}' order by id")]

    def metric(self, gateway, verdict):
        """A counter of fcgi-order, asked at its socket as an operator would: no host shows it."""
        folder = os.path.join(self.stack.folder, "run")
        sockets = [os.path.join(folder, name) for name in os.listdir(folder)
                   if name.startswith("fcgi-order.sock")]
        text = fastcgi.ask(sockets[0], "GET", "/metrics").body.decode()
        found = re.search(r'^orderbell_fcgi_callbacks_total\{gateway="%s",verdict="%s"\} (\d+)$'
                          % (gateway, verdict), text, re.M)
        return int(found.group(1))

    def nothing_happened(self, order):
        self.assertFalse(self.is_paid(order))
        self.assertEqual((self.rings(order), self.kept(order), self.exceptions_of(order)),
                         (0, [], []))

    def refuse_all(self, gateway, name, order, cases):
        """Each of (what, callback, status, verdict) is refused, counted, and changes nothing."""
        for what, callback, status, verdict in cases:
            with self.subTest(what=what):
                before = self.metric(name, verdict)
                self.fails(callback.send(self.stack), status)
                self.assertEqual(self.metric(name, verdict), before + 1)
                self.assertFalse(self.is_paid(order))
        self.assertEqual((self.rings(order), self.exceptions_of(order)), (0, []))


class WechatPayCallbacks(Shop, unittest.TestCase):
    """WeChat Pay, by wechatpay-axios-plugin"""

    def setUp(self):
        self.wechatpay = self.play(WechatPay)
        self.order = self.stack.place_order()

    def succeeds(self, answer):
        self.assertEqual((answer.status, answer.body), (200, SUCCESS), answer)
        self.assertEqual(answer.header("Content-Type"), "application/json")

    def fails(self, answer, status):
        self.assertEqual(answer.status, status, answer)
        body = answer.json()
        self.assertEqual((set(body), body["code"]), ({"code", "message"}, "FAIL"))
        self.assertTrue(body["message"])

    def test_a_payment_rings_once_and_is_answered_in_time(self):
        callback = self.wechatpay.callback(self.order)
        self.assertTrue(self.wechatpay.judges(callback))
        started = time.monotonic()
        self.succeeds(callback.send(self.stack))
        self.assertLess(time.monotonic() - started, ANSWER_S)
        self.assertTrue(self.is_paid(self.order))
        self.succeeds(callback.send(self.stack))
        self.assertEqual((self.rings(self.order), self.exceptions_of(self.order)), (1, []))
        self.assertEqual(self.kept(self.order), [("paid", 2)])
        self.assertEqual(self.stack.psql(
            f"select pay_method, status from orders where id = {self.order.id}"), "1|2")

    def test_a_public_key_is_as_good_as_a_certificate(self):
        callback = self.wechatpay.callback(
            self.order, keyFile=self.wechatpay.key("wechatpay-public.key"),
            serial=self.stack.env["WECHATPAY_PUBLIC_ID"])
        self.assertTrue(self.wechatpay.judges(callback, "wechatpay-public.key"))
        self.succeeds(callback.send(self.stack))
        self.assertTrue(self.is_paid(self.order))

    def test_what_is_forged_or_stale_or_changed_is_refused(self):
        make, now = self.wechatpay.callback, int(time.time())
        good = make(self.order)
        signature = good.headers["Wechatpay-Signature"]
        other = self.wechatpay.key("wechatpay-public.key")
        cases = [
            ("stale", make(self.order, timestamp=now - 301), 401, "stale"),
            ("future", make(self.order, timestamp=now + 360), 401, "stale"),
            ("no time", good.changed(Wechatpay_Timestamp="soon"), 401, "not_signed"),
            ("another time", good.changed(Wechatpay_Timestamp=str(now - 1)), 401, "not_signed"),
            ("another nonce", good.changed(Wechatpay_Nonce="x" * 32), 401, "not_signed"),
            ("serial of nobody", good.changed(Wechatpay_Serial="7" * 40), 401, "unknown_key"),
            ("serial of another key", good.changed(
                Wechatpay_Serial=self.stack.env["WECHATPAY_PUBLIC_ID"]), 401, "not_signed"),
            ("signed by another key", make(self.order, keyFile=other), 401, "not_signed"),
            ("body changed", good.changed(good.body.replace("SUCCESS", "SUCCESs")),
             401, "not_signed"),
            ("body longer", good.changed(good.body + " "), 401, "not_signed"),
            ("body empty", good.changed(""), 401, "not_signed"),
            ("no signature", good.changed(Wechatpay_Signature=None), 401, "not_signed"),
            ("no serial", good.changed(Wechatpay_Serial=None), 401, "not_signed"),
            ("empty signature", good.changed(Wechatpay_Signature=""), 401, "not_signed"),
            ("signature cut", good.changed(Wechatpay_Signature=signature[:-4]), 401, "not_signed"),
            ("signature changed", good.changed(
                Wechatpay_Signature="AAAA" + signature[4:]), 401, "not_signed"),
            ("probe", good.changed(
                Wechatpay_Signature="WECHATPAY/SIGNTEST/" + signature[19:]), 401, "not_signed"),
            ("another way to sign", good.changed(
                Wechatpay_Signature_Type="WECHATPAY2-SM2-WITH-SM3"), 401, "not_signed"),
        ]
        for what, callback, _, verdict in cases:
            if verdict == "not_signed" and what not in (
                    "serial of another key", "no serial", "another way to sign"):
                self.assertFalse(self.wechatpay.judges(callback), what)
        self.refuse_all(self.wechatpay, "wechatpay", self.order, cases)
        self.assertEqual(self.kept(self.order), [])
        self.succeeds(good.send(self.stack))  # none of it spoilt the good one

    def test_what_was_sealed_for_another_shop_is_refused_and_told(self):
        make = self.wechatpay.callback
        good = make(self.order)
        tag = good.ciphertext[:-8] + ("AAAA" if good.ciphertext[-8:-4] != "AAAA" else "BBBB") + \
            good.ciphertext[-4:]
        resource = {"ciphertext": tag}
        cases = [
            ("tag changed", make(self.order, resource=resource), 400, "sealed"),
            ("another nonce", make(self.order, resource={
                "ciphertext": good.ciphertext, "nonce": "fdasflkja485"}), 400, "sealed"),
            ("other associated data", make(self.order, resource={
                "ciphertext": good.ciphertext, "associated_data": "refund"}), 400, "sealed"),
            ("key of another shop", make(self.order, apiKey="k" * 32), 400, "sealed"),
            ("another algorithm", make(self.order, resource={
                "algorithm": "AEAD_AES_128_GCM"}), 400, "malformed"),
            ("another merchant", make(
                self.order, transaction={"mchid": "1900000002"}), 403, "foreign"),
            ("another app", make(self.order, transaction={"appid": "wx1"}), 403, "foreign"),
            ("a service provider's", make(
                self.order, transaction={"mchid": None, "sp_mchid": "1900000001"}), 403, "foreign"),
        ]
        for what, callback, _, verdict in cases:
            self.assertEqual(self.wechatpay.judges(callback), verdict != "sealed", what)
        self.refuse_all(self.wechatpay, "wechatpay", self.order, cases)
        self.assertEqual(self.kept(self.order), [])
        for what, callback, _, verdict in cases:
            kept = self.stack.rows("select verdict, count from payment_callback where "
                                   f"notification_id = '{json.loads(callback.body)['id']}'")
            self.assertEqual(kept, [] if verdict == "foreign" else [[verdict, "1"]], what)

    def test_other_events_and_states_are_a_success_and_kept(self):
        make = self.wechatpay.callback
        for what, callback, state in (
                ("refund", make(self.order, event={"event_type": "REFUND.SUCCESS"}),
                 "REFUND.SUCCESS"),
                ("state", make(self.order, transaction={"trade_state": "CLOSED"}), "CLOSED")):
            with self.subTest(what=what):
                self.succeeds(callback.send(self.stack))
                self.assertEqual(self.stack.rows(
                    "select state, verdict from payment_callback where number = "
                    f"'{self.order.number}' and state = '{state}'"), [[state, "ignored"]])
        self.assertFalse(self.is_paid(self.order))

    def test_money_that_fits_no_order_is_kept_and_answered_a_success(self):
        make = self.wechatpay.callback
        amounts = ({"amount": {"total": 3799, "currency": "CNY"}},
                   {"amount": {"total": 3800, "currency": "USD"}})
        for changes in amounts:
            with self.subTest(changes=changes):
                order = self.stack.place_order()
                callback = make(order, transaction=changes)
                for _ in range(3):
                    self.succeeds(callback.send(self.stack))
                self.assertEqual(self.exceptions_of(order), ["amount_differs"])
                self.assertEqual(self.kept(order), [("amount_differs", 3)])
                self.assertFalse(self.is_paid(order))
        self.stack.psql(f"update orders set status = 6 where id = {self.order.id}")
        self.succeeds(make(self.order).send(self.stack))
        self.assertEqual(self.exceptions_of(self.order), ["cancelled"])
        self.assertFalse(self.is_paid(self.order))

    def test_an_order_that_is_unknown_is_asked_for_again_for_a_while(self):
        order = self.stack.place_order()
        self.stack.psql(f"delete from orders where id = {order.id}")
        callback = self.wechatpay.callback(order)
        self.fails(callback.send(self.stack), 404)
        self.fails(callback.send(self.stack), 404)
        self.stack.psql("update payment_exception set created_at = created_at - interval '1 hour' "
                        f"where number = '{order.number}'")
        self.succeeds(callback.send(self.stack))
        self.assertEqual(self.exceptions_of(order), ["unknown_order"])
        odd = self.wechatpay.callback(order, transaction={"out_trade_no": "odd|number*1"})
        self.fails(odd.send(self.stack), 404)
        self.assertEqual(self.stack.psql(
            "select count(*) from payment_exception where number = 'odd|number*1'"), "1")

    def test_a_second_payment_is_money_for_a_person(self):
        self.succeeds(self.wechatpay.callback(self.order).send(self.stack))
        again = self.wechatpay.callback(self.order, transaction={"transaction_id": "42-other"})
        self.succeeds(again.send(self.stack))
        self.assertEqual(self.exceptions_of(self.order), ["paid_twice"])
        self.assertEqual(self.rings(self.order), 1)

    def test_whoever_listens_is_told_of_money_for_a_person(self):
        env = {**os.environ, **{k: v for k, v in self.stack.env.items() if k.startswith("PG")}}
        with subprocess.Popen(["psql", "-X", "-q", "-A", "-t"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, env=env) as psql:
            psql.stdin.write("listen order_alerts;\n\\echo ready\n")
            psql.stdin.flush()
            self.assertEqual(psql.stdout.readline(), "ready\n")
            self.succeeds(self.wechatpay.callback(
                self.order, transaction={"amount": {"total": 1, "currency": "CNY"}})
                .send(self.stack))
            # psql shows what it heard once a statement has ended.
            told, _ = psql.communicate("select 1;\n", timeout=60)
        self.assertIn('"kind" : "amount_differs"', told)
        self.assertIn(f'"orderId" : {self.order.id}', told)

    def test_a_hundred_at_once_are_one_event(self):
        callback = self.wechatpay.callback(self.order)
        with ThreadPoolExecutor(100) as gateway:
            answers = list(gateway.map(lambda _: callback.send(self.stack, 30), range(100)))
        for answer in answers:
            self.succeeds(answer)
        self.assertEqual((self.rings(self.order), self.exceptions_of(self.order)), (1, []))
        self.assertEqual(self.kept(self.order), [("paid", 100)])

    def test_a_body_of_64_kib_is_read_and_a_longer_one_refused(self):
        def with_attach(n):
            return self.wechatpay.callback(self.order, transaction={"attach": "x" * n})
        room = 65536 - len(with_attach(0).body.encode())
        fits = with_attach(room * 3 // 4 - 16)
        self.fails(with_attach(65536).send(self.stack), 413)
        self.assertFalse(self.is_paid(self.order))
        self.assertGreater(len(fits.body.encode()), 65000)
        self.succeeds(fits.send(self.stack))

    def test_keys_are_changed_while_it_runs(self):
        folder = os.path.join(self.stack.folder, "etc", "wechatpay")
        own = self.wechatpay.key("successor.key")
        serial = "PUB_KEY_ID_0199999999999999999999999999999999"
        certificate = os.path.join(folder, f"wechatpay_{self.stack.env['WECHATPAY_SERIAL']}.pem")
        new = os.path.join(folder, serial + ".pem")

        def reload():
            self.stack.run("pids", self.stack.folder)
            self.stack.read_env()
            for pid in self.stack.env["FCGI_PIDS"].split():
                os.kill(int(pid), signal.SIGHUP)

        def answers(make, status):
            """Each with an order of its own: a payment is not there to be repeated."""
            return until(lambda: make().send(self.stack).status == status, 30)

        def by_old():
            return self.wechatpay.callback(self.stack.place_order())

        def by_new():
            return self.wechatpay.callback(self.stack.place_order(), keyFile=own, serial=serial)

        with open(certificate, encoding="ascii") as f:
            kept = f.read()
        self.addCleanup(reload)
        self.addCleanup(put, certificate, kept)
        subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt",
                        "rsa_keygen_bits:2048", "-out", own], check=True)
        pem = subprocess.run(["openssl", "pkey", "-in", own, "-pubout"], check=True,
                             capture_output=True, text=True).stdout
        self.fails(by_new().send(self.stack), 401)
        put(new, pem)
        self.addCleanup(os.unlink, new)
        reload()
        self.assertTrue(answers(by_new, 200))
        self.succeeds(by_old().send(self.stack))
        with open(own, encoding="ascii") as f:
            put(os.path.join(folder, "oops.pem"), f.read())
        reload()
        self.assertTrue(until(lambda: "a private key is in it" in self.stack.logs(1000), 30))
        self.succeeds(by_new().send(self.stack))  # and nothing has changed
        os.unlink(os.path.join(folder, "oops.pem"))
        os.unlink(certificate)
        reload()
        self.assertTrue(answers(by_old, 401))
        self.succeeds(by_new().send(self.stack))

    def test_no_key_and_no_content_is_in_log_or_metrics(self):
        self.wechatpay.callback(self.order).send(self.stack)
        self.wechatpay.callback(self.order, apiKey="k" * 32).send(self.stack)
        self.wechatpay.callback(self.order).changed(Wechatpay_Signature="AAAA").send(self.stack)
        self.assertTrue(until(lambda: "verdict=sealed" in self.stack.logs(lines=10000), 20))
        log = self.stack.logs(lines=10000)
        for secret in (self.stack.env["WECHATPAY_API_KEY"], "k" * 32, "oUpF8uMuAJO",
                       "支付成功", "ciphertext"):
            self.assertNotIn(secret, log)
        self.assertIn("verdict=not_signed", log)


class AlipayCallbacks(Shop, unittest.TestCase):
    """Alipay, judged by alipay-sdk"""

    def setUp(self):
        self.alipay = self.play(Alipay)
        self.order = self.stack.place_order()

    def succeeds(self, answer):
        self.assertEqual((answer.status, answer.body), (200, b"success"), answer)

    def fails(self, answer, status):
        self.assertEqual((answer.status, answer.body), (status, b"failure"), answer)

    def test_a_payment_rings_once_however_often_it_is_told(self):
        callback = self.alipay.callback(self.order)
        self.assertTrue(self.alipay.judges(callback))
        self.succeeds(callback.send(self.stack))
        self.assertTrue(self.is_paid(self.order))
        self.succeeds(callback.send(self.stack))
        finished = self.alipay.callback(self.order, trade_status="TRADE_FINISHED")
        self.succeeds(finished.send(self.stack))
        self.assertEqual((self.rings(self.order), self.exceptions_of(self.order)), (1, []))
        self.assertEqual(self.kept(self.order), [("paid", 2), ("already_paid", 1)])
        self.assertEqual(self.stack.psql(
            f"select pay_method from orders where id = {self.order.id}"), "2")

    def test_a_finished_trade_pays_too(self):
        self.succeeds(self.alipay.callback(
            self.order, trade_status="TRADE_FINISHED").send(self.stack))
        self.assertTrue(self.is_paid(self.order))

    def test_what_is_forged_or_changed_is_refused(self):
        make = self.alipay.callback
        good = make(self.order)
        number, other = self.order.number, self.stack.place_order()
        unsigned = re.sub(r"&sign=[^&]*", "", good.body)
        cases = [
            ("another order", good.changed(good.body.replace(number, other.number)),
             401, "not_signed"),
            ("another amount", good.changed(good.body.replace("=38.00", "=0.01", 1)),
             401, "not_signed"),
            ("a field more", good.changed(good.body + "&extra="), 401, "not_signed"),
            ("a field less", good.changed(good.body.replace("&version=1.0", "")),
             401, "not_signed"),
            ("an empty field less", good.changed(good.body.replace("&body=", "", 1)),
             401, "not_signed"),
            ("no signature", good.changed(unsigned), 401, "not_signed"),
            ("an empty signature", good.changed(unsigned + "&sign="), 401, "not_signed"),
            ("signature cut", good.changed(good.body[:-8]), 401, "not_signed"),
            ("signed by another key", make(self.order, key="wechatpay-public.key"),
             401, "not_signed"),
            ("SHA-1", make(self.order, sign_type="RSA"), 401, "not_signed"),
            ("a field twice", good.changed(good.body + "&out_trade_no=" + other.number),
             401, "not_signed"),
            ("JSON", good.changed('{"out_trade_no":"1"}'), 401, "not_signed"),
            ("nothing", good.changed(""), 401, "not_signed"),
            ("another app", make(self.order, app_id="2021000000000001"), 403, "foreign"),
            ("another seller", make(self.order, seller_id="2088000000000001"), 403, "foreign"),
            ("no amount", make(self.order, total_amount=None), 400, "malformed"),
            ("an odd amount", make(self.order, total_amount="38,00"), 400, "malformed"),
        ]
        for what, callback, _, verdict in cases:
            # Of a form with a field twice a program may see the first or the last one.
            if what not in ("SHA-1", "a field twice"):
                self.assertEqual(self.alipay.judges(callback), verdict != "not_signed", what)
        self.refuse_all(self.alipay, "alipay", self.order, cases)
        self.assertFalse(self.is_paid(other))
        self.succeeds(good.send(self.stack))

    def test_other_states_and_refunds_are_a_success_and_kept(self):
        for changes in ({"trade_status": "WAIT_BUYER_PAY"}, {"trade_status": "TRADE_CLOSED"},
                        {"refund_fee": "3.00", "gmt_refund": "2026-11-22 10:00:00.123"},
                        {"notify_type": "fund_auth_freeze"}):
            with self.subTest(changes=changes):
                self.succeeds(self.alipay.callback(self.order, **changes).send(self.stack))
        self.assertEqual(self.kept(self.order), [("ignored", 1)] * 4)
        self.assertFalse(self.is_paid(self.order))

    def test_money_that_fits_no_order_is_kept_and_answered_a_success(self):
        self.succeeds(self.alipay.callback(self.order, total_amount="38.01").send(self.stack))
        self.assertEqual(self.exceptions_of(self.order), ["amount_differs"])
        late = self.stack.place_order()
        self.stack.psql(f"update orders set status = 6 where id = {late.id}")
        self.succeeds(self.alipay.callback(late).send(self.stack))
        self.assertEqual((self.exceptions_of(late), self.kept(late)),
                         (["cancelled"], [("cancelled", 1)]))
        late.number = "nobodys-" + late.number
        self.fails(self.alipay.callback(late).send(self.stack), 404)
        self.assertEqual(self.exceptions_of(late), ["unknown_order"])

    def test_what_wechat_pay_has_paid_alipay_pays_twice(self):
        wechatpay = self.play(WechatPay)
        self.assertEqual(wechatpay.callback(self.order).send(self.stack).status, 200)
        self.succeeds(self.alipay.callback(self.order).send(self.stack))
        self.assertEqual(self.exceptions_of(self.order), ["paid_twice"])
        self.assertEqual(self.stack.psql(
            f"select pay_method from orders where id = {self.order.id}"), "1")

    def test_a_hundred_at_once_are_one_event(self):
        callback = self.alipay.callback(self.order)
        with ThreadPoolExecutor(100) as gateway:
            answers = list(gateway.map(lambda _: callback.send(self.stack, 30), range(100)))
        for answer in answers:
            self.succeeds(answer)
        self.assertEqual((self.rings(self.order), self.kept(self.order)), (1, [("paid", 100)]))

    def test_a_database_that_is_gone_makes_it_come_again(self):
        self.stack.run("restart", self.stack.folder, "postgres")
        self.stack.read_env()
        callback = self.alipay.callback(self.order)
        self.assertTrue(until(lambda: callback.send(self.stack).body == b"success", 60))
        self.assertEqual(self.rings(self.order), 1)
        ignored = self.alipay.callback(self.order, trade_status="TRADE_CLOSED")
        self.stack.kill_postgres()
        self.fails(ignored.send(self.stack), 503)
        self.stack.run("restart", self.stack.folder, "postgres")
        self.stack.read_env()
        self.assertTrue(until(lambda: ignored.send(self.stack).body == b"success", 60))
        self.assertIn(("ignored", 1), self.kept(self.order))


class Webhooks(Shop, unittest.TestCase):
    """Standard Webhooks, by standardwebhooks, svix, and ed25519 of Node"""

    def fails(self, answer, status):
        self.assertEqual(answer.status, status, answer)

    def test_what_each_library_signs_pays_once(self):
        for library in ("standardwebhooks", "svix", "v1a"):
            with self.subTest(library=library):
                order = self.stack.place_order()
                callback = self.play(Webhook, library).callback(order)
                for _ in range(3):
                    answer = callback.send(self.stack)
                    self.assertEqual((answer.status, answer.body), (204, b""))
                self.assertEqual((self.rings(order), self.kept(order)), (1, [("paid", 3)]))

    def test_what_each_library_refuses_is_refused(self):
        now = int(time.time())
        for library in ("standardwebhooks", "svix"):
            webhook = self.play(Webhook, library)
            order = self.stack.place_order()
            good = webhook.callback(order)
            cases = [
                ("stale", webhook.callback(order, timestamp=now - 310), 401, "stale"),
                ("future", webhook.callback(order, timestamp=now + 360), 401, "stale"),
                ("another secret", webhook.callback(order, secret="whsec_" + "A" * 32), 401,
                 "not_signed"),
                ("body changed", good.changed(good.body.replace("38", "39")), 401, "not_signed"),
                ("another id", good.changed(webhook_id="msg_other"), 401, "not_signed"),
                ("no signature", good.changed(webhook_signature=None), 401, "not_signed"),
            ]
            for what, callback, *_ in cases:
                self.assertFalse(webhook.judges(callback), what)
            self.refuse_all(webhook, "webhook", order, cases)
            self.assertTrue(webhook.judges(good))

    def test_a_key_pair_signs_for_its_own_body_only(self):
        webhook = self.play(Webhook, "v1a")
        order = self.stack.place_order()
        now, good = int(time.time()), webhook.callback(order)
        signature = good.headers["webhook-signature"]
        key = os.path.join(self.stack.env["GATEWAY_KEYS"], "other.key")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", key], check=True,
                       capture_output=True)
        self.refuse_all(webhook, "webhook", order, [
            ("stale", webhook.callback(order, timestamp=now - 310), 401, "stale"),
            ("future", webhook.callback(order, timestamp=now + 360), 401, "stale"),
            ("body changed", good.changed(good.body + " "), 401, "not_signed"),
            ("another id", good.changed(webhook_id="msg_other"), 401, "not_signed"),
            ("as if by a secret", good.changed(webhook_signature="v1," + signature[4:]), 401,
             "not_signed"),
            ("cut", good.changed(webhook_signature=signature[:-8]), 401, "not_signed"),
            ("by another pair", webhook.callback(order, key="other.key"), 401, "not_signed"),
        ])
        both = good.changed(webhook_signature="v1,AAAA v1a,AAAA " + signature)
        self.assertEqual(both.send(self.stack).status, 204)
        self.assertEqual(self.rings(order), 1)
