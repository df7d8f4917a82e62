"""story - what is told of the packages in every root: README's commands, rings, callbacks."""

import asyncio
import json
import os

from stack import TOP, request

import webhooks
import websockets

WITHIN_S = 30
UNITS = ("fcgi-order.service", "orderbell-notifier.service")
PACKAGES = ["fcgi-order", "orderbell-notifier", "orderbell-common"]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of nobody: a key of these tests
count = {"passed": 0, "failed": 0}


def check(is_good, what, note=""):
    count["passed" if is_good else "failed"] += 1
    print(f"  {'ok  ' if is_good else 'FAIL'} {what}" + (f"\n       {note}" if not is_good else ""),
          flush=True)
    return is_good


def say(what):
    print(f"\n=== {what}", flush=True)


def readme_commands():
    """What the section Install tells to do with packages: the lines of its first block."""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as f:
        block = f.read().partition("\n## Install\n")[2].partition("```\n")[2].partition("```")[0]
    return [line.partition("   #")[0].rstrip() for line in block.splitlines() if line.strip()]


# --- a terminal ---

async def rings_within(token, do, within_s=10):
    """Whether a terminal that is let in through the web server hears of what `do` does."""
    async with websockets.connect("ws://127.0.0.1/ws/till-1", subprotocols=["orderbell.v1"],
                                  open_timeout=WITHIN_S) as ws:
        await ws.send(json.dumps({"hello": 1, "token": token}))
        while "caught_up" not in await asyncio.wait_for(ws.recv(), WITHIN_S):
            pass
        outcome = do()
        try:
            while True:
                event = json.loads(await asyncio.wait_for(ws.recv(), within_s))
                if event.get("type") == 1:
                    return outcome, event
        except asyncio.TimeoutError:
            return outcome, None


# --- a gateway ---

def signed_payment(number, amount):
    """The answer to a gateway's callback: this order is paid."""
    body = webhooks.paid(number, amount)
    return request("http://127.0.0.1/notify/webhook", "POST",
                   webhooks.signed(webhooks.key_of(SECRET), number, body), body)
