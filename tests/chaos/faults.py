"""faults - what is done to the world, a row each.

A fault is a coroutine function that does it and undoes it: when it returns the fault is over, or
was at the time.monotonic() that it gives, and the time to recover begins.  How long it lasts is
drawn from the run's seed.
"""

import asyncio
import collections
import os
import signal
import time

import pg
from relay import DOWN, UP
from terminals import SEQS_PER_ACK
from wire import Lost
from world import NOTIFIERS, SOURCES

RECOVERY_S = 45  # the longest back-off, twice, and some
AT_ONCE_S = 0.1  # who has an event within is not affected
LOCKED_TABLES = ("order_event", "stream", "orders")


class Dice:
    """The run's seed, and whether there is time for long faults."""

    def __init__(self, random, is_short):
        self.random = random
        self.is_short = is_short

    def seconds(self, least, most):
        return least if self.is_short else self.random.uniform(least, most)

    def notifier(self):
        return self.random.choice(NOTIFIERS)

    def choice(self, of):
        return self.random.choice(of)

    def chance(self, p):
        return self.random.random() < p


# --- programs ---

async def notifier_killed(w, dice):
    n = dice.notifier()
    await w.kill(n)
    await asyncio.sleep(dice.seconds(0, 3))
    await w.restart(f"notifier-{n}")


async def notifier_drained(w, dice):
    await w.restart(f"notifier-{dice.notifier()}")


async def notifier_frozen(w, dice):
    pid = w.pid(dice.notifier())
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(dice.seconds(1, 9))
    finally:
        os.kill(pid, signal.SIGCONT)


async def fcgi_killed(w, _):
    for pid in await w.fcgi_pids():
        os.kill(pid, signal.SIGKILL)
    while not await w.fcgi_pids():
        await asyncio.sleep(0.1)


async def web_killed(w, dice):
    await w.kill("web")
    await asyncio.sleep(dice.seconds(0, 2))
    await w.restart("web")


async def web_restarted(w, _):
    await w.restart("web")


async def all_killed(w, dice):
    """As by a power cut."""
    for part in ("postgres", *NOTIFIERS, "web"):
        await w.kill(part)
    for part in ("postgres", *(f"notifier-{n}" for n in NOTIFIERS), "web"):
        await w.restart(part)


# --- PostgreSQL ---

async def postgres_fast(w, _):
    await w.kill("postgres", signal.SIGINT)
    return await w.restart_postgres()


async def postgres_immediate(w, dice):
    await w.kill("postgres", signal.SIGQUIT)
    await asyncio.sleep(dice.seconds(0, 3))
    return await w.restart_postgres()


async def postgres_killed(w, dice):
    await w.kill("postgres")
    await asyncio.sleep(dice.seconds(0, 3))
    return await w.restart_postgres()


async def backend_killed(w, _):
    """PostgreSQL ends all sessions then, and recovers by itself."""
    (pid,), = await w.sql("select pid from pg_stat_activity where usename = 'notifier'"
                          " union all select pg_backend_pid() limit 1")
    try:
        with await pg.Session.open(w.postgres_port) as session:
            os.kill(int(pid), signal.SIGKILL)
            await session.query("select pg_sleep(20)")  # until it is ended as well
    except Lost:
        pass
    return await w.answers_again()


async def sessions_terminated(w, _):
    await w.sql("select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where usename in ('notifier', 'fcgi_order')")


async def table_locked(w, dice):
    table = dice.choice(LOCKED_TABLES)
    try:
        with await pg.Session.open(w.postgres_port) as session:
            await session.query("set lock_timeout = '20s'")
            await session.query(f"begin; lock table {table} in access exclusive mode")
            await asyncio.sleep(dice.seconds(1.5, 7))
            await session.query("rollback")
    except (Lost, pg.SqlError) as error:
        w.say(f"table_locked: {error}")


async def pruned(w, dice):
    """What was acked some seconds ago is forgotten, in several batches."""
    for _ in range(20):
        (n,), = await w.sql(f"select prune('{dice.seconds(3, 20)} s', '1 day', 500)")
        if int(n) < 500:
            break


