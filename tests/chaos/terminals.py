"""terminals - those who must hear: v1, SSE, poll, and plain ones for information.

Each keeps its cursor and comes back as a client must: full jitter, rand(0, min(20 s, 0.5 s *
2^n)), and a connection that says nothing for two heartbeats and a half is dead.  What they are told
goes to their Book (ledger.py).
"""

import asyncio
import json
import random
import urllib.parse

import wire
from wire import Broken, Lost, Refused

BACKOFF_BASE_S, BACKOFF_CAP_S = 0.5, 20
STEADY_S = 5  # a connection that lasted so long was no failure
WELCOME_S = 60  # the server may be waiting for its database
BEATS_MISSED = 2.5
RETRY_STATUSES = {408, 502, 503, 504}  # of HTTP: the request came too slowly, or nobody is there
WEB_STATUSES = RETRY_STATUSES | {500}  # what a web server says whose notifier has just died
RETRY_CODES = {1000, 1001, 1005, 1006, 1012, 1013, 4001, 4003}  # those that the protocol may use
SEQS_PER_ACK = 1000


class Terminal:
    """What all kinds share.  A kind has session(): one connection, from its opening to its end,
    which it tells by an exception."""

    kind = ""

    def __init__(self, world, name, merchant, routes, habits):
        self.world = world
        self.name = name
        self.merchant = merchant
        self.routes = routes
        self.habits = habits
        self.random = random.Random(f"{world.seed} {name}")
        self.book = world.ledger.book(name, self.kind, merchant)
        self.source = habits.source
        self.connection = None
        self.is_live = False  # connected, and told all that was there when it came
        self.live_since = None
        self.n_losses = 0
        self.is_ending = False
        self.is_away = False  # does not want to be connected now
        self.wake = asyncio.Event()
        self.unacked = set()  # acks that were sent and not told yet
        self.task = None

    def start(self):
        self.book.takes_part = True
        self.task = asyncio.create_task(self.run(), name=self.name)

    async def end(self):
        self.is_ending = True
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    # --- coming and going ---

    async def run(self):
        failures = 0
        loop = asyncio.get_running_loop()
        while not self.is_ending:
            while self.is_away:
                await self.pause(3600)
            self.live_since = None
            why = await self.one_session()
            now = loop.time()
            is_steady = self.live_since is not None and now - self.live_since > STEADY_S
            failures = 0 if is_steady else failures + 1
            self.book.lost(why)
            await self.pause(self.backoff_s(failures))

    def backoff_s(self, failures):
        return self.random.random() * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(failures, 10))

    async def one_session(self):
        """Gives why it ended."""
        acker = None
        try:
            route = self.random.choice(self.routes)
            with await wire.Connection.open(self.world.address(route), self.source,
                                            self.habits.receive_buffer) as c:
                self.connection = c
                if self.habits.acks:
                    acker = asyncio.create_task(self.ack_now_and_then())
                if self.random.random() < self.habits.forgets:
                    self.book.forget()
                await self.session(c)
        except Broken as error:
            self.book.problem("protocol", str(error))
            return str(error)
        except (Lost, Refused) as error:
            if isinstance(error, Refused):
                self.judge(route, error.status)
            return str(error)
        finally:
            if acker is not None:
                acker.cancel()
            self.n_losses += 1
            self.connection = None
            self.is_live = False
        return "ended"

    def judge(self, route, status):
        """A request was answered with that, which is not what was hoped for."""
        if status not in (WEB_STATUSES if route == "web" else RETRY_STATUSES):
            self.book.problem("protocol", f"{route} answered {status}")

    async def pause(self, wait_s):
        """The wait between two connections, which retry_now() ends."""
        self.wake.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self.wake.wait()
        except TimeoutError:
            pass

    def retry_now(self):
        """As a browser that is online again, or looked at again."""
        self.wake.set()

    def go_away(self):
        """As a computer that is put to sleep; come_back() ends it."""
        self.is_away = True
        if self.connection is not None:
            self.connection.close()

    def come_back(self):
        self.is_away = False
        self.wake.set()

    def stall(self):
        """Reads nothing any more, until go_on()."""
        if self.connection is not None:
            self.connection.may_read.clear()

    def go_on(self):
        if self.connection is not None:
            self.connection.may_read.set()

    def live(self):
        if self.live_since is None:
            self.live_since = asyncio.get_running_loop().time()
        self.is_live = True

    def has(self, top):
        """It is connected, and was told all up to `top`."""
        return self.is_live and self.book.cursor is not None and self.book.cursor[1] >= top

    def query(self, **words):
        words = {"merchant": self.merchant, **words}
        return "?" + urllib.parse.urlencode({k: v for k, v in words.items() if v is not None})

    def cursor_text(self):
        cursor = self.book.cursor
        return None if cursor is None else f"{cursor[0]}:{cursor[1]}"

    # --- acks ---

    async def ack_now_and_then(self):
        while True:
            await asyncio.sleep(self.random.uniform(*self.habits.ack_every_s))
            seqs = sorted(self.book.ringing)
            if self.is_live and seqs:
                most = self.random.choice((1, 5, 50, SEQS_PER_ACK))
                await self.ack(seqs[:most])

    async def ack(self, seqs):
        """A person has seen these."""


