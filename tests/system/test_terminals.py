"""Terminals with tokens of their own: made, believed, and revoked by SQL."""

import socket
import time
import unittest

from clients import PythonTerminal
from processes import until
from stack import Stack, request
from streams import Poll, StreamTerminal, post_ack
from timing import within


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Terminals(unittest.TestCase):
    """Terminals where auth = any, on two notifiers"""

    n_terminals = 0

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(auth="jwt", notifiers=2,
                          settings=("notifier.auth=any", "heartbeat_s=2")).up()
        cls.addClassCleanup(cls.stack.down)
        cls.notifiers = cls.stack.env["NOTIFIER_URLS"].split()

    @staticmethod
    def parts(token):
        """obt_{id}, and the secret behind it, in which there may be a _ as well."""
        prefix, number, secret = token.split("_", 2)
        return f"{prefix}_{number}", secret

    def add(self, merchant=1):
        """A new terminal of the merchant: its name and token."""
        Terminals.n_terminals += 1
        name = f"kitchen-{Terminals.n_terminals}"
        token = self.stack.psql(f"select token from terminal_add({merchant}, '{name}')")
        return name, token

    def revoke(self, name, merchant=1):
        self.assertEqual(
            self.stack.psql(f"select terminal_revoke({merchant}, '{name}')"), "t")

    def ws(self, notifier, token=None, v1=True, **carriers):
        url = self.notifiers[notifier].replace("http", "ws", 1) + "/ws/some-sid"
        terminal = PythonTerminal(url, v1=v1, hello={"token": token} if token else None,
                                  headers=carriers.get("headers"))
        self.addCleanup(terminal.close)
        return terminal

    def stream(self, notifier, token):
        terminal = StreamTerminal(self.notifiers[notifier] + "/events/some-sid", bearer(token))
        self.addCleanup(terminal.close)
        return terminal

    def test_a_token_opens_every_kind_of_connection(self):
        name, token = self.add()
        v1 = self.ws(0, token).wait_until_live()
        self.assertEqual(v1.frames[0].json["merchant"], 1)
        by_cookie = self.ws(1, headers={"Cookie": f"a=b; token={token}"}).wait_until_live()
        plain = self.ws(0, v1=False, headers={"token": token}).wait_until_live(self.stack)
        stream = self.stream(1, token).wait_until_live()
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        for terminal in (v1, by_cookie, plain, stream):
            terminal.event_of(order.id)
        poll = Poll(self.notifiers[0] + "/poll/some-sid", headers=bearer(token))
        event = next(e for e in poll.events if e["orderId"] == order.id)
        answer = post_ack(self.notifiers[1] + "/ack/some-sid", [event["seq"]], bearer(token))
        self.assertEqual(answer.status, 200)
        # The token's name goes before the sid, and every notifier tells of it.
        for terminal in (v1, stream):
            terminal.wait_for(lambda m: m.get("by") == name, "acked")

    def test_what_is_no_token_is_refused(self):
        _, token = self.add()
        gone, revoked = self.add()
        self.revoke(gone)
        head, secret = self.parts(token)
        bad = [token + "x", token[:-1], head + "_", f"obt_99999_{secret}", f"obt__{secret}",
               head + "_" + "A" * len(secret), revoked, "obt_1", "obt_1_", token.upper()]
        for text in bad:
            with self.subTest(token=text):
                self.assertEqual(self.ws(0, text).wait_ended(), 4401)
                plain = self.ws(0, v1=False, headers=bearer(text))
                plain.wait_ended()
                self.assertEqual(plain.status, 401)
                for path, method, body in (("/events/t", "GET", None), ("/poll/t", "GET", None),
                                           ("/ack/t", "POST", b'{"ack":[1]}')):
                    answer = request(self.notifiers[0] + path, method, bearer(text), body)
                    self.assertEqual(answer.status, 401, path)
                    self.assertEqual(answer.header("WWW-Authenticate"), "Bearer")

    def test_a_token_shows_one_merchants_events_alone(self):
        mine, other = self.add(1)[1], self.add(2)[1]
        listening = [self.ws(0, mine).wait_until_live(), self.ws(0, other).wait_until_live()]
        orders = [self.stack.place_order(merchant=m) for m in (1, 2)]
        for order in orders:
            self.stack.pay_by_sql(order)
        for terminal, order in zip(listening, orders):
            terminal.event_of(order.id)
            self.assertEqual([e["orderId"] for e in terminal.heard()], [order.id])

    def test_a_revoked_token_ends_every_connection_within_a_second(self):
        _, stays = self.add()
        open_ = [self.ws(0, stays).wait_until_live(), self.stream(1, stays).wait_until_live()]

        def seconds_to_the_end():
            name, token = self.add()
            ended = [self.ws(0, token), self.ws(1, token), self.stream(0, token),
                     self.stream(1, token)]
            for terminal in ended:
                terminal.wait_until_live()
            ended.append(self.ws(1, v1=False, headers=bearer(token)).wait_until_live(self.stack))
            begun = time.monotonic()
            self.revoke(name)
            for terminal in ended:
                self.assertEqual(terminal.wait_ended(), 4401)
            took_s = time.monotonic() - begun
            self.assertEqual(self.ws(0, token).wait_ended(), 4401)
            return took_s

        within(1, seconds_to_the_end)
        for terminal in open_:
            self.assertTrue(terminal.is_open)

    def test_a_row_that_is_deleted_by_hand_is_a_revoked_one(self):
        """The only one of its merchant, who has another's terminal beside it by JWT."""
        merchant = self.stack.psql("insert into merchant (name) values ('one till') returning id")
        beside = self.ws(0, self.stack.merchant_token(int(merchant))).wait_until_live()

        def seconds_to_the_end():
            _, token = self.add(merchant)
            ended = [self.ws(0, token).wait_until_live(), self.ws(1, token).wait_until_live()]
            begun = time.monotonic()
            self.stack.psql(f"delete from terminal where merchant_id = {merchant}")
            for terminal in ended:
                self.assertEqual(terminal.wait_ended(), 4401)
            return time.monotonic() - begun

        within(1, seconds_to_the_end)
        self.assertTrue(beside.is_open)

    def test_who_has_closed_his_half_is_answered_once_his_token_is_judged(self):
        _, token = self.add()
        host, _, port = self.notifiers[0].rpartition("//")[2].partition(":")
        for _ in range(5):
            with socket.create_connection((host, int(port)), timeout=30) as sock:
                sock.sendall("GET /poll/t HTTP/1.1\r\nHost: localhost\r\n"
                             f"Authorization: Bearer {token}\r\n\r\n".encode())
                sock.shutdown(socket.SHUT_WR)
                self.assertTrue(sock.recv(100).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_a_jwt_is_believed_beside_them(self):
        self.ws(0, self.stack.merchant_token(2)).wait_until_live()
        self.assertEqual(self.ws(0, "eyJhbGciOiJub25lIn0.e30.").wait_ended(), 4401)

    def test_while_the_database_is_away_no_token_is_called_bad(self):
        _, token = self.add()
        self.ws(0, token).wait_until_live()
        self.stack.kill_postgres()
        try:
            v1 = self.ws(0, token)
            stream = self.stream(0, token)
            plain = request(self.notifiers[0] + "/ws/some-sid", headers={
                **bearer(token), "Upgrade": "websocket", "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="},
                within_s=40)
            self.assertEqual(plain.status, 503)
            self.assertEqual(v1.wait_ended(40), 1013)
            stream.wait_ended(40)
            self.assertEqual(stream.status, 503)
        finally:
            self.stack.restart("postgres")
        self.assertTrue(until(lambda: self.stack.is_ready(), 60))
        self.ws(0, token).wait_until_live()

    def test_no_token_is_in_any_log(self):
        _, token = self.add()
        self.ws(0, token).wait_until_live()
        self.ws(0, token + "x").wait_ended()
        self.assertNotIn(self.parts(token)[1], self.stack.logs(lines=10000))


if __name__ == "__main__":
    unittest.main()
