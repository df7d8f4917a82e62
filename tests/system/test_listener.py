"""What the listener makes of notifications that lie, or that never come."""

import contextlib
import statistics
import time
import unittest

from clients import PythonTerminal
from processes import until
from spy import Spy
from stack import Stack
from timing import within

REREAD_S = 30
BEFORE_REREAD_S = 20  # whatever is told within it was not found by the next reading
SLACK_S = 10


class Listener(unittest.TestCase):
    """order_control and what is read behind it"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def setUp(self):
        self.merchant = int(self.stack.psql(
            "insert into merchant (name) values ('listened to') returning id"))

    def spy(self):
        spy = Spy(f"host=127.0.0.1 port={self.stack.env['PGPORT']} user=notifier dbname=orderbell")
        self.addCleanup(spy.__exit__)
        return spy

    def watching(self):
        spy = self.spy()
        spy.watch(self.merchant)
        return spy

    def ring(self, n=1):
        """Makes n events; gives their seqs."""
        self.stack.psql(f"select orderbell.notify({self.merchant}, 1, 'x') "
                        f"from generate_series(1, {n})")
        top = int(self.stack.psql(f"select seq from stream where merchant_id = {self.merchant}"))
        return list(range(top - n + 1, top + 1))

    def ack_silently(self, seqs, by, more_sql=""):
        """As if the notification had been lost."""
        self.stack.psql(f"update order_event set acked_at = clock_timestamp(), acked_by = '{by}' "
                        f"where merchant_id = {self.merchant} "
                        f"and seq = any('{{{','.join(map(str, seqs))}}}'); {more_sql}")

    def ack(self, seqs, by):
        self.stack.psql(f"select orderbell.ack({self.merchant}, "
                        f"'{{{','.join(map(str, seqs))}}}', '{by}')")

    def control(self, payload):
        self.stack.psql(f"notify order_control, '{payload}'")

    def terminate_notifiers(self):
        """Gives how many sessions there were."""
        return int(self.stack.psql("select count(pg_terminate_backend(pid)) from pg_stat_activity "
                                   "where usename = 'notifier'"))

    @contextlib.contextmanager
    def notifiers_kept_out(self):
        """No session of theirs is there, nor can one come, until the block ends: what is notified
        meanwhile is lost."""
        self.stack.psql("alter role notifier nologin")
        try:
            self.assertTrue(until(lambda: self.terminate_notifiers() == 0, 30))
            yield
        finally:
            self.stack.psql("alter role notifier login")

    def test_what_nobody_tells_of_is_told_within_30_s_and_once(self):
        old = self.ring(4)  # they were there before the listener, the others come while it listens
        terminals = self.add_terminals(2)
        spy = self.watching()
        seqs = old + self.ring(3)
        spy.wait_for(lambda call: call.get("message", {}).get("seq") == seqs[-1], "the last")
        self.ack([seqs[0]], "heard")
        spy.wait_acked(seqs[0], merchant=self.merchant)
        started = time.monotonic()
        self.ack_silently(seqs[1:3], "lost-1")
        self.ack_silently(seqs[4:6], "lost-2")
        self.stack.psql(f"delete from order_event where merchant_id = {self.merchant} "
                        f"and seq = {seqs[3]}")
        self.stack.psql(f"update terminal set revoked_at = now() where id = {terminals[0]}")
        spy.wait_acked(seqs[5], REREAD_S + SLACK_S, self.merchant)
        self.expect_terminals(spy, terminals[1:])
        self.assertLess(time.monotonic() - started, REREAD_S + SLACK_S)
        expected = {"heard": [seqs[0]], "lost-1": seqs[1:3], "lost-2": seqs[4:6],
                    "deleted": [seqs[3]]}
        self.assertEqual(spy.acked(self.merchant), expected)
        # Nor is it told a second time, when the notification comes late or all is read anew.
        self.control(f'{{"acked":{seqs},"merchant":{self.merchant},"by":"late"}}')
        self.terminate_notifiers()
        spy.wait_log("will reconnect")
        last = self.ring()
        self.ack(last, "last")
        spy.wait_acked(last[0], merchant=self.merchant)
        self.assertEqual(spy.acked(self.merchant), {**expected, "last": last})

    def test_an_ack_made_while_it_is_disconnected_is_told_after_the_reconnect(self):
        seqs = self.ring(2)
        terminal = PythonTerminal(self.stack.ws_url("till-2", merchant=self.merchant), v1=True)
        self.addCleanup(terminal.close)
        terminal.wait_until_live()
        spy = self.watching()
        with self.notifiers_kept_out():
            self.ack(seqs[:1], "meanwhile")
        spy.wait_acked(seqs[0], BEFORE_REREAD_S, self.merchant)
        self.assertEqual(terminal.wait_for(lambda m: "acked" in m, "acked", BEFORE_REREAD_S),
                         {"acked": [seqs[0]], "by": "meanwhile"})
        self.assertEqual(spy.acked(self.merchant), {"meanwhile": [seqs[0]]})

    def test_of_very_many_all_that_were_acked_unheard_are_told(self):
        seqs = self.ring(1500)
        spy = self.watching()
        self.ack_silently(seqs[:1200], "many")
        self.control(f'{{"acked":[],"merchant":{self.merchant}}}')
        spy.wait_acked(seqs[1199], merchant=self.merchant)
        self.ack([seqs[1300]], "one")
        spy.wait_acked(seqs[1300], merchant=self.merchant)
        self.assertEqual(spy.acked(self.merchant), {"many": seqs[:1200], "one": [seqs[1300]]})

    def test_of_very_many_those_acked_unheard_are_told_after_a_reconnect(self):
        seqs = self.ring(3500)
        spy = self.watching()
        self.ack([seqs[3400]], "heard")
        spy.wait_acked(seqs[3400], merchant=self.merchant)
        gone = seqs[:10] + seqs[1100:3200] + [seqs[3499]]
        self.ack_silently(gone, "meanwhile")
        self.terminate_notifiers()
        spy.wait_acked(seqs[3499], 10, self.merchant)
        self.assertEqual(spy.acked(self.merchant), {"heard": [seqs[3400]], "meanwhile": gone})
        # All in between are heard of as ever, also when there is room among the lowest again.
        later = self.ring()
        spy.wait_for(lambda call: call.get("message", {}).get("seq") == later[0], "a later one")
        self.ack([seqs[3300]], "heard")
        spy.wait_acked(seqs[3300], merchant=self.merchant)

    def test_what_was_acked_before_anybody_was_told_is_not_told_later(self):
        seqs = self.ring(4000)
        self.ack_silently(seqs[1000:3990], "long ago")
        self.stack.psql("update order_event set acked_at = acked_at - interval '1 hour' "
                        f"where merchant_id = {self.merchant} and acked_at is not null")
        spy = self.watching()
        # As it is looked at last, all others have been.
        self.ack_silently([seqs[3999]], "last")
        self.control(f'{{"acked":[],"merchant":{self.merchant}}}')
        spy.wait_acked(seqs[3999], merchant=self.merchant)
        self.assertEqual(spy.acked(self.merchant), {"last": [seqs[3999]]})

    def test_an_ack_that_is_not_true_is_not_told(self):
        seqs = self.ring(2)
        spy = self.watching()
        self.control(f'{{"acked":{seqs + [seqs[1] + 1]},"merchant":{self.merchant},"by":"x"}}')
        self.control(f'{{"acked":[],"merchant":{self.merchant},"by":"x"}}')
        later = self.ring()
        self.ack(later, "y")
        spy.wait_acked(later[0], merchant=self.merchant)
        self.assertEqual(spy.acked(self.merchant), {"y": later})

    def test_what_it_does_not_know_is_counted_logged_and_passed_over(self):
        seqs = self.ring()
        terminal = PythonTerminal(self.stack.ws_url("till-3", merchant=self.merchant), v1=True)
        self.addCleanup(terminal.close)
        terminal.wait_until_live()
        spy = self.watching()
        before = self.stack.metric("orderbell_control_unknown_total")
        self.control('{"replaced":5,"merchant":1}')
        self.control("nonsense\nwith a second line")
        self.control('{"probe":"of another notifier"}')
        self.control('{"acked":[1],"merchant":999999}')
        self.ack(seqs, "z")
        terminal.wait_for(lambda m: "acked" in m, "acked")
        self.assertEqual(self.stack.metric("orderbell_control_unknown_total"), before + 2)
        spy.wait_log('passed over: payload="nonsense\\x0awith a second line"')
        self.assertEqual(len(spy.logged("passed over")), 2, spy.log)

    def test_a_new_epoch_by_hand_is_looked_at_at_once(self):
        self.ring(3)
        spy = self.watching()

        def seconds(sql, is_told):
            since = len(spy.calls)
            started = time.monotonic()
            self.stack.psql(sql)
            spy.wait_for(is_told, sql, since=since)
            return time.monotonic() - started

        # The poll alone would find out after anything up to a second; how long the rest takes on this
        # machine an event tells, which is rung for.
        epochs_s, events_s = [], []
        for _ in range(25):
            epochs_s.append(seconds(f"select orderbell.new_epoch({self.merchant})",
                                    lambda call: call.get("stream") == self.merchant))
            events_s.append(seconds(f"select orderbell.notify({self.merchant}, 1, 'x')",
                                    lambda call: call.get("item") == self.merchant))
        late_s = [statistics.quantiles(took_s, n=4)[2] for took_s in (epochs_s, events_s)]
        self.assertLess(late_s[0] - late_s[1], 0.4, (epochs_s, events_s))

    def test_what_is_open_is_known_before_the_stream_is_told_also_after_a_new_epoch(self):
        seqs = self.ring(2)
        spy = self.watching()
        since = len(spy.calls)
        self.stack.psql(f"select orderbell.new_epoch({self.merchant})")
        spy.wait_for(lambda call: call.get("stream") == self.merchant, "stream", since=since)
        self.ack_silently(seqs, "quiet")
        self.control(f'{{"acked":{seqs},"merchant":{self.merchant}}}')
        spy.wait_acked(seqs[1], merchant=self.merchant)

    def test_whose_tokens_hold_is_told_at_the_start_and_with_each_revocation(self):
        ids = self.add_terminals(6)
        spy = self.watching()
        self.expect_terminals(spy, ids)

        def seconds_to_tell():
            self.revoke(ids.pop())
            started = time.monotonic()
            self.expect_terminals(spy, ids)
            return time.monotonic() - started

        within(1, seconds_to_tell)
        while ids:
            seconds_to_tell()
        # One that was added and revoked since, whose revocation was not heard.
        since = len(spy.calls)
        self.terminate_notifiers()
        self.expect_terminals(spy, [], since)

    def test_merchants_without_tokens_are_not_spoken_of_but_where_one_is_said_to_be_gone(self):
        spy = self.watching()
        last = self.ring()
        self.ack(last, "last")
        spy.wait_acked(last[0], merchant=self.merchant)
        self.assertEqual([call for call in spy.calls if "terminals" in call], [])
        self.control(f'{{"revoked":1,"merchant":{self.merchant}}}')
        self.expect_terminals(spy, [])

    def test_a_second_watcher_hears_whose_tokens_hold_as_well(self):
        # Of a revocation before it came it has heard nothing.
        ids = self.add_terminals(2)
        spy = self.watching()
        self.expect_terminals(spy, ids)
        since = len(spy.calls)
        spy.watch(self.merchant)
        self.expect_terminals(spy, ids, since)

    def test_what_was_acked_before_it_was_read_is_not_told_as_open(self):
        spy = self.watching()
        open_seqs = self.ring(2)
        self.stack.psql("begin; set local orderbell.quiet = on; "
                        f"select orderbell.notify({self.merchant}, 1, 'imported'); commit")
        spy.wait_for(lambda call: call.get("message", {}).get("acked") == "quiet", "the imported")
        self.assertIn(spy.watch(self.merchant)["open"], (open_seqs, None))

    def test_a_single_event_does_not_wait_for_the_mass_of_others(self):
        others = [int(row[0]) for row in self.stack.rows(
            "insert into merchant (name) select 'busy' from generate_series(1, 8) returning id")]
        spy = self.spy()
        for merchant in (*others, self.merchant):
            spy.watch(merchant)
        mass = 8000
        self.stack.psql(f"begin; select orderbell.notify(m, 1, 'x') from unnest(array{others}) m, "
                        f"generate_series(1, {mass}); commit; "
                        f"select orderbell.notify({self.merchant}, 1, 'single')")
        for merchant in (*others, self.merchant):
            last = 1 if merchant == self.merchant else mass
            spy.wait_for(lambda call: call.get("item") == merchant and
                         call["message"]["seq"] == last, f"the last of {merchant}", 60)
        told = [call["item"] for call in spy.calls if "item" in call]
        self.assertEqual(len(told), len(others) * mass + 1)
        self.assertLess(told.index(self.merchant), len(told) / 2)

    def add_terminals(self, n):
        """Terminals that have tokens; gives their ids."""
        return [int(row[0]) for row in self.stack.rows(f"""
            insert into terminal (merchant_id, name, token_hash)
            select {self.merchant}, 'till-' || i, sha256(i::text::bytea)
            from generate_series(1, {n}) i returning id""")]

    def expect_terminals(self, spy, ids, since=0, within_s=BEFORE_REREAD_S):
        spy.wait_for(lambda call: call.get("terminals") == self.merchant and
                     sorted(call["ids"]) == sorted(ids), f"terminals {ids}", within_s, since)

    def revoke(self, terminal_id):
        self.stack.psql(f"update terminal set revoked_at = now() where id = {terminal_id}; "
                        f"notify order_control, "
                        f"'{{\"revoked\":{terminal_id},\"merchant\":{self.merchant}}}'")

    def test_a_merchant_that_is_made_while_it_is_watched_is_heard_from_its_first_event_on(self):
        spy = self.spy()
        later = self.merchant + 1000
        self.assertEqual(spy.watch(later), {"stream": later, "epoch": "none", "top": 0,
                                            "open": []})
        self.stack.psql(f"""
            insert into merchant (id, name) overriding system value values ({later}, 'later');
            select orderbell.notify({later}, 1, 'first')""")
        spy.wait_for(lambda call: call.get("item") == later, "the first event")
        self.assertEqual([seq for seq, _ in spy.seqs(later)], [1])
        self.stack.psql(f"select orderbell.ack({later}, '{{1}}', 'x')")
        spy.wait_acked(1, merchant=later)

    def test_in_a_stream_of_notifications_new_watches_and_polls_have_their_turn(self):
        spy = self.watching()
        self.stack.psql("""
            select pg_notify('order_events', format('{"merchant":%s}', m.id))
            from merchant m, generate_series(1, 3000) i""")
        other = int(self.stack.psql("insert into merchant (name) values ('other') returning id"))
        self.assertEqual(spy.watch(other)["top"], 0)

    def test_notifications_arrive_so_there_is_no_warning(self):
        spy = self.watching()
        self.assertTrue(until(lambda: self.stack.psql(
            "select count(*) from pg_stat_activity where application_name = 'orderbell-probe'")
            == "0" and spy.logged("listening"), 60))
        deadline = time.monotonic() + 4  # the probe's own bounds
        while time.monotonic() < deadline:
            self.assertEqual(spy.logged("do not arrive"), [])
            self.assertEqual(self.stack.metric("orderbell_listener_poll_only"), 0)
            last = self.ring()
            spy.wait_for(lambda call, last=last: call.get("message", {}).get("seq") == last[0],
                         "the event")

