"""What plain terminals get, and nothing else."""

import json
import os
import re
import unittest

from clients import PythonTerminal
from processes import until
from stack import Stack

NASTY = """<img src=x onerror="alert('1')"> & 面条 😀"""
ESCAPED = "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt; &amp; 面条 😀"

NOBODYS = 10 ** 9  # ids of orders from here on are not in the table


class PlainContract(unittest.TestCase):
    """Plain terminals and their frames"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def setUp(self):
        self.markers = set()
        self.plain = self.open(PythonTerminal(self.stack.ws_url("plain")))
        self.v1 = self.open(PythonTerminal(self.stack.ws_url("v1"), v1=True))

    def open(self, terminal):
        self.addCleanup(terminal.close)
        return terminal.wait_until_live(self.stack)

    def notify(self, type_, content, order_id="null", merchant=1):
        content = content.replace("'", "''")
        self.stack.psql(f"select notify({merchant}, {type_}, '{content}', {order_id})")

    def broadcast(self, payload):
        self.stack.psql("select pg_notify('order_events', '{}')".format(
            json.dumps(payload).replace("'", "''")))

    def settle(self):
        """Until all that was written before has come to both terminals."""
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        self.markers.add(order.id)
        for terminal in (self.plain, self.v1):
            terminal.event_of(order.id)

    def heard(self, terminal):
        """All that has come to it, settle()'s own events left out."""
        self.settle()
        return [m for m in terminal.heard() if m.get("orderId") not in self.markers]

    def test_an_event_has_exactly_the_tutorials_keys_and_seq_epoch_at(self):
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        event = self.plain.event_of(order.id)
        self.assertEqual(list(event), ["type", "orderId", "content", "seq", "epoch", "at"])
        self.assertEqual((event["type"], event["orderId"], event["content"]),
                         (1, order.id, f"订单号:{order.number}"))
        self.assertEqual(event["seq"], self.stack.events()[-1][0])
        self.assertEqual(event["epoch"], self.stack.psql(
            "select wire_epoch(epoch) from stream where merchant_id = 1"))
        self.assertRegex(event["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_a_v1_terminal_gets_the_same_event_and_the_amount(self):
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        self.assertEqual(self.v1.event_of(order.id),
                         {**self.plain.event_of(order.id), "amount": "38.00"})

    def test_all_it_ever_gets_is_text_with_events_in_it(self):
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        self.stack.remind(order)
        self.notify(7, "the oven is ready")
        self.settle()
        for frame in self.plain.frames:
            self.assertTrue(frame.is_text)
            self.assertIn(frame.json["type"], (1, 2))
            self.assertLessEqual({"type", "orderId", "content"}, set(frame.json))

    def test_an_event_of_the_shops_own_type_goes_to_v1_only(self):
        self.notify(3, "the oven is ready")
        self.assertEqual(self.heard(self.plain), [])
        self.assertEqual([(m["type"], m["orderId"], m["content"]) for m in self.heard(self.v1)],
                         [(3, None, "the oven is ready")])

    def test_a_broadcast_typed_by_hand_has_neither_seq_nor_epoch_nor_at(self):
        self.stack.psql("""NOTIFY order_events, '{"type":2,"orderId":1000000005,"content":"你好"}'""")
        for terminal in (self.plain, self.v1):
            self.assertEqual(terminal.event_of(NOBODYS + 5, type_=2),
                             {"type": 2, "orderId": NOBODYS + 5, "content": "你好"})

    def test_a_broadcast_with_a_merchant_stays_with_that_merchant(self):
        other = self.open(PythonTerminal(self.stack.ws_url("other", merchant=2), v1=True))
        self.broadcast({"merchant": 2, "type": 2, "orderId": NOBODYS + 6, "content": "second's"})
        other.event_of(NOBODYS + 6, type_=2)
        self.assertEqual(self.heard(self.plain), [])

    def test_a_broadcast_that_claims_a_seq_is_not_delivered_as_a_numbered_event(self):
        self.broadcast({"type": 1, "orderId": 9, "content": "forged", "seq": 10 ** 6,
                        "epoch": "forged", "at": "2026-11-22T10:00:00.123Z"})
        for terminal in (self.plain, self.v1):
            for message in self.heard(terminal):
                if message.get("content") == "forged":
                    self.assertNotIn("seq", message)
                    self.assertNotIn("epoch", message)

    def test_a_forged_bell_is_only_a_bell(self):
        self.broadcast({"merchant": 1, "seq": 10 ** 6})
        self.assertEqual(self.heard(self.plain), [])
        self.assertEqual(self.heard(self.v1), [])
        seqs = [seq for seq, _, _ in self.stack.events()]
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))

    def test_a_notify_that_is_no_json_is_not_forwarded(self):
        bad_before = self.stack.metric("orderbell_bells_bad_total")
        for payload in ("", "hello", "{", "[1,2]", "null", '{"type":"1"}', '{"content":5}'):
            self.stack.psql(f"select pg_notify('order_events', '{payload}')")
        self.assertEqual(self.heard(self.plain), [])
        self.assertGreaterEqual(self.stack.metric("orderbell_bells_bad_total"), bad_before + 5)

    def test_content_is_escaped_for_plain_and_raw_for_v1(self):
        self.notify(1, NASTY, NOBODYS + 77)
        self.assertEqual(self.plain.event_of(NOBODYS + 77)["content"], ESCAPED)
        self.assertEqual(self.v1.event_of(NOBODYS + 77)["content"], NASTY)

    def test_the_content_of_a_broadcast_is_escaped_too(self):
        self.broadcast({"type": 1, "orderId": NOBODYS + 78, "content": NASTY})
        self.assertEqual(self.plain.event_of(NOBODYS + 78)["content"], ESCAPED)
        self.assertEqual(self.v1.event_of(NOBODYS + 78)["content"], NASTY)

    def test_control_characters_and_quotes_come_as_valid_json(self):
        content = 'a"b\\c\td\x01e\u2028f'
        self.stack.psql("select notify(1, 1, U&'a\"b\\005cc\\0009d\\0001e\\2028f', "
                        f"{NOBODYS + 79})")
        self.assertEqual(self.v1.event_of(NOBODYS + 79)["content"], content)
        escaped = content.replace('"', "&quot;")
        self.assertEqual(self.plain.event_of(NOBODYS + 79)["content"], escaped)

    def test_what_a_plain_terminal_says_changes_nothing(self):
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        seq = self.plain.event_of(order.id)["seq"]
        self.markers.add(order.id)
        before = self.tables()
        for message in ('{"hello":1}', f'{{"hello":1,"after":{{"epoch":"x","seq":{seq}}}}}',
                        f'{{"ack":[{seq}]}}', '{"audio":"blocked"}', "not JSON", "", "\x00\n",
                        '{"type":1,"orderId":1,"content":"forged"}', "[" * 65536, "x" * 65536,
                        b"", b"\x00\xff", bytes(65536), ["frag", "ments"], [b"\xff", b"\xfe"]):
            self.plain.send(message)
        self.plain.wait_until_read()
        # An ack of one who may comes behind: had there been another one, it would be done by then.
        late = self.v1.event_of(order.id)["seq"] + 1
        self.notify(1, "to be acked", NOBODYS + 80)
        self.assertEqual(self.v1.event_of(NOBODYS + 80)["seq"], late)
        self.v1.send(f'{{"ack":[{late}]}}')
        self.v1.wait_for(lambda m: m.get("acked") == [late], "acked")
        self.assertEqual(self.tables(but_seq=late), before)
        self.assertIsNone(self.v1.find(lambda m: seq in (m.get("acked") or ())))
        self.assertEqual([m["orderId"] for m in self.heard(self.plain)], [NOBODYS + 80])
        self.assertFalse(self.plain.is_ended)

    def tables(self, but_seq=0):
        """What the database has, without that one event of merchant 1."""
        return self.stack.psql(
            "select * from orders order by id; select * from payment_exception order by id; "
            "select merchant_id, seq, type, order_id, content, acked_at, acked_by from order_event "
            f"where (merchant_id, seq) <> (1, {but_seq}) order by id")

    def test_a_v1_terminal_that_speaks_no_json_is_closed_4400(self):
        self.v1.send("not JSON")
        self.assertEqual(self.v1.wait_ended(), 4400)

    def test_a_v1_terminal_that_says_something_before_its_hello_is_closed_4400(self):
        terminal = PythonTerminal(self.stack.ws_url("rude"), v1=True, says_hello=False)
        self.addCleanup(terminal.close)
        terminal.wait_open()
        terminal.send('{"ack":[1]}')
        self.assertEqual(terminal.wait_ended(), 4400)

    def test_a_v1_terminal_may_say_what_a_later_version_knows(self):
        self.v1.send('{"dance":[1,2]}')
        self.v1.send('{"audio":"blocked"}')
        self.settle()

    def test_the_welcome_tells_where_the_stream_stands(self):
        self.settle()
        terminal = self.open(PythonTerminal(self.stack.ws_url("late"), v1=True))
        welcome = terminal.frames[0].json
        top = len(self.stack.events())
        self.assertEqual((welcome["welcome"], welcome["merchant"], welcome["top"]), (1, 1, top))
        self.assertTrue(re.fullmatch(r"[0-9a-f]+-[0-9A-F]+", welcome["epoch"]), welcome["epoch"])
        self.assertEqual(welcome["heartbeat"], 25)
        self.assertEqual(terminal.find(lambda m: "caught_up" in m), {"caught_up": top})

    def test_two_terminals_with_one_sid_both_receive(self):
        twin = self.open(PythonTerminal(self.stack.ws_url("plain")))
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        twin.event_of(order.id)
        self.plain.event_of(order.id)

    def test_another_merchants_events_never_come(self):
        other = self.open(PythonTerminal(self.stack.ws_url("second", merchant=2)))
        order = self.stack.place_order(merchant=2)
        self.stack.pay_by_sql(order)
        other.event_of(order.id)
        self.assertEqual(self.heard(self.plain), [])

    def test_many_events_of_one_transaction_come_all_and_in_order(self):
        self.stack.psql("insert into orders (number, amount, pay_status) "
                        "select 'bulk-' || n, 1, 1 from generate_series(1, 500) n")
        self.settle()
        expected = [seq for seq, _, _ in self.stack.events()]
        for terminal in (self.plain, self.v1):
            seqs = [m["seq"] for m in terminal.heard() if "seq" in m]
            self.assertEqual(seqs, expected[-len(seqs):], terminal)
            self.assertGreaterEqual(len(seqs), 501)

    def test_an_order_cancelled_before_the_payment_rings_nobody(self):
        order = self.stack.place_order()
        self.stack.psql(f"update orders set status = 6 where id = {order.id}")
        self.assertEqual(self.stack.pay_by_webhook(order).status, 409)
        self.stack.pay_by_sql(order)
        self.assertEqual(self.heard(self.plain), [])

    def test_a_rolled_back_payment_rings_nobody(self):
        order = self.stack.place_order()
        self.stack.psql(f"begin; update orders set pay_status = 1 where id = {order.id}; rollback")
        self.assertEqual(self.heard(self.plain), [])