class V1(Terminal):
    """orderbell.v1"""

    kind = "v1"

    def hello(self):
        hello = {"hello": 1, "audio": "armed"}
        if self.book.cursor is not None:
            hello["after"] = {"epoch": self.book.cursor[0], "seq": self.book.cursor[1]}
        return hello

    def say(self, message):
        self.connection.send(wire.frame(wire.TEXT, json.dumps(message).encode()))

    async def session(self, c):
        await wire.upgrade(c, f"/ws/{self.name}{self.query()}", 15, "orderbell.v1")
        self.say(self.hello())
        silent_s = WELCOME_S
        while True:
            while (got := wire.next_frame(c.buffer)) is not None:
                silent_s = self.take(c, *got) or silent_s
            await c.more(silent_s)

    def take(self, c, opcode, payload):
        """One frame.  Gives how long the server may be silent from now on, if that changed."""
        if opcode == wire.TEXT:
            return self.take_text(json_of(payload))
        if opcode == wire.PING:
            c.send(wire.frame(wire.PONG, payload))
        elif opcode == wire.CLOSE:
            code = wire.close_code(payload)
            self.world.closes[code] += 1
            c.send(wire.frame(wire.CLOSE, payload[:2]))
            if code not in RETRY_CODES:
                raise Broken(f"closed with {code}")
            raise Lost(f"closed with {code}")
        return None

    def take_text(self, message):
        book = self.book
        if "welcome" in message:
            book.welcome(message["epoch"], message["top"], message["recovered"], message["open"],
                         message.get("open_from"))
            if message["merchant"] != self.merchant:
                book.problem("protocol", f"welcomed as merchant {message['merchant']}")
            return BEATS_MISSED * message["heartbeat"]
        if "type" in message:
            book.event(message)
        elif "caught_up" in message:
            book.caught_up(message["caught_up"])
            self.live()
        elif "acked" in message:
            book.acked(message["acked"], message["by"])
        elif "heartbeat" not in message:
            raise Broken(f"a message of no known kind: {message}")
        return None

    async def ack(self, seqs):
        self.say({"ack": seqs})


class HttpAcks(Terminal):
    """Those who ack by a request of its own."""

    async def ack(self, seqs):
        body = json.dumps({"ack": seqs}).encode()
        route = self.random.choice(self.routes)
        try:
            answer = await wire.request(
                self.world.address(route), "POST",
                f"/ack/{self.name}{self.query()}", [("Content-Type", "application/json")], body,
                within_s=15, source=self.source)
        except Lost:
            return  # it rings on, and is said again
        if answer.status == 200:
            acked = json_of(answer.body)["acked"]
            self.book.trace(f"acks kept: {len(acked)}")
            self.world.ledger.told_acked(self.book, acked)
        else:
            self.judge(route, answer.status)


class Sse(HttpAcks):
    """Server-Sent Events, as a browser's EventSource takes them.  By header or, at its first
    connection only, by ?after=."""

    kind = "sse"

    async def session(self, c):
        headers, after = [("Accept", "text/event-stream")], None
        if self.book.cursor is not None and self.habits.resumes_by_query:
            after = self.cursor_text()
        elif self.book.cursor is not None:
            headers.append(("Last-Event-ID", self.cursor_text()))
        c.send(wire.request_bytes("GET", f"/events/{self.name}{self.query(after=after)}", headers))
        head = await wire.read_head(c, 15)
        if head.status != 200:
            raise Refused(head.status)
        if not (head.get("content-type") or "").startswith("text/event-stream"):
            raise Broken(f"the content type is {head.get('content-type')}")
        await self.hear(wire.Body(c, head))

    async def hear(self, body):
        text = b""
        silent_s = WELCOME_S
        while piece := await body.piece(silent_s):
            text += piece
            if len(text) > wire.FRAME_MAX:
                raise Broken("an event without end")
            *blocks, text = text.split(b"\n\n")
            for block in blocks:
                self.take(block.decode())
            if self.book.epoch is not None:
                silent_s = BEATS_MISSED * self.world.heartbeat_s
        raise Lost("the stream ended")

    def take(self, block):
        """One block between two empty lines."""
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name and name not in ("data", "event", "id", "retry"):
                raise Broken(f"a line that no EventSource knows: {line[:80]}")
            if name:
                fields[name] = value.removeprefix(" ")
        if "data" not in fields:
            return
        message = json_of(fields["data"].encode())
        kind = fields.get("event", "message")
        cursor = fields.get("id")
        book = self.book
        if kind == "welcome":
            book.welcome(message["epoch"], message["top"], message["recovered"], message["open"],
                         message.get("open_from"))
        elif kind == "message":
            self.check_id(cursor, message.get("epoch"), message.get("seq"))
            book.event(message)
        elif kind == "caught_up":
            self.check_id(cursor, book.epoch, message["caught_up"])
            book.caught_up(message["caught_up"])
            self.live()
        elif kind == "acked":
            book.acked(message["acked"], message["by"])
        elif kind == "bye":
            self.world.closes[message["code"]] += 1
            book.trace(f"bye {message['code']}")
            if message["code"] not in RETRY_CODES:
                raise Broken(f"bye with {message['code']}")
        else:
            raise Broken(f"an event of no known kind: {kind}")

    def check_id(self, cursor, epoch, seq):
        wanted = None if seq is None else f"{epoch}:{seq}"
        if cursor != wanted:
            raise Broken(f"the id is {cursor}, not {wanted}")


