"""PostgreSQL falls silent, fails over to another host, or is taken back to an older state; the
notifier keeps its terminals and finds out by itself."""

import os
import shutil
import signal
import time
import unittest

import cluster
import processes
from clients import PythonTerminal
from processes import until
from relay import Relay
from stack import Stack, request

FOUND_S = 15  # a connection that is dead without a word
BACK_S = 60
GATEWAY_S = 5  # no gateway waits longer


class ReturningTerminal:
    """A v1 terminal as a merchant has one: it comes back whenever it is closed, from the last event
    it has seen."""

    def __init__(self, url):
        self.url = url
        self.lives = []
        self.after = None
        self.come_back()

    def come_back(self):
        hello = {"after": self.after} if self.after else None
        self.lives.append(PythonTerminal(self.url, v1=True, hello=hello))

    def look(self):
        """Comes back if need be; gives all messages of its present life."""
        now = self.lives[-1]
        messages = [frame.json for frame in list(now.frames)]
        for message in messages:
            if "seq" in message:
                self.after = {"epoch": message["epoch"], "seq": message["seq"]}
        if now.is_ended:
            self.come_back()
        return messages

    def events(self):
        """All that it was told of, in order: messages."""
        self.look()
        return [frame.json for life in self.lives for frame in list(life.frames)
                if "seq" in frame.json]

    def wait_event(self, order, within_s=BACK_S):
        def event():  # by its number: a database that was taken back gives the same ids again
            return next((m for m in self.events() if order.number in m["content"]), None)

        found = until(event, within_s)
        if not found:
            raise AssertionError(f"order {order.id} did not ring within {within_s} s: "
                                 f"{[life.frames for life in self.lives]}")
        return found

    def wait_caught_up(self, within_s=BACK_S):
        if not until(lambda: any("caught_up" in m for m in self.look()), within_s):
            raise AssertionError(f"not caught up: {[life.frames for life in self.lives]}")

    def welcomes(self):
        return [frame.json for life in self.lives for frame in list(life.frames)
                if "welcome" in frame.json]

    def close_codes(self):
        return [life.close_code for life in self.lives if life.is_ended]

    def close(self):
        for life in self.lives:
            life.close()


class Failover(unittest.TestCase):
    """What the tests share"""

    def stack_on(self, ports, postgres_port, **options):
        """A stack whose programs know PostgreSQL by these ports, in this order."""
        hosts = ",".join("127.0.0.1" for _ in ports)
        conninfo = f"host={hosts} port={','.join(map(str, ports))} dbname=orderbell"
        stack = Stack(postgres_port=postgres_port, settings=[
            f"notifier.database={conninfo} user=notifier",
            f"fcgi-order.database={conninfo} user=fcgi_order"], **options).up()
        self.addCleanup(stack.down)
        return stack

    def relay_to(self, port):
        relay = Relay(port)
        self.addCleanup(relay.close)
        return relay

    def returning(self, stack, sid="till-1"):
        terminal = ReturningTerminal(stack.ws_url(sid))
        self.addCleanup(terminal.close)
        terminal.wait_caught_up()
        return terminal

    def plain(self, stack):
        terminal = PythonTerminal(stack.ws_url("plain"))
        self.addCleanup(terminal.close)
        return terminal.wait_until_live(stack)

    def pay(self, stack, n=1):
        orders = [stack.place_order() for _ in range(n)]
        for order in orders:
            stack.pay_by_sql(order)
        return orders

    def pay_until_taken(self, stack, order, within_s=BACK_S):
        statuses = []

        def is_taken():
            started = time.monotonic()
            statuses.append(stack.pay_by_webhook(order).status)
            self.assertLess(time.monotonic() - started, GATEWAY_S)
            return statuses[-1] == 204

        self.assertTrue(until(is_taken, within_s), statuses)
        self.assertLessEqual(set(statuses), {204, 503})

    def seconds_until(self, condition, within_s):
        started = time.monotonic()
        self.assertTrue(until(condition, within_s), f"not within {within_s} s")
        return time.monotonic() - started

    def told(self, text):
        print(f"       measured: {text}", flush=True)


