"""world - what the chaos happens to: a stack with two notifiers, and the network between its parts.

Each notifier reaches PostgreSQL through a relay of its own ("d1", "d2").  Terminals reach the
notifiers directly ("n1", "n2"), through relays ("r1", "r2") or through the web server ("web").
"""

import asyncio
import collections
import json
import os
import shutil
import signal
import tempfile
import time

import pg
from ledger import Ledger, Truth
from processes import until
from relay import Relay
from stack import Stack, jwt
from wire import Lost

NOTIFIERS = (1, 2)
HEARTBEAT_S = 3  # short, so that dead connections are noticed within a run
SETTINGS = ("notifier.drain_s=2", f"notifier.heartbeat_s={HEARTBEAT_S}", "notifier.slow_s=5")
SOURCES = ("127.0.2.1", "127.0.2.2", "127.0.2.3")  # of those who connect directly

# prune() forgets for good; what it forgot is still to be counted.
KEEP_THE_PRUNED = """
create schema chaos;
create table chaos.pruned as
    select id, merchant_id, seq, type, order_id, content, acked_at, now() as pruned_at
    from order_event with no data;
create function chaos.keep() returns trigger language plpgsql as $$
begin
    insert into chaos.pruned values (old.id, old.merchant_id, old.seq, old.type, old.order_id,
        old.content, old.acked_at, clock_timestamp());
    return null;
end $$;
create trigger keep after delete on order_event for each row when (old.seq is not null)
    execute function chaos.keep();
"""
ROWS = """
select id, merchant_id, seq, type, order_id, content, extract(epoch from acked_at), null
from order_event where seq is not null
union all
select id, merchant_id, seq, type, order_id, content, extract(epoch from acked_at),
    extract(epoch from pruned_at) from chaos.pruned
order by 2, 3
"""


