"""webhooks - plays a sender of Standard Webhooks (v1) who has the shop's secret."""

import base64
import hashlib
import hmac
import json
import time


def key_of(secret):
    """The key that whsec_... stands for."""
    return base64.b64decode(secret.removeprefix("whsec_"))


def paid(number, amount, stamp="2026-11-22T10:00:00Z", **more):
    """The body that says so of an order; `more` goes to its data."""
    return json.dumps(
        {"type": "order.paid", "timestamp": stamp,
         "data": {"orderNumber": number, "amount": amount, "currency": "CNY", **more}},
        separators=(",", ":")).encode()


def signed(key, message_id, body, stamp=None):
    """The headers that go with a body."""
    stamp = str(int(time.time()) if stamp is None else stamp)
    mac = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {"Content-Type": "application/json", "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": "v1," + base64.b64encode(mac).decode()}
