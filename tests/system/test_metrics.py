"""What is counted while it runs, and what reads it: alert rules, the dashboard, the log."""

import json
import os
import re
import shutil
import subprocess
import unittest

import fastcgi
from clients import PythonTerminal
from processes import until
from stack import TOP, Stack, request

WITHIN_S = 30


def names_in(expression):
    return set(re.findall(r"\borderbell_\w+", expression))


class Metrics(unittest.TestCase):
    """The numbers of both programs."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(host="nginx", settings=["log_format=json"]).up()
        cls.addClassCleanup(cls.stack.down)

    def notifier(self):
        return request(self.stack.notifier_url + "/metrics").body.decode()

    def fcgi(self):
        pid = int(self.stack.env["FCGI_PIDS"].split()[0])
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
            argv = f.read().split("\0")
        path = argv[argv.index("--socket") + 1]
        return fastcgi.ask(path, "GET", "/metrics").body.decode()

    def monitoring(self, name):
        return os.path.join(TOP, "examples", "monitoring", name)

    def promtool(self, *arguments, stdin=None):
        if shutil.which("promtool") is None:
            self.skipTest("there is no promtool")
        return subprocess.run(["promtool", *arguments], input=stdin, capture_output=True,
                              text=True, check=False)

    def test_prometheus_reads_them_without_a_complaint(self):
        for program, text in (("notifier", self.notifier()), ("fcgi-order", self.fcgi())):
            with self.subTest(program=program):
                done = self.promtool("check", "metrics", stdin=text)
                self.assertEqual((done.returncode, done.stderr), (0, ""), text)

    def test_the_alert_rules_are_good_and_raise_what_they_are_for(self):
        for arguments in (("check", "rules", self.monitoring("orderbell.rules.yml")),
                          ("test", "rules", self.monitoring("orderbell.rules.test.yml"))):
            done = self.promtool(*arguments)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_rules_and_dashboard_ask_for_what_there_is(self):
        there = set(re.findall(r"^(orderbell_\w+)", self.notifier() + self.fcgi(), re.M))
        with open(self.monitoring("orderbell.rules.yml"), encoding="utf-8") as f:
            rules = "\n".join(line for line in f if "summary:" not in line)
        with open(self.monitoring("orderbell.dashboard.json"), encoding="utf-8") as f:
            dashboard = json.load(f)
        asked = " ".join(target["expr"] for panel in dashboard["panels"]
                         for target in panel["targets"])
        self.assertGreater(len(names_in(asked)), 10)
        self.assertEqual(names_in(rules) - there, set())
        self.assertEqual(names_in(asked) - there, set())
        labels = set(re.findall(r'="(\w+)"', self.notifier() + self.fcgi()))
        wanted = re.findall(r'(?:reason|verdict)=~?"([\w|]+)"', rules)
        self.assertGreater(len(wanted), 2)
        self.assertEqual(set("|".join(wanted).split("|")) - labels, set())

    def test_a_live_event_counts_in_the_histogram_one_that_was_missed_does_not(self):
        count = "orderbell_commit_to_send_seconds_count"
        with PythonTerminal(self.stack.ws_url("till-1"), v1=True) as terminal:
            terminal.wait_until_live(self.stack)
            before = self.stack.metric(count)
            order = self.stack.place_order()
            self.stack.pay_by_sql(order)
            terminal.event_of(order.id)
            self.assertTrue(until(lambda: self.stack.metric(count) == before + 1, WITHIN_S))
        missed = self.stack.place_order()
        self.stack.pay_by_sql(missed)
        with PythonTerminal(self.stack.ws_url("till-1"), v1=True) as terminal:
            terminal.event_of(missed.id)
            terminal.wait_until_live(self.stack)
        self.assertEqual(self.stack.metric(count), before + 1)

    def test_how_far_terminals_are_and_how_long_an_event_waits(self):
        live = 'orderbell_terminals{state="live"}'
        with PythonTerminal(self.stack.ws_url("till-2", merchant=2), v1=True) as terminal:
            terminal.wait_open()
            self.assertTrue(until(lambda: self.stack.metric(live) == 1, WITHIN_S))
            self.stack.pay_by_sql(self.stack.place_order(merchant=2))
            self.stack.psql("update order_event set created_at = now() - interval '1 hour'"
                            " where merchant_id = 2")
            self.assertTrue(until(lambda: 3600 <= self.stack.metric(
                "orderbell_oldest_unacked_seconds") < 3700, WITHIN_S))
            self.stack.psql("update order_event set acked_at = now() where acked_at is null")
            self.assertTrue(until(
                lambda: self.stack.metric("orderbell_oldest_unacked_seconds") == 0, WITHIN_S))
        self.assertTrue(until(lambda: self.stack.metric(live) == 0, WITHIN_S))

    def test_a_log_of_json_is_an_object_a_line(self):
        request(self.stack.web_url + "/notify/webhook", "POST", body=b"{}")
        for part in ("notifier-1", "fcgi-order"):
            with self.subTest(part=part):
                lines = [json.loads(line) for line in self.stack.part_log(part).splitlines()]
                started = [line for line in lines if line["message"] == "started"]
                self.assertEqual(len(started), 1)
                self.assertIn("version", started[0]["fields"])
                self.assertRegex(started[0]["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


if __name__ == "__main__":
    unittest.main()