class World:
    """The stack, its relays, and what is known of them."""

    def __init__(self, seed, host, n_merchants, net):
        self.seed = seed
        self.net = net  # net.Net, or None where packets cannot be dropped
        self.folder = tempfile.mkdtemp(prefix="orderbell-chaos.")
        os.mkdir(os.path.join(self.folder, "terminals"))
        self.ledger = Ledger(self.open_trace)
        self.merchants = list(range(1, n_merchants + 1))
        # Merchants who hear of one event a fault, and so would miss one that is forgotten: those
        # to whom something happens all the time hear of all before it with the next bell.
        self.quiet = self.merchants[-max(1, n_merchants // 6):]
        self.busy = self.merchants[:-len(self.quiet)]
        self.heartbeat_s = HEARTBEAT_S
        self.stack = Stack(host=host, notifiers=len(NOTIFIERS), settings=SETTINGS)
        self.database_relays = {n: Relay(f"d{n}", self.postgres_address) for n in NOTIFIERS}
        self.terminal_relays = {n: Relay(f"r{n}", lambda n=n: self.address(f"n{n}"))
                                for n in NOTIFIERS}
        self.stack_lock = asyncio.Lock()
        self.restarting = None
        self.desk = None
        self.postgres_port = None
        self.webhook_key = b""
        self.paid = []  # orders, for reminders
        self.terminals = []
        self.answers = collections.Counter()  # to callbacks and customers
        self.sql_errors = collections.Counter()
        self.closes = collections.Counter()
        self.began = time.monotonic()

    def open_trace(self, name):
        return open(os.path.join(self.folder, "terminals", f"{name}.log"), "w", encoding="utf-8")

    def say(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    # --- life ---

    async def up(self):
        for relay in self.relays():
            await relay.start()
        self.stack.settings += tuple(
            f"notifier-{n}.database=host=127.0.0.1 port={relay.port} user=notifier dbname=orderbell"
            for n, relay in self.database_relays.items())
        await asyncio.to_thread(self.stack.up)
        self.postgres_port = int(self.stack.env["PGPORT"])
        self.webhook_key = self.stack.webhook_key()
        self.desk = pg.Patient(self.postgres_port)
        await self.desk.query(KEEP_THE_PRUNED)
        await self.desk.query(
            "insert into merchant (name) select 'chaos' from generate_series("
            f"(select max(id) from merchant) + 1, {len(self.merchants)})")

    async def down(self):
        """Keeps the logs in the folder."""
        if self.desk is not None:
            self.desk.close()
        for relay in self.relays():
            await relay.stop()
        if self.stack.folder is not None:
            await asyncio.to_thread(self.end_stack)

    def end_stack(self):
        folder = self.stack.folder
        try:
            self.stack.run("down", folder)
        finally:
            if os.path.isdir(os.path.join(folder, "log")):
                shutil.copytree(os.path.join(folder, "log"), os.path.join(self.folder, "log"))
            shutil.rmtree(folder, ignore_errors=True)
            self.stack.folder = None

    def relays(self):
        return [*self.database_relays.values(), *self.terminal_relays.values()]

    # --- where things are ---

    def postgres_address(self):
        """Also while the stack is coming up: the notifiers want their database then."""
        with open(os.path.join(self.stack.folder, "stack.json"), encoding="utf-8") as f:
            return "127.0.0.1", json.load(f)["ports"]["postgres"]

    def address(self, name):
        if name == "web":
            return "127.0.0.1", int(self.stack.env["WEB_URL"].rpartition(":")[2])
        if name.startswith("r"):
            return "127.0.0.1", self.terminal_relays[int(name[1:])].port
        return "127.0.0.1", self.notifier_port(int(name[1:]))

    def notifier_port(self, n):
        return int(self.stack.env["NOTIFIER_URLS"].split()[n - 1].rpartition(":")[2])

    def pid(self, part):
        """Of postgres, web, or a notifier by its number."""
        if part == "postgres":
            return int(self.stack.env["PG_PID"])
        if part == "web":
            return int(self.stack.env["WEB_PID"])
        return int(self.stack.env["NOTIFIER_PIDS"].split()[part - 1])

    def user_token(self, user):
        return jwt(self.stack.env["JWT_SECRET"], {"userId": user, "exp": int(time.time()) + 3600})

    # --- what is done to it ---

    async def kill(self, part, sig=signal.SIGKILL):
        """Signals a part and waits until it is gone."""
        pid = self.pid(part)
        os.kill(pid, sig)
        if not await asyncio.to_thread(until, lambda: not os.path.exists(f"/proc/{pid}/fd/0"), 30):
            raise RuntimeError(f"{part} does not end: pid {pid}")

    async def restart(self, part):
        """Of tests/stack: ends it in good order where it runs, and starts it."""
        async with self.stack_lock:
            await asyncio.to_thread(self.stack.restart, part)

    async def fcgi_pids(self):
        async with self.stack_lock:
            await asyncio.to_thread(self.stack.run, "pids", self.stack.folder)
            self.stack.read_env()
        return [int(pid) for pid in self.stack.env["FCGI_PIDS"].split()]

    async def sql(self, text, within_s=60):
        return await self.desk.query(text, within_s)

    async def tops(self):
        """{merchant: its last seq}, as committed now."""
        rows = await self.sql("select merchant_id, seq from stream")
        return {int(merchant): int(seq) for merchant, seq in rows}

    async def truth(self):
        return Truth(await self.sql(ROWS),
                     await self.sql("select merchant_id, seq, kept_from from stream"))

    async def heal(self):
        """Whatever was done to it and not undone, is."""
        await self.settled()
        for relay in self.relays():
            relay.silence()
            await relay.accept()
        for terminal in self.terminals:
            terminal.go_on()
            terminal.come_back()
        for n in NOTIFIERS:
            try:
                os.kill(self.pid(n), signal.SIGCONT)
            except ProcessLookupError:
                await self.restart(f"notifier-{n}")

    def retry_now(self):
        for terminal in self.terminals:
            terminal.retry_now()

    def hearers(self):
        """Those who are to hear all."""
        return [t for t in self.terminals
                if t.task is not None and not t.is_away and t.kind != "plain"]

    def losses(self):
        return {t: t.n_losses for t in self.terminals}

    async def ring(self, merchants, text, without_bell=False):
        """An event more for each of these merchants.  Gives {merchant: its last seq} then."""
        bell = "later" if without_bell else ""
        ids = ", ".join(map(str, merchants))
        await self.sql(f"select set_config('orderbell.bell', '{bell}', true);"
                       f"select notify(id, 9, {pg.quote(text)}) from merchant where id in ({ids})")
        tops = await self.tops()
        return {merchant: tops[merchant] for merchant in merchants}

    async def caught_up(self, terminals, tops, within_s, began=None):
        """Waits until they all have what is committed.  Gives {terminal: seconds since `began`} of
        those that do."""
        began = began or time.monotonic()
        took, left = {}, list(terminals)
        while left and time.monotonic() < began + within_s:
            now = time.monotonic() - began
            took.update({t: now for t in left if t.has(tops[t.merchant])})
            left = [t for t in left if t not in took]
            if left:
                await asyncio.sleep(0.01)
        return took

    async def answers_again(self):
        """Waits until the database answers.  Gives when that was."""
        while True:
            try:
                with await pg.Session.open(self.postgres_port) as session:
                    await session.query("select 1", within_s=5)
                return time.monotonic()
            except (Lost, pg.SqlError):
                await asyncio.sleep(0.01)

    async def restart_postgres(self):
        """Gives when it answers again.  tests/stack is content later: settled()."""
        self.restarting = asyncio.create_task(self.restart("postgres"))
        await asyncio.wait([self.restarting, asyncio.create_task(self.answers_again())],
                           return_when=asyncio.FIRST_COMPLETED)
        return time.monotonic()

    async def settled(self):
        """Waits until what was begun is done."""
        if self.restarting is not None:
            await self.restarting
        self.restarting = None
