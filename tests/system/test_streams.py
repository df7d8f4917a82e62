"""Server-Sent Events, polls and acks by HTTP: the same events, the same cursor."""

import json
import os
import re
import socket
import subprocess
import threading
import time
import unittest
import urllib.parse

import rawws
from clients import PythonTerminal
from processes import until
from stack import Stack, request
from streams import Poll, StreamTerminal, parse_events, poll_all, post_ack


def raw(url, text, shut=False):
    """What a request written by hand is answered."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as sock:
        sock.sendall(text.encode())
        if shut:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return answer.decode()


class Cases(unittest.TestCase):
    """What all of these share: one stack, and a merchant of its own for each test."""

    settings = ()
    merchant = 100

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(settings=cls.settings).up()
        cls.addClassCleanup(cls.stack.down)

    def setUp(self):
        Cases.merchant += 1
        self.merchant = Cases.merchant
        self.stack.psql(f"insert into merchant (id, name) values ({self.merchant}, 'a test''s')")

    def url(self, kind, name="till-1"):
        return f"{self.stack.notifier_url}/{kind}/{name}?merchant={self.merchant}"

    def stream(self, name="till-1", after=None, headers=None):
        url = self.url("events", name) + (f"&after={after}" if after else "")
        terminal = StreamTerminal(url, headers)
        self.addCleanup(terminal.close)
        return terminal

    def v1(self, name="till-v1", after=None):
        terminal = PythonTerminal(self.stack.ws_url(name, self.merchant), v1=True,
                                  hello={"after": after} if after else None)
        self.addCleanup(terminal.close)
        return terminal.wait_until_live()

    def notify(self, n=1, type_=1):
        """Makes n events in one transaction."""
        self.stack.psql(f"select notify({self.merchant}, {type_}, 'event ' || i) "
                        f"from generate_series(1, {n}) i")

    def ack(self, *seqs):
        self.stack.psql(f"select ack({self.merchant}, array[{','.join(map(str, seqs))}], 'dba')")

    def seqs_of(self, terminal):
        return [m["seq"] for m in (f.json for f in list(terminal.frames)) if "type" in m]

    def wait_seq(self, terminal, seq, within_s=60):
        return terminal.wait_for(lambda m: m.get("seq") == seq, f"seq {seq}", within_s)


class Streams(Cases):
    """Server-Sent Events"""

    def test_a_stream_tells_what_v1_tells_in_the_same_order(self):
        self.notify(3)
        self.ack(2)
        stream, v1 = self.stream(), self.v1()
        stream.wait_until_live()
        self.notify(2, type_=5)
        for terminal in (stream, v1):
            self.wait_seq(terminal, 5)
        told = [f.json for f in stream.frames]
        self.assertEqual([f.json for f in v1.frames if f.json != {"heartbeat": 1}], told)
        self.assertEqual(stream.names,
                         ["welcome", "message", "message", "caught_up", "message", "message"])
        epoch = told[0]["epoch"]
        self.assertEqual([f"{epoch}:{seq}" for seq in (1, 3, 3, 4, 5)], stream.ids[1:])
        self.assertTrue(500 <= stream.retry_ms < 3000, stream.retry_ms)

    def slow_ones(self):
        """One of each road, and a prompt one besides, all live and told of 5 events."""
        self.notify(5)
        prompt = self.v1()
        slow = [Slow(self.url(road, f"slow-{road}"), road) for road in Slow.ROADS]
        for client in slow:
            self.addCleanup(client.sock.close)
            client.read_until(b'"caught_up":5')
        return prompt, slow

    def fill(self, prompt, n, last):
        """Rings n times with much to read, and once more with the word `last`."""
        self.stack.psql(f"select notify({self.merchant}, 1, repeat('x', 2000)) "
                        f"from generate_series(1, {n}); "
                        f"select notify({self.merchant}, 1, '{last}')")
        prompt.wait_for(lambda m: m.get("content") == last, last, 20)

    def test_who_is_left_behind_by_the_ring_is_told_what_was_acked_meanwhile(self):
        prompt, slow = self.slow_ones()
        self.fill(prompt, 200, "its socket is full")
        self.ack(2, 3)
        prompt.wait_for(lambda m: m.get("acked") == [2, 3], "acked")
        self.fill(prompt, 400, "the ring is full of others")
        self.ack(4)
        prompt.wait_for(lambda m: m.get("acked") == [4], "acked")
        for client in slow:
            # Where it comes back to the ring: before the last event, or behind it.
            told = client.read_until(b'"acked":[4]')
            self.assertIn(b'"the ring is full of others"', told)
            self.assertEqual(told.count(b'"acked":'), 1, told[-1000:])
            self.assertIn(b'"acked":[2,3]', told)
        self.ack(5)
        for client in slow:
            client.read_until(b'"acked":[5]')

    def test_who_comes_back_to_very_many_is_told_which_of_them_are_acked(self):
        self.notify(13000)
        epoch = Poll(self.url("poll")).cursor.rpartition(":")[0]
        gone = [3, *range(1100, 4200), 11900, 12500]
        self.ack(*gone)
        after = f"{epoch}:12000"
        terminals = [self.stream("till-2", after=after).wait_until_live(),
                     self.v1(after={"epoch": epoch, "seq": 12000})]
        for terminal in terminals:
            told = [frame.json for frame in list(terminal.frames)]
            self.assertEqual((told[0]["recovered"], told[0]["open_from"]), (True, 1002))
            acked = [seq for m in told for seq in m.get("acked", ()) if isinstance(m["acked"], list)]
            self.assertEqual([seq for seq in acked if seq <= 12000], gone[1:-1])
            self.assertLess(max(i for i, m in enumerate(told) if isinstance(m.get("acked"), list)),
                            min(i for i, m in enumerate(told) if "type" in m))
            self.assertEqual(self.seqs_of(terminal), list(range(12001, 13001)))
        # Few are open: its welcome says it all.
        self.ack(*range(1, 12001))
        terminals[1].wait_for(lambda m: isinstance(m.get("acked"), list) and 12000 in m["acked"],
                              "the last ack")
        few = self.v1("till-3", after={"epoch": epoch, "seq": 13000})
        told = [frame.json for frame in list(few.frames)]
        self.assertNotIn("open_from", told[0])
        self.assertEqual([m for m in told if "acked" in m], [])

    def test_who_reads_slowly_is_told_all_of_very_many_acks(self):
        self.notify(30000)
        epoch = Poll(self.url("poll")).cursor.rpartition(":")[0]
        gone = range(1500, 29000)
        self.ack(*gone)
        for road in Slow.ROADS:
            before = self.stack.metric("orderbell_replayed_total")
            client = Slow(self.url(road, f"slow-{road}"), road, (epoch, 29900))
            self.addCleanup(client.sock.close)
            # More than the buffers between hold: some of it waits.
            until(lambda: self.stack.metric("orderbell_replayed_total") > before + 10, 10)
            told = client.read_until(b'"caught_up":30000')
            acked = {int(seq) for seqs in re.findall(rb'"acked":\[([0-9,]*)\]', told)
                     for seq in seqs.split(b",")}
            self.assertEqual(acked, set(gone))
            self.assertEqual([int(seq) for seq in re.findall(rb'"seq":([0-9]+)', told)],
                             list(range(29901, 30001)))

    def test_who_has_missed_more_acks_than_are_remembered_is_to_come_back(self):
        prompt, slow = self.slow_ones()
        self.fill(prompt, 200, "its socket is full")
        self.stack.psql(f"select notify({self.merchant}, 3, '') from generate_series(1, 20000)")
        self.wait_seq(prompt, 20206)
        self.stack.psql(f"select count(*) from ack({self.merchant}, "
                        "array(select * from generate_series(1, 20206)), 'dba')")
        prompt.wait_for(lambda m: isinstance(m.get("acked"), list) and 20206 in m["acked"],
                        "acked", 60)
        self.fill(prompt, 400, "the ring is full of others")
        for client, word in zip(slow, (b'{"code":4001}', b"\x88\x02\x0f\xa1")):
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            client.read_until(word, 30)

    def test_amount_items_and_voice_are_told_to_who_knows_them_and_to_nobody_else(self):
        self.stack.psql(f"update merchant set language = 'zh-CN' where id = {self.merchant};"
                        "insert into template (merchant_id, voice) "
                        f"values ({self.merchant}, '来了{{number}}，请处理')")
        plain = PythonTerminal(self.stack.ws_url("till-p", self.merchant))
        self.addCleanup(plain.close)
        plain.wait_until_live(self.stack)
        live, stream = self.v1(), self.stream().wait_until_live()
        cursor = Poll(self.url("poll")).cursor
        order = self.stack.place_order(merchant=self.merchant, amount="38.50")
        self.stack.psql("""update orders set items = '["茶", {"name": "<面>", "quantity": 2, "note": "辣", "price": 9}]'
            where id = %d; set orderbell.currency = 'CNY'; update orders set pay_status = 1 where id = %d"""
                        % (order.id, order.id))
        told = self.wait_seq(live, 1)
        self.assertEqual({key: told[key] for key in told if key not in ("epoch", "at")}, {
            "type": 1, "orderId": order.id, "content": f"订单号:{order.number}", "seq": 1,
            "amount": "38.50", "currency": "CNY", "items": [{"name": "茶"}, {"name": "<面>", "quantity": 2, "note": "辣"}],
            "voice": f"来了{order.number}，请处理", "language": "zh-CN"})
        self.assertEqual(self.wait_seq(stream, 1), told)
        self.assertEqual(Poll(self.url("poll"), cursor).events, [told])
        self.assertEqual(set(self.wait_seq(plain, 1)),
                         {"type", "orderId", "content", "seq", "epoch", "at"})
        # Read from the table by who comes later, and once somebody has seen it.
        self.assertEqual(self.wait_seq(self.v1("late"), 1), told)
        self.ack(1)
        live.wait_for(lambda m: m.get("acked") == [1], "acked")
        again = self.v1("later", after={"epoch": told["epoch"], "seq": 0})
        self.assertEqual(self.wait_seq(again, 1), {**told, "acked": "dba"})
        self.stack.remind(order)
        reminder = self.wait_seq(live, 2)
        self.assertEqual((reminder["type"], reminder["amount"], reminder["items"]),
                         (2, "38.50", told["items"]))

    def test_a_stream_resumes_by_last_event_id_and_by_after(self):
        self.notify(5)
        first = self.stream().wait_until_live()
        epoch = first.frames[0].json["epoch"]
        self.notify(2)
        self.wait_seq(first, 7)
        self.assertEqual(first.last_id, f"{epoch}:7")
        first.close()
        self.ack(6)
        self.notify(2)
        for again in (self.stream(headers={"Last-Event-ID": f"{epoch}:5"}),
                      self.stream(after=f"{epoch}:5"),
                      # what the browser brings wins over what the page once asked for
                      self.stream(after=f"{epoch}:1", headers={"Last-Event-ID": f"{epoch}:5"})):
            again.wait_until_live()
            welcome = again.frames[0].json
            self.assertEqual((welcome["recovered"], welcome["open"]), (True, [1, 2, 3, 4, 5]))
            self.assertEqual(self.seqs_of(again), [6, 7, 8, 9])
            self.assertEqual(again.find(lambda m: m.get("seq") == 6)["acked"], "dba")
            again.close()

    def test_a_cursor_that_does_not_hold_gets_what_is_unacked(self):
        self.notify(3)
        self.ack(1)
        for cursor in ("other-1:2", "not a cursor at all", ":", "x" * 500):
            with self.subTest(cursor=cursor):
                stream = self.stream(headers={"Last-Event-ID": cursor}).wait_until_live()
                self.assertIs(stream.frames[0].json["recovered"], False)
                self.assertEqual(self.seqs_of(stream), [2, 3])
                stream.close()

    def test_events_that_commit_during_a_replay_neither_miss_nor_repeat(self):
        self.notify(3000)
        stop = threading.Event()

        def pay():
            while not stop.is_set():
                self.notify(7)

        payer = threading.Thread(target=pay)
        payer.start()
        try:
            streams = [self.stream(f"till-{i}").wait_until_live(within_s=60) for i in range(3)]
        finally:
            stop.set()
            payer.join()
        self.notify(1)
        top = self.stack.events(self.merchant)[-1][0]
        for stream in streams:
            self.wait_seq(stream, top)
            self.assertEqual(self.seqs_of(stream), list(range(1, top + 1)))

    def test_acks_are_told_to_those_who_listen_for_them(self):
        self.notify(2)
        stream = self.stream().wait_until_live()
        self.assertEqual(post_ack(self.url("ack", "till-9"), [2]).status, 200)
        stream.wait_for(lambda m: m == {"acked": [2], "by": "till-9"}, "acked")
        self.assertEqual((stream.names[-1], stream.ids[-1]), ("acked", stream.last_id))

    def test_a_broadcast_has_no_id_and_moves_no_cursor(self):
        stream = self.stream().wait_until_live()
        self.stack.psql("select pg_notify('order_events', "
                        f"""'{{"merchant":{self.merchant},"type":2,"orderId":5,"content":"hi"}}')""")
        event = stream.wait_for(lambda m: m.get("content") == "hi", "the broadcast")
        self.assertEqual(list(event), ["type", "orderId", "content"])
        self.assertEqual(stream.last_id.rpartition(":")[2], "0")

    def test_head_gets_the_headers_alone(self):
        answer = request(self.url("events"), "HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        for name, value in (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"),
                            ("X-Accel-Buffering", "no"), ("Content-Length", None)):
            self.assertEqual(answer.header(name), value, name)

    def test_requests_that_are_none_are_refused(self):
        base = self.stack.notifier_url
        for method, path, status, allow in (
                ("POST", "/events/till-1", 405, "GET, HEAD"), ("PUT", "/poll/till-1", 405, "GET"),
                ("GET", "/ack/till-1", 405, "POST"), ("HEAD", "/%70oll/till-1", 405, "GET"),
                ("GET", "/events/", 404, None), ("GET", "/events/a/b", 404, None),
                ("GET", "/poll/a%20b", 404, None), ("POST", "/ack/" + "x" * 65, 404, None),
                ("GET", "/poll/till-1?after=5", 400, None),
                ("GET", "/poll/till-1?after=", 400, None),
                ("GET", "/events/till-1?after=e:-1", 400, None),
                ("GET", "/events/till-1?merchant=0", 401, None)):
            with self.subTest(method=method, path=path):
                answer = request(base + path, method)
                self.assertEqual((answer.status, answer.header("Allow")), (status, allow))
        answer = request(base + "/poll/till-1", body=b"{}")
        self.assertEqual(answer.status, 400)

    def test_what_follows_the_request_is_dropped(self):
        parts = urllib.parse.urlsplit(self.url("events"))
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as sock:
            sock.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                         "GET / HTTP/1.1\r\n\r\n".encode() + b"x" * 10000)
            lines = sock.makefile("rb")
            while lines.readline() != b"\r\n":
                pass
            events = parse_events(lines)
            self.assertEqual([next(events)[0] for _ in range(3)], ["retry", "welcome", "caught_up"])
            sock.sendall(b"more" * 1000)
            self.notify(1)
            self.assertEqual(json.loads(next(e for e in events if e)[2])["seq"], 1)

    def test_a_stream_whose_terminal_has_gone_is_noticed(self):
        stream = self.stream().wait_until_live()
        before = self.stack.metric("orderbell_connections")
        stream.close()
        self.assertTrue(until(
            lambda: self.stack.metric("orderbell_connections") < before, 30))


class Slow:
    """A client that reads only when it is told to, v1 or a stream."""

    ROADS = ("events", "ws")

    def __init__(self, url, road, after=None):
        parts = urllib.parse.urlsplit(url)
        query = parts.query
        hello = {"hello": 1}
        if after:
            query += f"&after={after[0]}:{after[1]}"
            hello["after"] = {"epoch": after[0], "seq": after[1]}
        self.got = b""
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect((parts.hostname, parts.port))
        path = f"{parts.path}?{query}"
        if road == "events":
            self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        else:
            self.sock.sendall(rawws.handshake(path, Sec_WebSocket_Protocol="orderbell.v1"))
            self.read_until(b"101 ")
            self.sock.sendall(rawws.frame(rawws.TEXT, json.dumps(hello)))

    def read_until(self, word, within_s=20):
        """All that comes, up to these bytes; gives it."""
        deadline = time.monotonic() + within_s
        while word not in self.got:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.01))
            piece = self.sock.recv(65536)
            assert piece, f"it was ended before {word}"
            self.got += piece
        before, self.got = self.got.split(word, 1)
        return before


class ShortLimits(Cases):
    """Streams where heartbeat_s = 2 and slow_s = 1"""

    settings = ("heartbeat_s=2", "slow_s=1", "drain_s=0")

    def test_a_comment_comes_between_events(self):
        stream = self.stream().wait_until_live()
        self.assertTrue(until(lambda: stream.n_comments >= 2, 20))

    def test_a_stream_that_takes_nothing_is_ended_and_goes_on_from_its_cursor(self):
        parts = urllib.parse.urlsplit(self.url("events"))
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect((parts.hostname, parts.port))
            sock.settimeout(60)
            sock.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                         .encode())
            self.assertTrue(until(lambda: self.stack.metric("orderbell_connections") > 0, 30))
            before = self.stack.metric('orderbell_closed_total{reason="slow"}')
            self.stack.psql(f"select notify({self.merchant}, 1, repeat('x', 30000)) "
                            "from generate_series(1, 100)")
            self.assertTrue(until(lambda: self.stack.metric(
                'orderbell_closed_total{reason="slow"}') > before, 60))
            got = b""
            try:
                while piece := sock.recv(65536):
                    got += piece
            except ConnectionResetError:
                pass
        cursor = [line for line in got.split(b"\n") if line.startswith(b"id: ")][-1][4:].decode()
        rest = self.stream(after=cursor).wait_until_live(within_s=60)
        self.assertEqual(self.seqs_of(rest), list(range(int(cursor.rpartition(":")[2]) + 1, 101)))

    def test_a_drain_ends_streams_with_a_word_and_they_come_back(self):
        stream = self.stream().wait_until_live()
        self.stack.restart("notifier")
        self.assertEqual(stream.wait_ended(), 4003)
        again = self.stream(after=stream.last_id).wait_until_live()
        self.assertIs(again.frames[0].json["recovered"], True)


class Polls(Cases):
    """Polls"""

    def poll_news(self, cursor, n=1, **how):
        """A poll that has n events: a bell takes a moment to be heard."""
        def poll():
            answer = Poll(self.url("poll"), cursor, **how)
            return answer if len(answer.events) >= n else None

        news = until(poll, 30)
        self.assertIsNotNone(news)
        return news

    def poll_all_news(self, cursor, n):
        """The same for as many polls as it takes: all events, and the cursor behind them."""
        until(lambda: len(poll_all(self.url("poll"), cursor)[0]) == n, 30)
        return poll_all(self.url("poll"), cursor)

    def test_an_empty_poll_has_a_cursor(self):
        poll = Poll(self.url("poll"))
        self.assertEqual((poll.status, poll.events, poll.caught_up), (200, [], True))
        self.assertEqual(poll.answer.header("Content-Type"), "application/json")
        self.assertEqual(poll.answer.header("Orderbell-Merchant"), str(self.merchant))
        self.assertRegex(poll.cursor, r"^[0-9a-f-]+:0$")
        again = Poll(self.url("poll"), poll.cursor)
        self.assertEqual((again.events, again.cursor, again.recovered), ([], poll.cursor, True))

    def test_polls_give_what_v1_gives(self):
        self.notify(3)
        self.ack(2)
        first = Poll(self.url("poll"))
        v1 = self.v1()
        self.assertEqual(first.events, [f.json for f in v1.frames if "seq" in f.json])
        self.assertFalse(first.recovered)
        self.notify(2, type_=5)
        self.wait_seq(v1, 5)
        second = Poll(self.url("poll"), first.cursor)
        self.assertEqual(second.events, v1.heard())
        self.assertTrue(second.recovered)

    def test_many_events_come_in_several_answers_without_hole_or_repeat(self):
        cursor = Poll(self.url("poll")).cursor
        self.notify(1000)
        events, last = self.poll_all_news(cursor, 1000)
        self.assertEqual([e["seq"] for e in events], list(range(1, 1001)))
        self.assertEqual(last.rpartition(":")[2], "1000")
        poll = Poll(self.url("poll"), cursor)
        self.assertEqual((len(poll.events), poll.caught_up), (256, False))

    def test_long_events_come_in_several_answers(self):
        cursor = Poll(self.url("poll")).cursor
        self.stack.psql(f"select notify({self.merchant}, 1, repeat('x', 30000)) "
                        "from generate_series(1, 20)")
        events, _ = self.poll_all_news(cursor, 20)
        self.assertEqual([e["seq"] for e in events], list(range(1, 21)))
        poll = Poll(self.url("poll"), cursor)
        self.assertEqual((len(poll.events), poll.caught_up), (8, False))

    def test_without_a_cursor_unacked_ones_come_however_many(self):
        self.notify(700)
        self.ack(*range(1, 301))
        poll = Poll(self.url("poll"))
        self.assertEqual([e["seq"] for e in poll.events], list(range(301, 557)))
        events, cursor = poll_all(self.url("poll"))
        self.assertEqual([e["seq"] for e in events], list(range(301, 701)))
        self.assertEqual(cursor.rpartition(":")[2], "700")

    def test_the_ring_answers_without_a_query_and_the_table_says_the_same(self):
        stays = self.v1()
        cursor = Poll(self.url("poll")).cursor
        self.notify(20)
        self.wait_seq(stays, 20)
        from_ring = Poll(self.url("poll"), cursor)
        n_queries = self.queries()
        for _ in range(300):  # far more than what else goes on, and is counted late
            Poll(self.url("poll"), cursor)
        self.assertLess(self.queries() - n_queries, 300)
        self.stack.restart("notifier")  # its ring is empty now
        from_table = Poll(self.url("poll"), cursor)
        self.assertEqual(from_table.events, from_ring.events)
        self.assertEqual(from_table.cursor, from_ring.cursor)

    def queries(self):
        """Transactions of the database, those of the asking left out as far as that goes."""
        self.stack.psql("select pg_stat_force_next_flush()", check=False)
        return int(self.stack.psql("select xact_commit from pg_stat_database "
                                   "where datname = current_database()"))

    def test_open_tells_what_is_still_unacked_up_to_the_cursor(self):
        self.notify(5)
        poll = Poll(self.url("poll"))
        self.assertIsNone(poll.open)
        self.ack(2, 4)
        self.notify(1)
        again = self.poll_news(poll.cursor, wants_open=True)
        self.assertEqual(again.open, "1,3,5")
        self.assertEqual([e["seq"] for e in again.events], [6])

    def prune_acked(self):
        """As nine days later."""
        self.stack.psql("update order_event set created_at = now() - interval '9 days'")
        self.stack.psql("update order_event set acked_at = created_at where acked_at is not null")
        self.stack.psql("select prune()")

    def test_pruned_events_are_said_to_be_missing(self):
        cursor = Poll(self.url("poll")).cursor
        self.notify(10)
        self.ack(*range(1, 6))
        self.prune_acked()
        self.stack.restart("notifier")
        poll = Poll(self.url("poll"), cursor)
        self.assertFalse(poll.recovered)
        self.assertEqual([e["seq"] for e in poll.events], list(range(6, 11)))

    def test_old_unacked_events_are_got_through_although_later_ones_were_pruned(self):
        self.notify(700)
        self.ack(*range(300, 601))
        self.prune_acked()
        left = [*range(1, 300), *range(601, 701)]
        first = Poll(self.url("poll"))
        second = Poll(self.url("poll"), first.cursor)
        self.assertEqual((first.recovered, second.recovered), (False, False))
        events, cursor = poll_all(self.url("poll"))
        self.assertEqual([e["seq"] for e in events], left)
        self.assertEqual(cursor.rpartition(":")[2], "700")
        # A stream that was interrupted among them goes on as well.
        stream = StreamTerminal(self.url("events"), {"Last-Event-ID": first.cursor})
        self.addCleanup(stream.close)
        stream.wait_until_live()
        self.assertEqual([m["seq"] for m in (f.json for f in stream.frames) if "type" in m],
                         left[256:])
        self.assertEqual(stream.frames[0].json["open"], left[:256])

    def test_who_has_closed_his_half_is_answered_all_the_same(self):
        for version in ("1.0", "1.1"):
            with self.subTest(version=version):
                answer = raw(self.url("poll"), f"GET /poll/t?merchant={self.merchant} HTTP/{version}"
                             "\r\nHost: localhost\r\n\r\n", shut=True)
                self.assertTrue(answer.startswith("HTTP/1.1 200 OK\r\n"), answer)
                self.assertTrue(answer.endswith("\r\n\r\n[]"), answer)

    def test_without_database_a_poll_and_an_ack_are_503(self):
        self.notify(2)
        Poll(self.url("poll"))
        self.stack.kill_postgres()
        try:
            begun = time.monotonic()
            answers = []
            threads = [threading.Thread(target=lambda f=f: answers.append(f())) for f in (
                lambda: Poll(self.url("poll")).answer,
                lambda: post_ack(self.url("ack"), [1], within_s=60))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual([a.status for a in answers], [503, 503])
            self.assertTrue(all(a.header("Retry-After") for a in answers))
            self.assertLess(time.monotonic() - begun, 25)  # said after 10 s
        finally:
            self.stack.restart("postgres")
        # Said or not, it was not forgotten.
        self.assertTrue(until(lambda: self.stack.psql(
            f"select acked_by from order_event where merchant_id = {self.merchant} and seq = 1")
            == "till-1", 60))


class Acks(Cases):
    """Acks by HTTP"""

    def test_an_ack_is_durable_when_it_is_answered_and_told_to_all(self):
        self.notify(3)
        v1 = self.v1()
        answer = post_ack(self.url("ack", "till-9"), [1, 3])
        self.assertEqual((answer.status, answer.json()), (200, {"acked": [1, 3]}))
        rows = self.stack.rows("select seq, acked_by from order_event "
                               f"where merchant_id = {self.merchant} order by seq")
        self.assertEqual(rows, [["1", "till-9"], ["2", ""], ["3", "till-9"]])
        v1.wait_for(lambda m: m == {"acked": [1, 3], "by": "till-9"}, "acked")

    def test_an_ack_that_comes_again_changes_nothing(self):
        self.notify(1)
        self.assertEqual(post_ack(self.url("ack", "till-1"), [1]).status, 200)
        again = post_ack(self.url("ack", "till-2"), [1, 99])
        self.assertEqual((again.status, again.json()), (200, {"acked": [1, 99]}))
        self.assertEqual(self.stack.psql(
            f"select acked_by from order_event where merchant_id = {self.merchant}"), "till-1")

    def test_bodies_that_are_no_acks_are_refused(self):
        for body in (b"", b"{}", b"[1]", b'{"ack":[]}', b'{"ack":["1"]}', b'{"ack":[0]}', b"\xff",
                     b'{"ack":[1]} x', json.dumps({"ack": list(range(1, 1002))}).encode()):
            with self.subTest(body=body[:20]):
                answer = request(self.url("ack"), "POST", body=body)
                self.assertEqual(answer.status, 400, answer)

    def test_a_body_without_a_length_or_with_too_much_of_it_is_refused(self):
        head = f"POST /ack/t?merchant={self.merchant} HTTP/1.1\r\nHost: localhost\r\n"
        for more, status in (("", 411), ("Transfer-Encoding: chunked\r\n", 411),
                             ("Content-Length: 32769\r\n", 413),
                             ("Content-Length: 99999999999999999999\r\n", 413),
                             ("Content-Length: -1\r\n", 411), ("Content-Length: 1x\r\n", 400)):
            with self.subTest(more=more):
                answer = raw(self.url("ack"), head + more + "\r\n")
                self.assertTrue(answer.startswith(f"HTTP/1.1 {status} "), answer)

    def test_a_body_may_come_in_pieces_but_not_for_ever(self):
        self.notify(1)
        body = '{"ack":[1]}'
        parts = urllib.parse.urlsplit(self.url("ack"))
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as sock:
            sock.sendall((f"POST /ack/t?merchant={self.merchant} HTTP/1.1\r\nHost: localhost\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n").encode())
            for c in body:
                sock.sendall(c.encode())
            self.assertTrue(sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n"))
        begun = time.monotonic()
        answer = raw(self.url("ack"), "POST /ack/t HTTP/1.1\r\nHost: localhost\r\n"
                     f"Content-Length: 50\r\n\r\n{body}")
        self.assertTrue(answer.startswith("HTTP/1.1 400 "), answer)
        self.assertLess(time.monotonic() - begun, 20)  # let go after 3 s

    def test_an_event_that_a_dba_holds_locked_keeps_no_other_ack_and_no_poll_waiting(self):
        self.notify(3)
        Poll(self.url("poll"))
        env = {**os.environ, **{k: v for k, v in self.stack.env.items() if k.startswith("PG")}}
        with subprocess.Popen(["psql", "-X", "-q", "-A", "-t"], env=env, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as dba:
            dba.stdin.write("begin; update order_event set content = 'x' where "
                            f"merchant_id = {self.merchant} and seq = 1; select 'held';\n")
            dba.stdin.flush()
            self.assertEqual(dba.stdout.readline(), "held\n")
            answers = []
            waiting = threading.Thread(target=lambda: answers.append(
                post_ack(self.url("ack"), [1], within_s=60)))
            waiting.start()
            try:
                for seq in (2, 3):
                    begun = time.monotonic()
                    self.assertEqual(post_ack(self.url("ack"), [seq]).status, 200)
                    self.assertEqual(Poll(self.url("poll"), wants_open=True).status, 200)
                    self.assertLess(time.monotonic() - begun, 9)
                self.assertEqual(answers, [])
            finally:
                dba.stdin.write("rollback;\n")
                dba.stdin.close()
            waiting.join()
        self.assertEqual([a.status for a in answers], [200])
        self.assertEqual(self.stack.psql("select count(*) from order_event where "
                                         f"merchant_id = {self.merchant} and acked_at is null"), "0")

    def test_the_largest_ack_is_taken(self):
        self.notify(1000)
        answer = post_ack(self.url("ack"), list(range(1, 1001)))
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.stack.psql("select count(*) from order_event where "
                                         f"merchant_id = {self.merchant} and acked_at is null"), "0")


if __name__ == "__main__":
    unittest.main()
