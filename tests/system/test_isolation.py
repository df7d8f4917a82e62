"""Fifty merchants on two notifiers: nobody hears a byte of what is another's, whatever he tries."""

import json
import random
import re
import time
import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from clients import PythonTerminal
from processes import until
from stack import Stack, forged_tokens, jwt, request
from streams import Poll, StreamTerminal, post_ack

MERCHANTS = range(1, 51)
ROUNDS, ORDERS_A_ROUND = 12, 60
ATTEMPTS = 800
SEED = 20261123
WITHIN_S = 40
# Every text that is a merchant's own says whose it is: the order's number, the terminal's name.
MARK = re.compile(r"\bm(\d+)[nt]")


def marks(text):
    return {int(number) for number in MARK.findall(text)}


class Till:
    """One terminal of a merchant, and all it may be told."""

    def __init__(self, merchant, terminal):
        self.merchant = merchant
        self.terminal = terminal

    def texts(self):
        return [frame.text for frame in self.terminal.frames]

    def event_texts(self):
        """The events with a seq that it was told, by seq."""
        told = [json.loads(text) for text in self.texts()]
        return {m["seq"]: m["content"] for m in told if "seq" in m}


class Poller:
    """The same for one that polls."""

    def __init__(self, merchant, url, headers):
        self.merchant = merchant
        self.url, self.headers = url, headers
        self.cursor = None
        self.told = []

    def poll(self):
        while True:
            poll = Poll(self.url, self.cursor, headers=self.headers)
            assert poll.status == 200, poll.answer
            self.told.append(poll.answer.body.decode() + str(poll.answer.headers))
            self.cursor = poll.cursor
            if poll.caught_up:
                return

    def texts(self):
        return self.told

    def event_texts(self):
        return {m["seq"]: m["content"] for text in self.told
                for m in json.JSONDecoder().raw_decode(text)[0]}