class PlainRaw(unittest.TestCase):
    """Plain terminals where plain_escape_html = no, broadcast = no and log_level = debug"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(settings=("plain_escape_html=no", "broadcast=no",
                                    "notifier.log_level=debug")).up()
        cls.addClassCleanup(cls.stack.down)

    def test_what_a_plain_terminal_says_is_in_the_log_escaped_and_cut(self):
        with PythonTerminal(self.stack.ws_url("talker")) as plain:
            plain.wait_open()
            plain.send("first\nsecond \x1b[2J \u202e" + "x" * 60000)
            plain.wait_until_read()
        with open(os.path.join(self.stack.folder, "log", "notifier-1.log"), "rb") as f:
            lines = [line for line in f if b"first" in line]
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], rb"^[ -~]{50,1000}\n$")
        self.assertIn(b"second", lines[0])

    def wait_until_it_hears(self, plain):
        """By broadcasts to its merchant, which Terminal.heard() passes over."""
        def hears():
            self.stack.psql("""NOTIFY order_events,
                '{"merchant":1,"type":1,"orderId":-1,"content":"hello"}'""")
            return until(lambda: plain.frames, 1)

        self.assertTrue(until(hears, 20))

    def test_content_is_raw_and_a_broadcast_to_all_goes_nowhere(self):
        with PythonTerminal(self.stack.ws_url("plain")) as plain, \
                PythonTerminal(self.stack.ws_url("v1"), v1=True) as v1:
            v1.wait_until_live()
            self.wait_until_it_hears(plain)
            self.stack.psql("""NOTIFY order_events, '{"type":1,"orderId":1,"content":"to all"}'""")
            self.stack.psql("select notify(1, 1, '<b>', 2)")
            for terminal in (plain, v1):
                self.assertEqual(terminal.event_of(2)["content"], "<b>")
                self.assertEqual(len(terminal.heard()), 1)