async def epoch_changed(w, dice):
    """Recovered is who goes on with the new numbers; how long nobody notices counts as well."""
    merchant = dice.choice(w.merchants)
    await w.sql(f"select new_epoch({merchant})")
    (epoch,), = await w.sql(f"select wire_epoch(epoch) from stream where merchant_id = {merchant}")
    over = time.monotonic()
    concerned = [t for t in w.terminals if t.merchant == merchant and t.is_live and t.book.cursor]
    while time.monotonic() < over + RECOVERY_S and any(
            t.is_live and t.book.cursor[0] != epoch for t in concerned):
        await asyncio.sleep(0.01)
    return over


async def bells_forged(w, dice):
    """Anybody may NOTIFY."""
    merchant, other = dice.choice(w.merchants), dice.choice(w.merchants)
    for payload in (f'{{"merchant":{merchant},"seq":999999999}}', "{", "",
                    f'{{"merchant":{merchant},"seq":1}}', '{"merchant":-5}',
                    f'{{"merchant":{merchant},"seq":1,"type":1}}' * 50):
        await w.sql(f"select pg_notify('order_events', {pg.quote(payload)})"
                    " from generate_series(1, 20) n")
    for payload in (f'{{"acked":[1,2,3,999999],"merchant":{other},"by":"nobody"}}', "[]",
                    '{"acked":"x","merchant":1}', f'{{"new_epoch":true,"merchant":{other}}}'):
        await w.sql(f"select pg_notify('order_control', {pg.quote(payload)})")


# --- the network, by relays ---

async def silent(w, relay, ways, wait_s, resets):
    relay.silence(*ways)
    await asyncio.sleep(wait_s)
    if resets:
        relay.reset()
    relay.silence()


async def database_half_open(w, dice):
    """Nothing comes through any more, and nobody is told."""
    ways = dice.choice(((UP, DOWN), (UP,), (DOWN,)))
    await silent(w, w.database_relays[dice.notifier()], ways, dice.seconds(6, 18), dice.chance(0.5))


async def database_reset(w, dice):
    relay = w.database_relays[dice.notifier()]
    for _ in range(dice.choice((1, 3))):
        relay.reset()
        await asyncio.sleep(0.3)


async def database_away(w, dice):
    """Refused by both, for a time."""
    for relay in w.database_relays.values():
        await relay.refuse()
        relay.reset()
    await asyncio.sleep(dice.seconds(1, 8))
    for relay in w.database_relays.values():
        await relay.accept()


async def terminals_half_open(w, dice):
    ways = dice.choice(((UP, DOWN), (UP,), (DOWN,)))
    await silent(w, w.terminal_relays[dice.notifier()], ways, dice.seconds(3, 14), dice.chance(0.5))


async def terminals_reset(w, dice):
    relay = w.terminal_relays[dice.notifier()]
    for _ in range(dice.choice((1, 4))):
        relay.reset()
        await asyncio.sleep(0.5)


# --- the network, by packets ---

def between(port, address=None):
    """Rules' matches for both directions of what is said to a port: to it, from it."""
    source, to = (f"ip saddr {address} ", f"ip daddr {address} ") if address else ("", "")
    return f"{source}tcp dport {port}", f"{to}tcp sport {port}"


def some_ways(dice, port, address=None):
    there, back = between(port, address)
    return dice.choice(((there, back), (there,), (back,)))


async def database_packets_dropped(w, dice):
    port = w.database_relays[dice.notifier()].port
    async with w.net.rules(*(f"{m} drop" for m in some_ways(dice, port))):
        await asyncio.sleep(dice.seconds(4, 18))


async def database_packets_rejected(w, dice):
    there, back = between(w.database_relays[dice.notifier()].port)
    async with w.net.rules(f"{there} reject with tcp reset", f"{back} reject with tcp reset"):
        await asyncio.sleep(dice.seconds(1, 6))


async def terminals_packets_dropped(w, dice):
    ports = "{ " + ", ".join(str(w.notifier_port(n)) for n in NOTIFIERS) + " }"
    async with w.net.rules(*(f"{m} drop" for m in some_ways(dice, ports, dice.choice(SOURCES)))):
        await asyncio.sleep(dice.seconds(4, 14))