class Isolation(unittest.TestCase):
    """Merchants among each other"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(auth="jwt", notifiers=2, settings=(
            "notifier.auth=any", "notifier.jwt_kid=old", "notifier.log_level=debug")).up()
        cls.addClassCleanup(cls.stack.down)
        cls.notifiers = cls.stack.env["NOTIFIER_URLS"].split()
        cls.random = random.Random(SEED)
        cls.stack.psql(f"""insert into merchant (name) select 'm' from generate_series(
            (select max(id) from merchant) + 1, {max(MERCHANTS)})""")
        cls.tokens = {m: cls.add_terminal(m, f"m{m}till") for m in MERCHANTS}
        cls.pool = ThreadPoolExecutor(12)
        cls.addClassCleanup(cls.pool.shutdown)

    @classmethod
    def add_terminal(cls, merchant, name):
        return cls.stack.psql(f"select token from terminal_add({merchant}, '{name}')")

    @classmethod
    def metric(cls, *names):
        """The sum of these over both notifiers."""
        total = 0
        for url in cls.notifiers:
            for line in request(url + "/metrics").body.decode().splitlines():
                name, _, value = line.rpartition(" ")
                total += int(value) if name in names else 0
        return total

    @classmethod
    def n_refused(cls):
        return cls.metric('orderbell_refusals_total{reason="unauthorized"}',
                          'orderbell_closed_total{reason="unauthorized"}',
                          'orderbell_closed_total{reason="forbidden"}')

    def token(self, merchant, **claims):
        kid = self.random.choice(({}, {"kid": "old"}))
        return jwt(self.stack.env["JWT_SECRET"],
                   {"merchant": merchant, "exp": int(time.time()) + 3600, **claims},
                   {"alg": "HS256", "typ": "JWT", **kid})

    def good_token(self, merchant):
        return self.random.choice((self.tokens[merchant], self.token(merchant)))

    def carriers(self, token):
        return self.random.choice(({"Authorization": f"Bearer {token}"}, {"token": token},
                                   {"Cookie": f"a=b; token={token}"}))

    def url(self, kind, merchant=None):
        """Of any notifier; what it says of a merchant is a lie, and must not matter."""
        base = self.random.choice(self.notifiers)
        lie = self.random.choice(("", f"?merchant={self.random.choice(MERCHANTS)}"))
        sid = "till" if merchant is None else self.random.choice(("till", f"m{merchant}till"))
        return f"{base}/{kind}/{sid}{lie}"

    def ws(self, token, v1, in_hello=False, merchant=None):
        hello = {"token": token} if in_hello else None
        headers = {} if in_hello else self.carriers(token)
        terminal = PythonTerminal(self.url("ws", merchant).replace("http", "ws", 1), v1=v1,
                                  hello=hello, headers=headers)
        self.addCleanup(terminal.close)
        return terminal

    # --- the good ones ---

    def open_tills(self, merchant):
        """One of each kind, at a notifier of its choice, with a token of its choice."""
        v1 = self.ws(self.good_token(merchant), True, self.random.random() < 0.5, merchant)
        plain = self.ws(self.good_token(merchant), False, False, merchant)
        stream = StreamTerminal(self.url("events", merchant),
                                self.carriers(self.good_token(merchant)))
        self.addCleanup(stream.close)
        poller = Poller(merchant, self.url("poll", merchant),
                        self.carriers(self.good_token(merchant)))
        return [Till(merchant, v1), Till(merchant, plain), Till(merchant, stream), poller]

    def wait_until_all_live(self, tills):
        plain = [till.terminal for till in tills if not till.terminal.v1]
        for till in tills:
            if till.terminal.v1:
                till.terminal.wait_until_live(within_s=WITHIN_S)
            else:
                till.terminal.wait_open(WITHIN_S)

        def all_hear():
            self.stack.psql("""notify order_events, '{"type":1,"orderId":-1,"content":"hello"}'""")
            return until(lambda: all(t.frames for t in plain), 1)
        self.assertTrue(until(all_hear, WITHIN_S))

    def pay_round(self, number):
        """Orders of any merchants, placed, paid and reminded of in a few statements."""
        chosen = [self.random.choice(MERCHANTS) for _ in range(ORDERS_A_ROUND)]
        rows = ", ".join(f"('m{m}n{number}x{i}', 38, {m}, 4)" for i, m in enumerate(chosen))
        other = self.random.choice(MERCHANTS)
        self.stack.psql(f"""
            insert into orders (number, amount, merchant_id, user_id) values {rows};
            update orders set pay_status = 1 where number ~ '^m[0-9]+n{number}x';
            select remind(id) from orders where number ~ '^m[0-9]+n{number}x[0-9]*7$';
            select notify({other}, 9, 'm{other}n of its own');
            notify order_events,
                '{{"merchant":{other},"type":2,"orderId":1,"content":"m{other}n by hand"}}'""")

    def ack_some(self, tills):
        for till in self.random.sample(tills, 10):
            seqs = list(till.event_texts())[-3:]
            if seqs:
                answer = post_ack(self.url("ack", till.merchant), seqs,
                                  self.carriers(self.good_token(till.merchant)))
                self.assertEqual(answer.status, 200, answer)

    # --- the bad ones ---

    def bad_tokens(self, me, victim):
        """[(what is wrong, token)]: what `me` may think of to hear the victim's events."""
        now, secret = int(time.time()), self.stack.env["JWT_SECRET"]
        claims = {"merchant": victim, "exp": now + 60}
        mine, theirs = self.token(me), jwt("not the secret, but as long", claims)
        their_head = "_".join(self.tokens[victim].split("_", 2)[:2])
        my_secret = self.tokens[me].split("_", 2)[2]
        return [
            ("crossed: my signature, their claims",
             ".".join((mine.split(".")[0], theirs.split(".")[1], mine.split(".")[2]))),
            ("crossed: their terminal, my secret", f"{their_head}_{my_secret}"),
            ("crossed: their terminal, no secret", f"{their_head}_"),
            ("expired", self.token(victim, exp=now - 2)),
            ("not yet valid", self.token(victim, nbf=now + 600)),
            ("of a wrong kid", jwt(secret, claims, {"alg": "HS256", "kid": "new"})),
            ("of a kid that is a path", jwt(secret, claims, {"alg": "HS256", "kid": "../old"})),
            ("of the right kid by a foreign key",
             jwt("x" * len(secret), claims, {"alg": "HS256", "kid": "old"})),
            ("without an end", jwt(secret, {"merchant": victim})),
            ("of a customer", jwt(secret, {"userId": victim, "exp": now + 60})),
            ("of two merchants", self.token([me, victim])),
            ("revoked", self.revoked[victim]),
            ("revoked, shortened", self.revoked[victim][:-1]),
            ("of a terminal with zeros before", re.sub("^obt_", "obt_0", self.tokens[victim])),
            ("of a terminal that is SQL", f"obt_1 or 1=1_{my_secret}"),
            ("of no terminal", f"obt_999999_{my_secret}"),
            ("nothing", ""),
            *forged_tokens(secret, claims)]

    @staticmethod
    def code_of(terminal):
        """What it was closed with; None: it was let stay."""
        until(lambda: terminal.is_ended, WITHIN_S)
        return terminal.close_code

    def try_plain(self, token):
        terminal = self.ws(token, False)
        self.code_of(terminal)
        return terminal.status == 401, [f.text for f in terminal.frames]

    def try_v1(self, token):
        terminal = self.ws(token, True, in_hello=True)
        return self.code_of(terminal) == 4401, [f.text for f in terminal.frames]

    def try_stream(self, token):
        try:
            answer = request(self.url("events"), headers=self.carriers(token), within_s=WITHIN_S)
        except TimeoutError:
            return False, []  # it streams
        return answer.status == 401, [answer.body.decode()]

    def try_poll(self, token):
        answer = request(self.url("poll"), headers=self.carriers(token), within_s=WITHIN_S)
        return answer.status == 401, [answer.body.decode()]

    def try_ack(self, token):
        answer = post_ack(self.url("ack"), [1, 2, 3], self.carriers(token))
        return answer.status == 401, [answer.body.decode()]

    def try_to_move(self, me, victim):
        """A terminal that is live shows another merchant's token, even a good one."""
        terminal = self.ws(self.good_token(me), True)
        terminal.wait_until_live(within_s=WITHIN_S)
        terminal.send(json.dumps({"hello": 1, "token": self.good_token(victim)}))
        return self.code_of(terminal) == 4403, [f.text for f in terminal.frames if marks(f.text) - {me}]

    def attempt(self, number):
        """Gives what was tried, and whether it was refused without a byte of anybody's."""
        me, victim = self.random.sample(MERCHANTS, 2)
        if number % 20 == 0:
            what, way, (refused, texts) = "moved", "v1", self.try_to_move(me, victim)
        else:
            what, token = self.random.choice(self.bad_tokens(me, victim))
            way = self.random.choice((self.try_plain, self.try_v1, self.try_stream, self.try_poll,
                                      self.try_ack))
            refused, texts = way(token)
            way = way.__name__
        heard = [text for text in texts if marks(text)]
        return what, way, refused and not heard

    # --- all of it at once ---

    def test_nobody_hears_a_byte_of_what_is_anothers(self):
        self.revoked = {m: self.add_terminal(m, "gone") for m in MERCHANTS}
        self.stack.psql("select terminal_revoke(id, 'gone') from merchant")
        tills = [till for m in MERCHANTS for till in self.open_tills(m)]
        self.random.shuffle(tills)
        pollers = [till for till in tills if isinstance(till, Poller)]
        open_ = [till for till in tills if isinstance(till, Till)]
        self.wait_until_all_live(open_)
        list(self.pool.map(Poller.poll, pollers))
        refused_before = self.n_refused()

        attempts = [self.pool.submit(self.attempt, n) for n in range(ATTEMPTS)]
        for number in range(ROUNDS):
            self.pay_round(number)
            list(map(Poller.poll, self.random.sample(pollers, 10)))
            self.ack_some(tills)
        results = [attempt.result() for attempt in attempts]
        list(map(Poller.poll, pollers))

        # 0 accepted of all tried, and each of them counted.
        accepted = Counter((what, way) for what, way, good in results if not good)
        self.assertEqual(accepted, {})
        self.assertEqual(len(results), ATTEMPTS)
        self.assertGreater(len({what for what, _, _ in results}), 25)
        self.assertTrue(until(lambda: self.n_refused() - refused_before == ATTEMPTS, WITHIN_S),
                        self.n_refused() - refused_before)

        # Each has heard all that is its merchant's, and nothing else.
        events = {m: {} for m in MERCHANTS}
        for merchant, seq, type_, content in self.stack.rows(
                "select merchant_id, seq, type, content from order_event"):
            events[int(merchant)][int(seq)] = (int(type_), content)
        for till in tills:
            self.check(till, events[till.merchant])
        self.assert_no_secret_in_the_logs()

    def assert_no_secret_in_the_logs(self):
        """Though they say all that there is to be said (debug)."""
        log = self.stack.part_log("notifier-1") + self.stack.part_log("notifier-2")
        self.assertIn("refused: status=401", log)
        for token in (*self.tokens.values(), *self.revoked.values()):
            self.assertNotIn(token.split("_", 2)[2], log)
        self.assertNotIn(self.stack.env["JWT_SECRET"], log)
        self.assertNotRegex(log, r"eyJ[A-Za-z0-9_-]{10}")

    def check(self, till, events):
        is_plain = isinstance(till, Till) and not till.terminal.v1
        wanted = {seq: content for seq, (type_, content) in events.items()
                  if type_ in (1, 2) or not is_plain}
        until(lambda: len(till.event_texts()) >= len(wanted), WITHIN_S)
        self.assertEqual(till.event_texts(), wanted)
        for text in till.texts():
            self.assertLessEqual(marks(text), {till.merchant}, text)
            self.assertIn(json.JSONDecoder().raw_decode(text)[0].get("merchant", till.merchant)
                          if text.startswith("{") else till.merchant, (till.merchant,))