class Silence(Failover):
    """A connection to PostgreSQL that is dead without a word"""

    def test_it_is_found_within_15_s_and_all_is_told_after_the_return(self):
        port = processes.free_port()
        relay = self.relay_to(port)
        stack = self.stack_on([relay.port], port)
        terminals = [self.returning(stack), self.returning(stack, "till-2")]
        plain = self.plain(stack)
        relay.silence()
        missed = self.pay(stack, 3)
        took_s = self.seconds_until(
            lambda: request(stack.notifier_url + "/readyz").status == 503, FOUND_S)
        order = stack.place_order()
        self.assertEqual(stack.pay_by_webhook(order).status, 503)
        relay.speak()
        started = time.monotonic()
        for terminal in terminals:
            terminal.wait_event(missed[-1])
            self.assertEqual([m["seq"] for m in terminal.events()], [1, 2, 3])
            self.assertEqual(len(terminal.lives), 1)  # nothing happened to the terminals
        self.told(f"/readyz 503 after {took_s:.1f} s of silence; "
                  f"caught up {time.monotonic() - started:.1f} s after its end")
        plain.event_of(missed[-1].id)
        self.pay_until_taken(stack, order)
        terminals[0].wait_event(order)
        # One that comes is told what it missed: the other connection has come back too.
        self.returning(stack, "late")

    def test_it_is_found_within_15_s_where_there_is_no_terminal(self):
        port = processes.free_port()
        relay = self.relay_to(port)
        stack = self.stack_on([relay.port], port)
        relay.silence()
        took_s = self.seconds_until(
            lambda: request(stack.notifier_url + "/readyz").status == 503, FOUND_S)
        self.told(f"/readyz 503 after {took_s:.1f} s of silence")
        relay.speak()
        self.assertTrue(until(stack.is_ready, BACK_S))

    def test_a_second_host_is_used_within_15_s(self):
        port = processes.free_port()
        relay = self.relay_to(port)
        stack = self.stack_on([relay.port, port], port)
        terminal = self.returning(stack)
        relay.silence()
        started = time.monotonic()
        order = stack.place_order()
        self.pay_until_taken(stack, order, FOUND_S)
        paid_s = time.monotonic() - started
        terminal.wait_event(order, FOUND_S - paid_s)
        rung_s = time.monotonic() - started
        self.returning(stack, "late")
        self.told(f"paid {paid_s:.1f} s, rung {rung_s:.1f} s, a new terminal caught up "
                  f"{time.monotonic() - started:.1f} s after the first host fell silent")
        self.assertLess(time.monotonic() - started, FOUND_S)
        self.assertEqual(len(terminal.lives), 1)


