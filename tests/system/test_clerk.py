"""The clerk's books in the database: leases, presence, first deliveries, alerts."""

import os
import signal
import subprocess
import threading
import time
import unittest

from clients import PythonTerminal
from loadclient import build_dir
from processes import until
from stack import Stack
from streams import StreamTerminal

WITHIN_S = 30
FACTS_MAX = 65536
BEFORE_BEAT_S = 8  # what is not told at once is told every 10 s
ALERT_S = 60  # for one to be raised: it is looked for every 5 s


class Clerk:
    """A clerk of its own (tests/spy/clerk_by_hand) that a test tells things."""

    def __init__(self, stack, name, max_presences=0, escalate_s=0):
        self.stack = stack
        self.name = name
        conninfo = " ".join(f"{key}={stack.env[var]}" for key, var in
                            (("host", "PGHOST"), ("port", "PGPORT"), ("dbname", "PGDATABASE")))
        self.log = open(os.path.join(stack.folder, "log", f"clerk-{name}.log"), "w",
                        encoding="utf-8")
        self.process = subprocess.Popen(
            [os.path.join(build_dir(), "tests", "spy", "clerk_by_hand"),
             conninfo + " user=notifier", name, str(max_presences), str(escalate_s)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.lock = threading.Lock()

    def tell(self, *lines):
        self.process.stdin.writelines(line + "\n" for line in lines)
        self.process.stdin.flush()

    def metric(self, name):
        self.tell("metrics")
        value = None
        while (line := self.process.stdout.readline()) != ".\n":
            if line.startswith(name + " "):
                value = int(line.split()[-1])
        return value

    def end(self):
        """In good order; gives the exit status."""
        self.process.stdin.close()
        self.process.stdout.close()
        status = self.process.wait(timeout=40)
        self.log.close()
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.end()

    # --- what the books say ---

    def id(self):
        return self.stack.psql(f"select id from notifier where name = '{self.name}'")

    def present(self):
        """[(connection, merchant, terminal, kind, audio)] in order."""
        return [(int(c), int(m), *rest) for c, m, *rest in self.stack.rows(
            "select connection, merchant_id, terminal, kind, audio from presence p"
            f" join notifier n on n.id = p.notifier_id where n.name = '{self.name}'"
            " order by connection")]

    def n_present(self):
        return int(self.stack.psql(
            "select count(*) from presence p join notifier n on n.id = p.notifier_id"
            f" where n.name = '{self.name}'"))


class Books(unittest.TestCase):
    """the clerk's books"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(settings=("escalate_s=0",)).up()
        cls.addClassCleanup(cls.stack.down)

    def clerk(self, name, **options):
        clerk = Clerk(self.stack, name, **options)
        self.addCleanup(clerk.close)
        self.becomes(lambda: clerk.id() != "", True, "the lease of " + name)
        return clerk

    def becomes(self, get, wanted, what, within_s=WITHIN_S):
        seen = []

        def is_so():
            seen[:] = [get()]
            return seen[0] == wanted

        self.assertTrue(until(is_so, within_s), f"{what}: {seen[0]!r}, wanted {wanted!r}")

    def test_a_notifier_holds_a_lease_while_it_runs_and_renews_it(self):
        address = self.stack.notifier_url.removeprefix("http://")
        self.becomes(lambda: self.stack.psql(
            f"select clock_ahead is not null from notifier where name = '{address}'"), "t", "a lease")
        version, mode, is_alive, until_1 = self.stack.rows(
            "select version, mode, lease_until between now() + interval '5 seconds'"
            " and now() + interval '31 seconds', lease_until from notifier"
            f" where name = '{address}'")[0]
        self.assertEqual((mode, is_alive), ("listen", "t"))
        self.assertRegex(version, r"^\d+\.\d+")
        self.assertEqual(self.stack.metric("orderbell_clerk_up"), 1)
        self.assertEqual(self.stack.psql("select is_ok from doctor() where check_name = 'clock'"
                                         " and (select clock_ahead is not null from notifier"
                                         f" where name = '{address}')"), "t")
        self.assertTrue(until(lambda: self.stack.psql(
            f"select lease_until > '{until_1}' from notifier where name = '{address}'") == "t", WITHIN_S))

    def test_a_notifier_that_is_started_anew_is_another_one(self):
        self.becomes(lambda: self.stack.psql("select count(*) from notifier"), "1", "who runs")
        ids = self.stack.psql("select id from notifier")
        self.assertRegex(ids, "^[0-9a-f]{32}$")
        self.stack.restart("notifier")
        self.becomes(lambda: self.stack.psql("select count(*), bool_or(id = '" + ids +
                                             "') from notifier"), "1|f", "who runs")

    def test_who_comes_changes_and_goes_is_told(self):
        clerk = self.clerk("comes")
        clerk.tell("present 4096 1 till-1 v1 armed", "present 8192 2 null plain unknown",
                   "present 12288 1 kitchen.2 sse blocked")
        self.becomes(clerk.present, [(4096, 1, "till-1", "v1", "armed"),
                                     (8192, 2, "null", "plain", "unknown"),
                                     (12288, 1, "kitchen.2", "sse", "blocked")], "presence")
        notifier = clerk.id()
        self.assertEqual(self.stack.psql(
            "select bool_and(now() - since between interval '0' and interval '1 minute')"
            f" from presence where notifier_id = '{notifier}'"), "t")
        clerk.tell("present 4096 1 till-1 v1 blocked", "gone 8192", "gone 12288",
                   "present 12288 2 till-9 v1 armed")  # the same address, somebody else
        self.becomes(clerk.present, [(4096, 1, "till-1", "v1", "blocked"),
                                     (12288, 2, "till-9", "v1", "armed")], "presence")
        self.assertEqual(clerk.end(), 0)
        self.assertEqual(clerk.id(), "")
        self.assertEqual(self.stack.psql(
            f"select count(*) from presence where notifier_id = '{notifier}'"), "0")

    def test_first_deliveries_are_kept_and_later_ones_change_nothing(self):
        clerk = self.clerk("first")
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        event = self.stack.psql(f"select id from order_event where order_id = {order.id}")
        get = lambda: self.stack.psql(
            "select first_sent_to, now() - first_sent_at between interval '0' and"
            f" interval '1 minute' from delivery where event_id = {event}")
        clerk.tell(f"delivered {event} till-1", f"delivered {event} till-2")
        self.becomes(get, "till-1|t", "the delivery")
        clerk.tell(f"delivered {event} till-3")
        self.becomes(lambda: clerk.metric('orderbell_delivery_facts_total{result="written"}'), 3,
                     "facts written")
        self.assertEqual(get(), "till-1|t")

    def test_the_mode_is_told_at_once(self):
        clerk = self.clerk("mode")
        mode = lambda: self.stack.psql("select mode from notifier where name = 'mode'")
        self.assertEqual(mode(), "listen")
        clerk.tell("mode poll")
        self.becomes(mode, "poll", "the mode", within_s=BEFORE_BEAT_S)
        clerk.tell("mode listen")
        self.becomes(mode, "listen", "the mode", within_s=BEFORE_BEAT_S)

    def test_one_that_was_struck_off_the_books_tells_all_anew(self):
        clerk = self.clerk("struck")
        clerk.tell("present 4096 1 till-1 v1 armed", "present 8192 2 till-2 v1 armed")
        both = [(4096, 1, "till-1", "v1", "armed"), (8192, 2, "till-2", "v1", "armed")]
        self.becomes(clerk.present, both, "presence")
        self.stack.psql("delete from presence where notifier_id = (select id from notifier where"
                        " name = 'struck'); delete from notifier where name = 'struck'")
        self.becomes(clerk.present, both, "presence")

    def test_of_a_great_many_each_is_told(self):
        clerk = self.clerk("crowd", max_presences=100000)
        started = time.monotonic()
        clerk.tell("crowd 70000")
        self.becomes(clerk.n_present, 70000, "presence", within_s=60)
        print(f"       70,000 told in {time.monotonic() - started:.1f} s", flush=True)
        self.assertEqual(clerk.metric("orderbell_presence_dropped_total"), 0)
        self.becomes(lambda: clerk.metric("orderbell_presence_pending"), 0, "pending")

    def test_of_those_that_poll_by_ever_new_names_a_thousand_are_told(self):
        clerk = self.clerk("inventive")
        clerk.tell("present 9000 1 till-1 v1 armed",
                   *(f"present {n} 1 name-{n} poll unknown" for n in range(1, 1101)))
        self.becomes(lambda: clerk.metric("orderbell_presence_gave_way_total"), 100, "gave way")
        present = clerk.present()
        self.assertEqual(len(present), 1001)
        self.assertEqual((present[-1], present[-2]), ((9000, 1, "till-1", "v1", "armed"),
                                                      (1100, 1, "name-1100", "poll", "unknown")))

    def test_more_than_there_is_room_for_are_dropped_and_counted(self):
        clerk = self.clerk("too-many")
        clerk.tell("crowd 200000")  # faster than anybody could write it
        self.becomes(lambda: clerk.metric("orderbell_presence_dropped_total") >= 65537, True,
                     "dropped")
        # The others are not harmed by it.
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        event = self.stack.psql(f"select id from order_event where order_id = {order.id}")
        clerk.tell(f"delivered {event} till-1")
        self.becomes(lambda: self.stack.psql(
            f"select count(*) from delivery where event_id = {event}"), "1", "the delivery")


class Alerts(unittest.TestCase):
    """alerts for what nobody acks"""

    def setUp(self):
        self.stack = Stack(settings=("escalate_s=1",)).up()
        self.addCleanup(self.stack.down)

    def paid(self, merchant):
        order = self.stack.place_order(merchant)
        self.stack.pay_by_sql(order)
        return order

    def alerts(self, merchant):
        return self.stack.rows("select kind, order_id from alerts where merchant_id ="
                               f" {merchant} order by id")

    def test_each_event_raises_one_whoever_looks_and_says_if_somebody_is_there(self):
        clerks = [Clerk(self.stack, name, escalate_s=1) for name in ("a", "b")]
        for clerk in clerks:
            self.addCleanup(clerk.close)
        clerks[0].tell("present 4096 1 till-1 v1 armed")
        self.assertTrue(until(lambda: clerks[0].n_present() == 1, WITHIN_S))
        here, away, acked = (self.stack.place_order(merchant) for merchant in (1, 2, 1))
        # Acked before anybody can look: they are a second old by then.
        self.stack.psql(f"update orders set pay_status = 1 where id = {acked.id}; "
                        "select ack(1, array[(select seq from order_event where order_id ="
                        f" {acked.id})], 'till-1')")
        for order in (here, away):
            self.stack.pay_by_sql(order)
        self.assertTrue(until(lambda: self.alerts(1) and self.alerts(2), ALERT_S))
        # By the time the next one is told all have looked again.
        later = self.paid(1)
        self.assertTrue(until(lambda: len(self.alerts(1)) == 2, ALERT_S))
        self.assertEqual(self.alerts(1), [["ignored", str(here.id)], ["ignored", str(later.id)]])
        self.assertEqual(self.alerts(2), [["unreachable", str(away.id)]])
        counted = lambda: self.stack.metric("orderbell_alerts_total") + sum(
            clerk.metric("orderbell_alerts_total") for clerk in clerks)
        self.assertTrue(until(lambda: counted() == 3, WITHIN_S), counted())

    def test_a_merchant_may_have_a_time_of_his_own(self):
        clerk = Clerk(self.stack, "own", escalate_s=0)
        self.addCleanup(clerk.close)
        self.stack.psql("update merchant set escalate_after = interval '0' where id = 3")
        self.paid(3)
        before = self.paid(1)
        self.assertTrue(until(lambda: str(before.id) in [o for _, o in self.alerts(1)], ALERT_S))
        self.assertEqual(self.alerts(3), [])
        self.stack.psql("update merchant set escalate_after = interval '1 second' where id = 3")
        self.assertTrue(until(lambda: len(self.alerts(3)) == 1, ALERT_S))


class Terminals(unittest.TestCase):
    """terminals in the books"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(settings=("escalate_s=2",)).up()
        cls.addClassCleanup(cls.stack.down)

    def open(self, kind, sid, path="/ws/", scheme="ws", merchant=1, **options):
        url = self.stack.notifier_url.replace("http", scheme, 1)
        terminal = kind(f"{url}{path}{sid}?merchant={merchant}", **options)
        self.addCleanup(terminal.close)
        return terminal

    def three(self):
        """A v1 terminal and a plain one of merchant 1, a stream of merchant 2."""
        hello = {"audio": "armed"}
        return (self.open(PythonTerminal, "till-1", v1=True, hello=hello).wait_until_live(),
                self.open(PythonTerminal, "till-2").wait_until_live(self.stack),
                self.open(StreamTerminal, "bar", "/events/", "http", 2).wait_until_live())

    def becomes(self, wanted, within_s=WITHIN_S):
        """The books name these: (merchant, terminal, kind, audio)."""
        get = lambda: [(int(merchant), *rest) for merchant, *rest in self.stack.rows(
            "select merchant_id, terminal, kind, audio from presence order by 1, 2")]
        self.assertTrue(until(lambda: get() == wanted, within_s), get())

    def test_they_are_in_the_books_while_they_are_connected(self):
        v1, plain, stream = self.three()
        rest = [(1, "till-2", "plain", "unknown"), (2, "bar", "sse", "unknown")]
        self.becomes([(1, "till-1", "v1", "armed"), *rest])
        v1.send('{"audio":"blocked"}')
        self.becomes([(1, "till-1", "v1", "blocked"), *rest])
        plain.close()
        stream.close()
        self.becomes([(1, "till-1", "v1", "blocked")])
        v1.close()
        self.becomes([])

    def test_what_they_are_sent_first_is_in_the_books_and_what_they_ignore(self):
        v1, plain, _ = self.three()
        self.becomes([(1, "till-1", "v1", "armed"), (1, "till-2", "plain", "unknown"),
                      (2, "bar", "sse", "unknown")])
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        for terminal in (v1, plain):
            terminal.event_of(order.id)
        first = lambda: self.stack.psql(
            "select d.first_sent_to in ('till-1', 'till-2') and d.first_sent_at >= e.created_at"
            f" from delivery d join order_event e on e.id = d.event_id where order_id = {order.id}")
        self.assertTrue(until(lambda: first() == "t", WITHIN_S), first())
        alert = lambda: self.stack.psql(f"select kind from alerts where order_id = {order.id}")
        self.assertTrue(until(lambda: alert() == "ignored", ALERT_S), alert())

    def test_they_are_told_anew_when_the_database_comes_back(self):
        _, plain, _ = self.three()
        there = [(1, "till-1", "v1", "armed"), (2, "bar", "sse", "unknown")]
        self.becomes([there[0], (1, "till-2", "plain", "unknown"), there[1]])
        self.stack.kill_postgres()
        plain.close()
        self.stack.restart("postgres")
        self.becomes(there, within_s=60)


class DatabaseGone(unittest.TestCase):
    """the clerk without a database"""

    def setUp(self):
        self.stack = Stack(settings=("escalate_s=0",)).up()
        self.addCleanup(self.stack.down)

    def test_nothing_grows_beyond_its_bound_and_all_is_told_when_it_is_back(self):
        clerk = Clerk(self.stack, "gone")
        self.addCleanup(clerk.close)
        clerk.tell("present 4096 1 till-1 v1 armed", "present 8192 2 till-2 plain unknown")
        self.assertTrue(until(lambda: clerk.n_present() == 2, WITHIN_S))
        self.stack.kill_postgres()
        self.assertTrue(until(lambda: clerk.metric("orderbell_clerk_up") == 0, WITHIN_S))
        clerk.tell("gone 8192", "present 4096 1 till-1 v1 blocked",
                   "present 12288 2 till-3 sse unknown", "facts 1000001 70000")
        self.assertEqual(clerk.metric("orderbell_presence_pending"), 0)
        self.assertEqual(clerk.metric('orderbell_delivery_facts_total{result="dropped"}'),
                         70000 - FACTS_MAX)
        self.stack.restart("postgres")
        there = [(4096, 1, "till-1", "v1", "blocked"), (12288, 2, "till-3", "sse", "unknown")]
        self.assertTrue(until(lambda: clerk.present() == there, 60), clerk.present())
        self.assertTrue(until(lambda: clerk.metric(
            'orderbell_delivery_facts_total{result="written"}') == FACTS_MAX, 60))
        self.assertEqual(self.stack.psql("select count(*), min(event_id), max(event_id) from"
                                         " delivery where event_id > 1000000"),
                         f"{FACTS_MAX}|1000001|{1000000 + FACTS_MAX}")
        self.assertEqual(clerk.metric("orderbell_clerk_up"), 1)

    def test_a_session_that_was_cut_is_made_again_and_the_books_are_right(self):
        clerk = Clerk(self.stack, "cut")
        self.addCleanup(clerk.close)
        clerk.tell("present 4096 1 till-1 v1 armed")
        self.assertTrue(until(lambda: clerk.n_present() == 1, WITHIN_S))
        self.stack.psql("select pg_terminate_backend(pid) from pg_stat_activity where"
                        " application_name = 'orderbell-clerk'")
        clerk.tell("gone 4096", "present 8192 1 till-2 v1 armed")
        self.assertTrue(until(
            lambda: clerk.present() == [(8192, 1, "till-2", "v1", "armed")], WITHIN_S))

    def test_it_ends_soon_although_the_database_is_gone_or_silent(self):
        clerk = Clerk(self.stack, "silent")
        self.addCleanup(clerk.close)
        self.assertTrue(until(lambda: clerk.id() != "", WITHIN_S))
        pid = int(self.stack.env["PG_PID"])
        backend = int(self.stack.psql("select pid from pg_stat_activity a join notifier n on true"
                                      " where application_name = 'orderbell-clerk' and"
                                      " n.name = 'silent' order by backend_start desc limit 1"))
        os.kill(backend, signal.SIGSTOP)
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            clerk.tell("facts 1 10")
            self.assertEqual(clerk.end(), 0)
            self.assertLess(time.monotonic() - started, 12)
        finally:
            os.kill(pid, signal.SIGCONT)
            os.kill(backend, signal.SIGCONT)