class Poll(HttpAcks):
    """Asks every now and then."""

    kind = "poll"

    async def run(self):
        failures = 0
        while not self.is_ending:
            while self.is_away:
                self.is_live = False
                await self.pause(3600)
            try:
                is_all = await self.poll()
                failures = 0
                await self.pause(self.random.uniform(0.5, 1.5) if is_all else 0)
            except (Lost, Refused) as error:
                failures += 1
                self.n_losses += 1
                self.is_live = False
                self.book.lost(str(error))
                await self.pause(self.backoff_s(failures))
            except Broken as error:
                self.book.problem("protocol", str(error))
                await self.pause(1)

    async def poll(self):
        """One request.  True: there is no more for now."""
        # Not in the middle of many pages: it would never get through.
        if self.is_live and self.random.random() < self.habits.forgets / 4:
            self.book.forget()
            self.is_live = False
        route = self.random.choice(self.routes)
        answer = await wire.request(
            self.world.address(route), "GET",
            f"/poll/{self.name}{self.query(after=self.cursor_text(), open='yes')}",
            within_s=15, source=self.source)
        if answer.status != 200:
            self.judge(route, answer.status)
            raise Refused(answer.status)
        head = answer.head
        epoch, _, seq = (head.get("orderbell-cursor") or "").rpartition(":")
        if not epoch or not seq.isdigit():
            raise Broken(f"the cursor is {head.get('orderbell-cursor')!r}")
        open_seqs = [int(n) for n in (head.get("orderbell-open") or "").split(",") if n.strip()]
        open_from = head.get("orderbell-open-from")
        self.book.page((epoch, int(seq)), yes_no(head, "orderbell-recovered"),
                       json_of(answer.body, list), open_seqs, open_from and int(open_from))
        is_all = yes_no(head, "orderbell-caught-up")
        if is_all:
            self.live()
        if self.habits.acks and self.book.ringing and self.random.random() < 0.3:
            await self.ack(sorted(self.book.ringing)[:SEQS_PER_ACK])
        return is_all


class Plain(Terminal):
    """The clients of the tutorial: what is live while they are connected, for information."""

    kind = "plain"

    async def session(self, c):
        await wire.upgrade(c, f"/ws/{self.name}{self.query()}", 15)
        self.live()
        while True:
            while (got := wire.next_frame(c.buffer)) is not None:
                opcode, payload = got
                if opcode == wire.TEXT:
                    message = json_of(payload)
                    if message.get("type") not in (1, 2):
                        raise Broken(f"a plain client was told {message}")
                    self.book.n_events += 1
                    self.world.ledger.n_deliveries += 1
                elif opcode == wire.PING:
                    c.send(wire.frame(wire.PONG, payload))
                elif opcode == wire.CLOSE:
                    raise Lost(f"closed with {wire.close_code(payload)}")
            await c.more(BEATS_MISSED * self.world.heartbeat_s)


KINDS = {kind.kind: kind for kind in (V1, Sse, Poll, Plain)}


def json_of(data, wanted=dict):
    try:
        value = json.loads(data)
    except ValueError as error:
        raise Broken(f"no JSON: {data[:80]!r}") from error
    if not isinstance(value, wanted):
        raise Broken(f"no {wanted.__name__}: {data[:80]!r}")
    return value


def yes_no(head, name):
    value = head.get(name)
    if value not in ("yes", "no"):
        raise Broken(f"{name} is {value!r}")
    return value == "yes"


class Habits:
    """How one terminal lives.  source: the address it connects from.  forgets: how likely it is to
    begin a connection without its cursor.  acks: whether a person sits there."""

    def __init__(self, source=None, receive_buffer=0, acks=False, ack_every_s=(0.5, 4),
                 forgets=0.0, resumes_by_query=False):
        self.source = source
        self.receive_buffer = receive_buffer
        self.acks = acks
        self.ack_every_s = ack_every_s
        self.forgets = forgets
        self.resumes_by_query = resumes_by_query