class Promotion(Failover):
    """A standby takes over"""

    def setUp(self):
        port, standby_port = processes.free_port(), processes.free_port()
        self.relay = self.relay_to(port)
        self.stack = self.stack_on([self.relay.port, standby_port], port)
        self.standby = cluster.Standby(port, standby_port)
        self.addCleanup(self.standby.close)
        self.terminals = [self.returning(self.stack), self.returning(self.stack, "till-2")]
        self.plain = self.plain(self.stack)
        self.old_epoch = self.terminals[0].welcomes()[0]["epoch"]

    def rung(self, orders):
        for order in orders:
            for terminal in self.terminals:
                terminal.wait_event(order)
            self.plain.event_of(order.id)

    def take_over(self):
        """The standby is promoted: from here on it is the database."""
        self.standby.promote()
        self.stack.env["PGPORT"] = str(self.standby.port)

    def wait_until_it_listens_there(self):
        self.assertTrue(until(lambda: self.stack.psql(
            "select count(*) from pg_stat_activity where application_name = 'orderbell-notifier'")
            == "1" and self.stack.is_ready(), BACK_S))

    def told_of_all(self):
        """Every terminal has been told of each event of the new database, under its own seq."""
        events = self.stack.events()
        for terminal in self.terminals:
            def has_all(terminal=terminal):
                told = {(m["seq"], m["orderId"]) for m in terminal.events()}
                return told >= {(seq, order_id) for seq, _, order_id in events}

            self.assertTrue(until(has_all, BACK_S), (terminal.events(), events))
            self.assertEqual(terminal.close_codes(), [4003])
            first, second = terminal.welcomes()
            self.assertNotEqual(second["epoch"], first["epoch"])
            self.assertFalse(second["recovered"])
        self.assertFalse(self.plain.is_ended)

    def test_terminals_get_everything_committed_after_it(self):
        self.rung(self.pay(self.stack, 3))
        self.standby.wait_for_all()
        self.stack.kill_postgres()
        self.take_over()
        order = self.stack.place_order()
        started = time.monotonic()
        self.pay_until_taken(self.stack, order)
        paid_s = time.monotonic() - started
        self.rung([order])
        self.told(f"paid {paid_s:.1f} s, rung everywhere {time.monotonic() - started:.1f} s after "
                  "the promotion")
        self.rung(self.pay(self.stack, 3))
        self.told_of_all()
        self.assertEqual(self.stack.events(), [(n + 1, 1, order_id) for n, (_, _, order_id)
                                               in enumerate(self.stack.events())])

    def test_one_that_falls_silent_is_left_for_it_within_15_s(self):
        self.rung(self.pay(self.stack, 2))
        self.standby.wait_for_all()
        self.relay.silence()  # the old primary lives on, unreachable
        started = time.monotonic()
        self.take_over()
        order = self.stack.place_order()
        self.pay_until_taken(self.stack, order, FOUND_S)
        for terminal in self.terminals:
            terminal.wait_event(order, FOUND_S)
        took_s = time.monotonic() - started
        self.plain.event_of(order.id)
        self.told(f"rung everywhere {took_s:.1f} s after the primary fell silent")
        self.assertLess(took_s, FOUND_S)
        self.told_of_all()

    def lose_some(self, before_the_end=lambda: None):
        """The standby lacks the last two events, which the terminals have seen; gives their orders."""
        self.rung(self.pay(self.stack, 2))
        self.standby.wait_for_all()
        self.standby.cut()
        lost = self.pay(self.stack, 2)
        self.rung(lost)
        before_the_end()
        self.stack.kill_postgres()
        self.take_over()
        return lost

    def same_seq_again(self, lost, orders):
        for order, before in zip(orders, lost):
            for terminal in self.terminals:
                new, old = terminal.wait_event(order), terminal.wait_event(before)
                self.assertEqual(new["seq"], old["seq"])
                self.assertNotEqual(new["epoch"], old["epoch"])
        self.told_of_all()

    def test_a_seq_that_is_given_again_rings_for_the_new_order(self):
        lost = self.lose_some()
        self.wait_until_it_listens_there()
        orders = self.pay(self.stack, 2)
        self.same_seq_again(lost, orders)
        for order in orders:
            self.plain.event_of(order.id)

    def test_a_seq_that_was_given_again_before_the_notifier_knew_rings_as_well(self):
        lost = self.lose_some(before_the_end=lambda: os.kill(self.stack.notifier_pid,
                                                             signal.SIGSTOP))
        self.addCleanup(os.kill, self.stack.notifier_pid, signal.SIGCONT)
        orders = self.pay(self.stack, 3)  # one more than were lost: no number goes back
        os.kill(self.stack.notifier_pid, signal.SIGCONT)
        self.same_seq_again(lost, orders)
        self.plain.event_of(orders[-1].id)  # beyond all it has seen


