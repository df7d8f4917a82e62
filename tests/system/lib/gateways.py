"""gateways - payment gateways for a test: good callbacks, and bad ones, by libraries not ours."""

import itertools
import json
import os
import shutil
import subprocess
import threading
import time

from stack import Failed, request

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = {"wechatpay": "wechatpay-axios-plugin", "alipay": "alipay-sdk",
             "standardwebhooks": "standardwebhooks", "svix": "svix"}
SUCCESS = b'{"code":"SUCCESS","message":"SUCCESS"}'
IDS = itertools.count(int(time.time() * 1000))


class Signer:
    """A Node process with the gateways' libraries.  `missing`: why a library cannot be used, or
    None."""

    def __init__(self):
        self.process = None
        self.libraries = ()
        self.turn = threading.Lock()
        if shutil.which("node") is None:
            return
        self.process = subprocess.Popen(
            ["node", os.path.join(HERE, "gateway_signer.mjs")], text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.libraries = self.ask("libraries")["names"]

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(timeout=10)
            self.process.stdout.close()

    def missing(self, gateway):
        if self.process is None:
            return "Node.js is not installed"
        name = LIBRARIES[gateway]
        return None if name in self.libraries else f"the Node module {name} is not installed"

    def ask(self, make, **what):
        with self.turn:
            self.process.stdin.write(json.dumps({"make": make, **what}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the signer ended"}
        if "error" in answer:
            raise Failed(f"gateway_signer.mjs: {answer['error']}")
        return answer


class Callback:
    """What a gateway sends.  `path` is where to."""

    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body

    def changed(self, body=None, **headers):
        """The same with another body, or headers; None takes one away, _ stands for -."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        merged = {**self.headers, **names}
        return Callback(self.path, {k: v for k, v in merged.items() if v is not None},
                        self.body if body is None else body)

    def send(self, stack, within_s=10):
        return request(stack.web_url + self.path, "POST", self.headers,
                       self.body.encode() if isinstance(self.body, str) else self.body, within_s)


class WechatPay:
    """Plays WeChat Pay against a stack."""

    path = "/notify/paySuccess"

    def __init__(self, stack, signer):
        self.env = stack.env
        self.signer = signer

    def key(self, name="wechatpay-certificate.key"):
        return os.path.join(self.env["GATEWAY_KEYS"], name)

    def transaction(self, order, **changes):
        amount, _, fraction = order.amount.partition(".")
        return {"mchid": self.env["WECHATPAY_MCHID"], "appid": self.env["WECHATPAY_APPID"],
                "out_trade_no": order.number, "transaction_id": f"42{order.number}",
                "trade_type": "JSAPI", "trade_state": "SUCCESS", "trade_state_desc": "支付成功",
                "bank_type": "OTHERS", "attach": "", "success_time": "2026-11-22T10:00:00+08:00",
                "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
                "amount": {"total": int(amount) * 100 + int(fraction), "payer_total": 1,
                           "currency": "CNY", "payer_currency": "CNY"}, **changes}

    def callback(self, order, *, transaction=None, event=None, timestamp=None, **changes):
        made = self.signer.ask("wechatpay", **{
            "keyFile": self.key(), "serial": self.env["WECHATPAY_SERIAL"],
            "apiKey": self.env["WECHATPAY_API_KEY"],
            "timestamp": str(int(time.time()) if timestamp is None else timestamp),
            "nonce": "593BEC0C930BF1AFEB40B4A08C8FB242",
            "event": {"id": f"EV-{next(IDS)}", **(event or {})},
            "transaction": self.transaction(order, **(transaction or {})), **changes})
        callback = Callback(self.path, made["headers"], made["body"])
        callback.ciphertext = made["ciphertext"]
        return callback

    def judges(self, callback, key="wechatpay-certificate.key"):
        """What the gateway's own library says of signature and tag."""
        return self.signer.ask("judge", gateway="wechatpay", headers=callback.headers,
                               body=callback.body, keyFile=self.key(key),
                               apiKey=self.env["WECHATPAY_API_KEY"])["good"]


class Alipay:
    """Plays Alipay against a stack."""

    path = "/notify/alipay"

    def __init__(self, stack, signer):
        self.env = stack.env
        self.signer = signer

    def key(self, name="alipay.key"):
        return os.path.join(self.env["GATEWAY_KEYS"], name)

    def fields(self, order, **changes):
        fields = {
            "notify_time": "2026-11-22 10:00:00", "notify_type": "trade_status_sync",
            "notify_id": f"{next(IDS):032d}", "charset": "utf-8", "version": "1.0",
            "sign_type": "RSA2", "app_id": self.env["ALIPAY_APP_ID"],
            "auth_app_id": self.env["ALIPAY_APP_ID"], "seller_id": self.env["ALIPAY_SELLER_ID"],
            "buyer_id": "2088102116773037", "trade_no": f"2026112222001{order.number}",
            "out_trade_no": order.number, "trade_status": "TRADE_SUCCESS",
            "total_amount": order.amount, "receipt_amount": order.amount, "refund_fee": "0.00",
            "subject": "外卖 & 汤 100% + =", "body": "",
            "fund_bill_list": '[{"amount":"38.00","fundChannel":"ALIPAYACCOUNT"}]',
            "gmt_create": "2026-11-22 09:59:58", "gmt_payment": "2026-11-22 09:59:59", **changes}
        return {name: value for name, value in fields.items() if value is not None}

    def callback(self, order, *, key="alipay.key", **changes):
        made = self.signer.ask("alipay", keyFile=self.key(key),
                               fields=self.fields(order, **changes))
        return Callback(self.path, made["headers"], made["body"])

    def judges(self, callback):
        return self.signer.ask("judge", gateway="alipay", body=callback.body,
                               keyFile=self.key())["good"]


class Webhook:
    """Plays a sender of Standard Webhooks, by one of the libraries; v1a by Node itself."""

    path = "/notify/webhook"

    def __init__(self, stack, signer, library):
        self.stack = stack
        self.signer = signer
        self.library = library

    def callback(self, order, *, timestamp=None, secret=None, key="webhook.key", **changes):
        body = self.stack.webhook_body(order, **changes).decode()
        message_id = f"msg_{next(IDS)}"
        stamp = int(time.time()) if timestamp is None else timestamp
        signature = self.signer.ask(
            "webhook", library=self.library, id=message_id, timestamp=stamp, body=body,
            secret=secret or self.stack.env["WEBHOOK_SECRET"],
            keyFile=os.path.join(self.stack.env["GATEWAY_KEYS"], key))["signature"]
        return Callback(self.path, {
            "Content-Type": "application/json", "webhook-id": message_id,
            "webhook-timestamp": str(stamp), "webhook-signature": signature}, body)

    def judges(self, callback):
        return self.signer.ask("judge", gateway="webhook", library=self.library,
                               secret=self.stack.env["WEBHOOK_SECRET"], headers=callback.headers,
                               body=callback.body)["good"]