async def terminals_packets_rejected(w, dice):
    there, back = between(w.notifier_port(dice.notifier()), dice.choice(SOURCES))
    async with w.net.rules(f"{there} reject with tcp reset", f"{back} reject with tcp reset"):
        await asyncio.sleep(dice.seconds(1, 5))


async def link_down(w, dice):
    async with w.net.link_down():
        await asyncio.sleep(dice.seconds(1, 4))


# --- terminals ---

def some_of(w, dice, kinds, share):
    chosen = [t for t in w.terminals if t.kind in kinds]
    return dice.random.sample(chosen, max(1, int(len(chosen) * share)))


async def readers_stalled(w, dice):
    """Some read nothing while much is told to them."""
    merchant = dice.choice(w.merchants)
    stalled = [t for t in w.terminals if t.merchant == merchant and t.kind in ("v1", "sse")]
    stalled = stalled[:max(1, len(stalled) * 2 // 3)]
    for t in stalled:
        t.stall()
    try:
        for _ in range(dice.choice((1, 2))):
            await w.clerk.bulk(merchant, 200 if dice.is_short else 700)
        await asyncio.sleep(dice.seconds(1, 9))
    finally:
        for t in stalled:
            t.go_on()


async def terminals_asleep(w, dice):
    """Computers are closed, and opened again later."""
    sleepers = some_of(w, dice, ("v1", "sse", "poll"), 0.3)
    for t in sleepers:
        t.go_away()
    await asyncio.sleep(dice.seconds(1, 15))
    for t in sleepers:
        t.come_back()


async def acks_storm(w, dice):
    """All terminals of some merchants ack all that rings, again and again."""
    merchants = dice.random.sample(w.merchants, max(1, len(w.merchants) // 4))
    until = time.monotonic() + dice.seconds(0.5, 2)
    while time.monotonic() < until:
        for t in w.terminals:
            if t.merchant in merchants and t.is_live and t.book.ringing:
                await t.ack(sorted(t.book.ringing)[-SEQS_PER_ACK:])
                await asyncio.sleep(0)
        await asyncio.sleep(0.05)


# --- the table ---

class Fault:
    """needs: what no other fault may touch meanwhile."""

    def __init__(self, do, needs, weight=1, needs_net=False):
        self.name = do.__name__
        self.do = do
        self.needs = frozenset(needs.split())
        self.weight = weight
        self.needs_net = needs_net


PROGRAMS = "postgres notifiers databases"  # a notifier that starts wants its database

FAULTS = (
    Fault(notifier_killed, PROGRAMS, 3),
    Fault(notifier_drained, PROGRAMS, 2),
    Fault(notifier_frozen, "notifiers", 2),
    Fault(fcgi_killed, "web", 2),
    Fault(web_killed, "web", 2),
    Fault(web_restarted, "web"),
    Fault(postgres_fast, PROGRAMS, 2),
    Fault(postgres_immediate, PROGRAMS, 2),
    Fault(postgres_killed, PROGRAMS, 3),
    Fault(backend_killed, PROGRAMS, 2),
    Fault(all_killed, PROGRAMS + " web"),
    Fault(sessions_terminated, "databases", 2),
    Fault(table_locked, "postgres", 2),
    Fault(pruned, "postgres", 2),
    Fault(epoch_changed, "postgres"),
    Fault(bells_forged, "postgres"),
    Fault(database_half_open, "databases notifiers", 3),
    Fault(database_reset, "databases", 2),
    Fault(database_away, "databases notifiers", 2),
    Fault(terminals_half_open, "terminals", 2),
    Fault(terminals_reset, "terminals", 2),
    Fault(readers_stalled, "terminals", 2),
    Fault(terminals_asleep, "terminals", 2),
    Fault(acks_storm, "terminals", 2),
    Fault(database_packets_dropped, "databases notifiers", 2, needs_net=True),
    Fault(database_packets_rejected, "databases notifiers", 2, needs_net=True),
    Fault(terminals_packets_dropped, "terminals", 2, needs_net=True),
    Fault(terminals_packets_rejected, "terminals", 2, needs_net=True),
    Fault(link_down, PROGRAMS + " web terminals", 1, needs_net=True),
)


class Chaos:
    """The scheduler: one fault after the other, now and then two at once, as the seed has it."""

    PAIRED = 0.25  # how often two at once

    def __init__(self, world, dice, faults):
        self.world = world
        self.dice = dice
        self.bag = []
        self.faults = faults
        self.n = collections.Counter()
        self.recoveries = collections.defaultdict(list)  # by kind: seconds of each terminal
        self.slowest = collections.defaultdict(float)

    def draw(self):
        """Out of a bag in which each is as often as its weight, so that all have their turn."""
        if not self.bag:
            self.bag = [f for f in self.faults
                        for _ in range(1 if self.dice.is_short else f.weight)]
            self.dice.random.shuffle(self.bag)
        return self.bag.pop()

    def draw_some(self):
        first = self.draw()
        if self.dice.chance(self.PAIRED):
            for i, other in enumerate(self.bag):
                if not other.needs & first.needs:
                    return [first, self.bag.pop(i)]
        return [first]

    async def run(self, seconds, least_kinds):
        """For so long, and longer (not twice as long) where there were not so many kinds yet; or
        until somebody does not recover."""
        began = time.monotonic()
        while await self.do(self.draw_some()):
            lasted = time.monotonic() - began
            if lasted > seconds and (len(self.n) >= least_kinds or lasted > 2 * seconds):
                break
            await asyncio.sleep(self.dice.seconds(0.1, 2))

    async def do(self, faults):
        """False: somebody has not recovered."""
        w = self.world
        label = " + ".join(f.name for f in faults)
        before = w.losses()
        w.ledger.note(f"{label} begins")
        started = time.monotonic()
        quiet = asyncio.create_task(self.ring_quietly())
        ends = await asyncio.gather(*(f.do(w, self.dice) for f in faults))
        ended = max(end or time.monotonic() for end in ends)
        w.ledger.note(f"{label} is over")
        self.n.update(f.name for f in faults)
        took, late = await self.recover(ended, await quiet, before)
        await w.settled()
        for t in late:
            t.book.problem("not recovered in time", f"{RECOVERY_S} s after {label} it has "
                           f"{t.book.cursor} and is {'live' if t.is_live else 'not live'}")
        if len(faults) == 1:
            self.recoveries[label] += took
            self.slowest[label] = max([self.slowest[label], *took])
        w.say(f"{label}: {ended - started:.1f} s, {len(took)} of {len(w.terminals)} terminals"
              f" affected, all there after {max(took, default=0):.2f} s")
        return not late

    async def ring_quietly(self):
        """In the middle of it an event each for merchants to whom nothing else happens: nothing
        that comes later makes up for what is forgotten.  Gives {merchant: its seq}."""
        await asyncio.sleep(self.dice.random.uniform(0.1, 1.5))
        return await self.world.ring(self.world.quiet, "quiet", self.dice.chance(0.5))

    async def recover(self, ended, quiet, before):
        """Waits until all have all.  Gives the seconds that each affected terminal took, and those
        that did not come so far."""
        w = self.world

        async def quiet_ones():
            hearers = [t for t in w.hearers() if t.merchant in quiet]
            return hearers, await w.caught_up(hearers, quiet, RECOVERY_S, ended), ended

        async def busy_ones():
            # Whoever hears this hears again, and has heard all before it.
            tops = await w.ring(w.busy, "after the fault")
            rung = time.monotonic()
            hearers = [t for t in w.hearers() if t.merchant in tops]
            return hearers, await w.caught_up(hearers, tops, RECOVERY_S, ended), rung

        affected, late = [], []
        for hearers, took, rung in await asyncio.gather(quiet_ones(), busy_ones()):
            late += [t for t in hearers if t not in took]
            affected += [s for t, s in took.items() if t.n_losses != before[t] or
                         # A poll's own interval says nothing, nor does a bell that was not rung.
                         t.kind != "poll" and t.merchant in w.busy and s > rung - ended + AT_ONCE_S]
        return affected, late