class Restore(Failover):
    """PostgreSQL is taken back to an older state"""

    def setUp(self):
        self.stack = Stack().up()
        self.addCleanup(self.stack.down)
        self.copy = os.path.join(cluster.folder_for_server(), "data")
        self.addCleanup(shutil.rmtree, os.path.dirname(self.copy))
        self.terminal = self.returning(self.stack)
        self.kept = self.pay(self.stack, 2)
        self.terminal.wait_event(self.kept[-1])

    def lost_ones_ring_no_more_and_new_ones_do(self, lost, is_other_epoch):
        self.assertTrue(until(lambda: self.terminal.look() and len(self.terminal.lives) == 2,
                              BACK_S))
        self.terminal.wait_caught_up()
        orders = self.pay(self.stack, 3)
        for order in orders:
            self.terminal.wait_event(order)
        new, old = self.terminal.wait_event(orders[0]), self.terminal.wait_event(lost[0])
        self.assertEqual(new["seq"], old["seq"])
        self.assertEqual(new["epoch"] != old["epoch"], is_other_epoch)
        self.assertEqual(self.terminal.close_codes(), [4003])
        welcome = self.terminal.welcomes()[-1]
        self.assertEqual((welcome["recovered"], welcome["open"]), (False, []))
        life = [m["content"] for m in self.terminal.look() if "seq" in m]
        self.assertEqual(life, [f"订单号:{order.number}" for order in self.kept + orders])

    def test_by_recovery_of_a_backup_to_a_new_timeline(self):
        cluster.base_backup(self.stack.env["PGPORT"], self.copy)
        with open(os.path.join(self.copy, "postgresql.auto.conf"), "a", encoding="utf-8") as f:
            f.write("restore_command = 'false'\n")
        cluster.run_as_server(["touch", os.path.join(self.copy, "recovery.signal")])
        lost = self.pay(self.stack, 2)
        self.terminal.wait_event(lost[-1])
        self.stack.kill_postgres()
        cluster.replace_data(self.stack, self.copy)
        self.stack.restart("postgres")
        self.assertTrue(until(
            lambda: self.stack.psql("select pg_is_in_recovery()", check=False) == "f", BACK_S))
        self.lost_ones_ring_no_more_and_new_ones_do(lost, True)

    def test_by_a_copy_of_its_files_which_has_the_same_timeline(self):
        cluster.base_backup(self.stack.env["PGPORT"], self.copy)
        lost = self.pay(self.stack, 2)
        self.terminal.wait_event(lost[-1])
        self.stack.kill_postgres()
        os.unlink(os.path.join(self.copy, "backup_label"))  # as one that was copied while stopped
        cluster.replace_data(self.stack, self.copy)
        self.stack.restart("postgres")
        self.lost_ones_ring_no_more_and_new_ones_do(lost, False)

    def test_the_epoch_says_it_also_to_one_that_was_away(self):
        """It comes back when the numbers have gone further than its own."""
        cluster.base_backup(self.stack.env["PGPORT"], self.copy)
        with open(os.path.join(self.copy, "postgresql.auto.conf"), "a", encoding="utf-8") as f:
            f.write("restore_command = 'false'\n")
        cluster.run_as_server(["touch", os.path.join(self.copy, "recovery.signal")])
        lost = self.pay(self.stack, 2)
        last = self.terminal.wait_event(lost[-1])
        self.terminal.close()
        self.stack.kill_postgres()
        cluster.replace_data(self.stack, self.copy)
        self.stack.restart("postgres")
        self.assertTrue(until(self.stack.is_ready, BACK_S))
        orders = self.pay(self.stack, 4)
        back = PythonTerminal(self.stack.ws_url("till-1"), v1=True, hello={
            "after": {"epoch": last["epoch"], "seq": last["seq"]}})
        self.addCleanup(back.close)
        back.wait_for(lambda m: orders[-1].number in m.get("content", ""), "the last order")
        self.assertEqual([f.json["content"] for f in back.frames if "seq" in f.json],
                         [f"订单号:{order.number}" for order in self.kept + orders])
