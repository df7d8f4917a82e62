"""PostgreSQL's notification queue nearly full, then full: payments go on and ring by the poll.

It takes 8 GB of disk and some minutes, so it is not among those that are run always:
  ./bootstrap notify-queue
"""

import json
import os
import shutil
import statistics
import subprocess
import time
import unittest

import fastcgi
from clients import PythonTerminal
from processes import until
from stack import Stack

NEARLY = 0.92  # from 0.9 on our functions do not ring
GB = 1 << 30
BATCH = 8000  # notifications of a transaction, each nearly as long as it may be
POLL_S = 1
SLACK_S = 1.5
REREAD_S = 30
PAYMENTS = 50


def told(text):
    print(f"       measured: {text}", flush=True)


class Session:
    """A psql that stays."""

    def __init__(self, stack):
        self.process = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **{k: v for k, v in stack.env.items() if k.startswith("PG")}})

    def do(self, sql):
        """Gives what it says."""
        self.process.stdin.write(f"{sql};\n\\echo done\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == "done\n":
                return "".join(lines).strip()
            lines.append(line)
        raise AssertionError(f"psql has ended: {lines}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class NotifyQueue(unittest.TestCase):
    """A session that listens and does not end its transaction: notifications pile up behind it"""

    def setUp(self):
        if shutil.disk_usage("/tmp").free < 12 * GB:
            self.skipTest("12 GB of free disk are needed")
        self.stack = Stack(host="nginx", settings=["postgres.fsync=off"]).up()
        self.addCleanup(self.stack.down)
        self.v1 = PythonTerminal(self.stack.ws_url("till-1"), v1=True)
        self.other = PythonTerminal(self.stack.ws_url("till-2"), v1=True)
        self.plain = PythonTerminal(self.stack.ws_url("plain"))
        self.terminals = [self.v1, self.other, self.plain]
        for terminal in self.terminals:
            self.addCleanup(terminal.close)
            terminal.wait_until_live(self.stack)
        self.dba = Session(self.stack)
        self.addCleanup(self.dba.close)

    def usage(self):
        return float(self.dba.do("select pg_notification_queue_usage()"))

    def hold(self):
        holder = Session(self.stack)
        self.addCleanup(holder.close)
        holder.do("listen nobody_cares")
        holder.do("begin")
        holder.do("select 1")
        return holder

    def fill(self, until_usage):
        """Gives what PostgreSQL said in the end."""
        writer = Session(self.stack)
        started = time.monotonic()
        said = n = 0
        while self.usage() < until_usage:
            # Each another text: those that are the same within a transaction are told once.
            said = writer.do(f"""
                select count(pg_notify('nobody_listens', rpad(i::text, 7990, 'x')))
                from generate_series({n}, {n + BATCH - 1}) i""")
            n += BATCH
            if "ERROR" in said:
                break
        writer.close()
        told(f"queue at {self.usage():.3f} after {n} notifications, "
             f"{time.monotonic() - started:.0f} s")
        return said

    def fcgi_counts(self):
        with open(os.path.join(self.stack.folder, "stack.json"), encoding="utf-8") as f:
            home = json.load(f)["home"]
        reply = fastcgi.ask(os.path.join(home, "run", "fcgi-order.sock"), "GET", "/healthz")
        return json.loads(reply.body)

    def times_of(self, what, pay):
        """Pays many orders, one after the other; each must ring, by the poll at the latest."""
        orders = [self.stack.place_order() for _ in range(PAYMENTS)]
        paid_ms, rung_ms = [], []
        for order in orders:
            started = time.monotonic()
            pay(order)
            paid_ms.append((time.monotonic() - started) * 1000)
        for order in orders:
            for terminal in self.terminals:
                terminal.event_of(order.id)
        last = self.stack.place_order()  # one alone, so that none before it rings for it
        started = time.monotonic()
        pay(last)
        for terminal in self.terminals:
            terminal.event_of(last.id)
        rung_ms = (time.monotonic() - started) * 1000
        self.assertLess(rung_ms, (POLL_S + SLACK_S) * 1000)
        told(f"{what}: paid in {statistics.median(paid_ms):.1f} ms (median), "
             f"{max(paid_ms):.1f} ms (most); one alone rang after {rung_ms:.0f} ms")

    def pay_all_ways(self, when):
        self.times_of(f"{when}, pay() with bell => commit", lambda order: self.expect_paid(
            self.dba.do(f"select verdict from orderbell.pay('{order.number}', {order.amount})")))
        self.times_of(f"{when}, pay() with bell => later", lambda order: self.expect_paid(
            self.dba.do(f"select verdict from orderbell.pay('{order.number}', {order.amount}, "
                        "p_bell => 'later')")))
        self.times_of(f"{when}, UPDATE by hand", lambda order: self.assertEqual(
            self.dba.do(f"update orders set pay_status = 1 where id = {order.id}"), ""))
        self.times_of(f"{when}, webhook", lambda order: self.assertEqual(
            self.stack.pay_by_webhook(order).status, 204))

    def expect_paid(self, said):
        self.assertEqual(said, "paid")

    def ack_is_told(self, when):
        seq = self.v1.heard()[-1]["seq"]
        self.other.wait_for(lambda m: m.get("seq") == seq, "that event")
        started = time.monotonic()
        self.v1.send(json.dumps({"ack": [seq]}))
        for terminal in (self.v1, self.other):
            terminal.wait_for(lambda m: isinstance(m.get("acked"), list) and seq in m["acked"],
                              "acked", REREAD_S + 5)
        told(f"{when}, an ack was told after {time.monotonic() - started:.1f} s")
        self.assertEqual(self.dba.do("select acked_by from order_event where merchant_id = 1 "
                                     f"and seq = {seq}"), "till-1")

    def test_payments_go_on_and_ring(self):
        self.assertLess(self.usage(), 0.01)
        self.pay_all_ways("queue empty")
        holder = self.hold()

        self.fill(NEARLY)
        self.assertGreater(self.usage(), 0.9)
        self.pay_all_ways("queue nearly full")
        self.ack_is_told("queue nearly full")
        self.assertEqual(self.fcgi_counts()["bells_failed"], 0)

        self.assertIn("too many notifications", self.fill(1.1))
        self.fill_the_rest()
        before = self.fcgi_counts()["bells_failed"]
        self.assertIn("too many notifications", self.dba.do("select orderbell.ring(1)"))
        self.pay_all_ways("queue full")
        self.ack_is_told("queue full")
        # fcgi-order rings behind its answers, for several payments at once where they come quickly.
        self.assertTrue(until(lambda: self.fcgi_counts()["bells_failed"] > before, 10))
        counts = self.fcgi_counts()
        failed = counts["bells_failed"]
        told(f"queue full, {failed - before} bells of {PAYMENTS + 1} webhooks failed")
        self.assertLessEqual(failed, before + PAYMENTS + 1)
        log = self.stack.part_log("fcgi-order")
        self.assertIn("bells not rung, the poll will deliver: merchants=1", log)
        self.assertIn("too many notifications in the NOTIFY queue", log)
        self.assertEqual(counts["database_failures"], 0)
        self.dba_verbs_work()
        self.assertTrue(self.stack.is_ready())

        holder.do("commit")
        self.assertTrue(until(lambda: self.usage() < 0.01, 120))
        self.pay_all_ways("queue empty again")
        self.assertEqual(self.fcgi_counts()["bells_failed"], failed)
        for terminal in self.terminals:
            self.assertEqual([(m["seq"], m["type"], m["orderId"]) for m in terminal.heard()],
                             self.stack.events(), terminal)

    def fill_the_rest(self):
        """Until there is no room for a small one either."""
        writer = Session(self.stack)
        for length in (7990, 4000, 1000, 100, 1):
            while "ERROR" not in writer.do(
                    f"select pg_notify('nobody_listens', repeat('x', {length}))"):
                pass
        writer.close()

    def dba_verbs_work(self):
        """What is not said is found out."""
        said = {}
        for sql in ("select orderbell.notify(1, 1, 'by hand') is not null",
                    "select orderbell.terminal_add(2, 'till-9') is not null",
                    "select orderbell.terminal_revoke(2, 'till-9')",
                    "select orderbell.new_epoch(3)",
                    "select orderbell.prune() is not null"):
            said[sql] = self.dba.do(sql)
        told(f"queue full, verbs: {said}")
        self.assertEqual([sql for sql, answer in said.items() if "ERROR" in answer], [])
