"""deliveries - cases: what it costs to bring events to terminals, and how soon they are there.

Each figure is taken in turn with its floor, several rounds of each, of events of the same
transactions: whatever else the machine does meets both alike.
"""

import concurrent.futures
import contextlib
import os
import statistics
import tempfile
import time
import typing

import loadclient as lc
import processes
from bench import CHANNEL, CONTENT_BYTES, PAYLOAD, TELL_BOTH, counts, in_turn, say, spread
from returns import Peak
from servers import PEER_KINDS, Absent, BatchFloor, Floor, Ours


class Round(typing.NamedTuple):
    """One server, one time: what it did."""

    cpu_s: float
    seconds: float  # from the first event's making until the last is with all
    seen: dict  # the load client's report
    made: dict  # the publisher's

    @property
    def per_million(self):
        """Seconds of CPU for a million deliveries."""
        return self.cpu_s / self.seen["events"] * 1e6


def deliver(server, connections, events, **publishing):
    """All of one merchant's terminals get all of its events."""
    say(f"{server.name}: {events} events to {connections}")
    with server.load(connections=connections, events=events, parallel=256) as load:
        load.ready()
        cpu, begun = settled_cpu(server), time.monotonic()
        made = lc.publish(server.bench.env, events=events, bytes=CONTENT_BYTES,
                          statement=TELL_BOTH, **publishing)
        seen = load.final()
        done = Round(server.cpu_seconds() - cpu, time.monotonic() - begun, seen, made)
    if seen["events_min"] != events:
        raise lc.Failed(f"{server.name}: a terminal got {seen['events_min']} of {events} events; "
                        f"closed: {counts(seen['closes'])}")
    return done


def settled_cpu(server):
    """Its CPU, once what the handshakes left to be done is done."""
    lc.settled(lambda: round(server.cpu_seconds(), 2), pause_s=0.2, wait_s=3)
    return server.cpu_seconds()


def costs(rounds):
    return [each.per_million for each in rounds]


# --- the cases ---

def burst(bench):
    """200 events x 10,000 terminals of one merchant: CPU, beside the batch floor and peers"""
    events, connections = 200, 10000

    def measure(server):
        return deliver(server, connections, events, per_transaction=events)

    got = in_turn(bench, (Ours, BatchFloor), 5, measure)
    ours = costs(got[Ours])
    bench.compare("burst, 200 events x 10,000: CPU a million deliveries", ours,
                  costs(got[BatchFloor]), "s", ("batch floor", 2))
    for kind in (Floor, *PEER_KINDS):
        measure_peer(bench, kind, measure, statistics.median(ours))


def measure_peer(bench, kind, measure, ours):
    """One round of somebody else, who is to need more than we do, and by far does."""
    figure = f"  the same, {kind.name}"
    try:
        if hasattr(kind, "version"):
            kind.version()
        theirs = costs(in_turn(bench, (kind,), 1, measure)[kind])
    except Absent as reason:
        bench.row(figure, f"SKIP: {reason}", "orderbell below it")
        return
    except lc.Failed as error:
        bench.row(figure, f"SKIP: it does not do it: {error}", "orderbell below it")
        return
    behind = statistics.median(theirs) / ours
    bench.row(figure, f"{behind * ours:.2f} s", "orderbell below it",
              ratio=f"{behind:.1f} x orderbell", met=behind > 1)


def paced(bench):
    """50 events/s x 1,000 terminals of one merchant: CPU, beside the send floor"""
    events, connections, rate = 200, 1000, 50
    got = in_turn(bench, (Ours, Floor), 5,
                  lambda server: deliver(server, connections, events, rate=rate))
    bench.compare("paced, 50/s x 1,000: CPU a million deliveries", costs(got[Ours]),
                  costs(got[Floor]), "s", ("send floor", 1.1))


# --- latency ---

# As fcgi-order does it: the bell is a statement behind the commit of the payment.
QUIET = ("with bell as materialized (select set_config('orderbell.bell', 'later', true)) "
         "select orderbell.notify($1, $2, $3) from bell")
BELLS = f"select orderbell.ring($1), pg_notify('{CHANNEL}', {PAYLOAD})"


def latency(bench):
    """from the bell to the socket of one terminal, the floor beside it in each transaction"""
    for how, publishing, in_words in (
            ("after the commit", {"statement": QUIET, "bell": BELLS}, "bell behind the payment"),
            ("in the transaction", {"statement": TELL_BOTH}, "bell inside, with its flush")):
        got = {Ours: [], Floor: []}
        # Who of two listeners is woken first is who came first, so each comes first as often.
        for n in range(6):
            say(f"bell {how}, round {n + 1}")
            for kind, seen in listen_both(bench, n % 2 == 0, publishing).items():
                got[kind].append(seen["delivery_ms"])
        for q, most in (("p50", 1.4), ("p99", 2.0)):
            ours, floor = ([each[q] * 1000 for each in got[kind]] for kind in (Ours, Floor))
            bench.compare(f"latency {q}, {in_words}", ours, floor, "us", ("send floor", most), 0)


def listen_both(bench, floor_first, publishing):
    """One terminal of each, the same events for both; gives {kind: report}."""
    events, rate = 500, 100
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="orderbell-bench."))
        stamps = os.path.join(folder, "stamps")
        floor = Floor(bench)
        if floor_first:
            end_notifier(bench)
            stack.enter_context(floor)
        bench.restart_notifier()
        if not floor_first:
            stack.enter_context(floor)
        ours = stack.enter_context(Ours(bench))
        options = {"connections": 1, "events": events, "stamps": stamps}
        mine = stack.enter_context(ours.load(**options))
        other = stack.enter_context(floor.load(**options))
        mine.ready()
        other.ready()
        lc.publish(bench.env, events=events, rate=rate, bytes=CONTENT_BYTES, stamps=stamps,
                   **publishing)
        return {Ours: mine.final(), Floor: other.final()}


def end_notifier(bench):
    ident = processes.identify(bench.pid)
    processes.stop(ident)
    if processes.is_alive(ident):
        raise lc.Failed("the notifier does not end")


# --- more than there is time for ---

def make_and_tell_many(n):
    """A statement that makes n events of one merchant, and tells all others of each."""
    payload = PAYLOAD.replace("$3", "$3 || ' ' || n")
    series = f"generate_series(1, {n}) as n"
    return ("with made as (insert into orderbell.order_event (merchant_id, type, content) "
            f"select $1, $2, $3 || ' ' || n from {series} returning 1) "
            f"select count(*), (select count(pg_notify('{CHANNEL}', {payload})) from {series}) "
            "from made")


def make_in_order(block):
    """A statement that makes an event of each of so many merchants, with its seq and its bell: all
    that number_events() would do at commit, but at once, for it is the listener that is to be
    measured.  $1: which block of merchants."""
    return ("with moved as (update orderbell.stream set seq = seq + 1 "
            f"where merchant_id between $1 * {block} + 1 and $1 * {block} + {block} "
            "returning merchant_id, seq), "
            "made as (insert into orderbell.order_event (merchant_id, seq, type, content) "
            "select merchant_id, seq, $2, $3 from moved) "
            "select count(pg_notify('order_events', "
            """format('{"merchant":%s,"seq":%s}', merchant_id, seq))) from moved""")


def flood(bench):
    """20,000 events to 1,000 terminals, 10 of which never read: the others, memory, closes"""
    n_stuck, readers, events, at_once = 10, 990, 20000, 1000
    peaks, stuck_closes = [], []

    def measure(server, wait_for_closes=False):
        say(f"{server.name}: {events} events to {readers}, and {n_stuck} that do not read")
        with server.load(stuck=n_stuck, receive_buffer=4096) as bad, \
                server.load(connections=readers, events=events, parallel=256) as good:
            bad.ready()
            good.ready()
            idle = lc.settled(server.pss_bytes)
            cpu, begun = settled_cpu(server), time.monotonic()
            with Peak(bench) as peak:
                made = lc.publish(bench.env, events=events // at_once, bytes=CONTENT_BYTES,
                                  statement=make_and_tell_many(at_once))
                seen = good.final()
            done = Round(server.cpu_seconds() - cpu, time.monotonic() - begun, seen, made)
            if isinstance(server, Ours):
                peaks.append((peak.bytes - idle) / (1 << 20))
            if wait_for_closes:
                say("waiting for those that do not read to be closed")
                lc.wait_for_metric(bench.url, "orderbell_connections", lambda n: n == 0, 60)
                stuck_closes.append(bad.end()["stuck_closes"])
        return done

    got = in_turn(bench, (Ours, BatchFloor), 3, measure)
    with Ours(bench) as server:
        got[Ours].append(measure(server, wait_for_closes=True))
    bench.compare("flood of 20,000, 10 of 1,000 never read: the others have all after",
                  *([each.seconds for each in got[kind]] for kind in (Ours, BatchFloor)),
                  "s", ("batch floor", 1.5))
    bench.compare("  CPU a million deliveries", costs(got[Ours]), costs(got[BatchFloor]), "s")
    least = min(each.seen["events_min"] for each in got[Ours])
    closed = sum(sum(each.seen["closes"].values()) for each in got[Ours])
    bench.row("  the others: each got, closed", f"{least} of {events}, {closed}", "all, 0",
              met=least == events and closed == 0)
    bench.row("  memory of the notifier meanwhile (PSS)", f"+ {spread(peaks, 'MiB', 1)}",
              f"<= + {MEMORY_MIB} MiB", met=max(peaks) <= MEMORY_MIB)
    bench.row("  those that never read", counts(stuck_closes[0]), f"{n_stuck} x 4001",
              met=stuck_closes[0] == {"4001": n_stuck})


# A ring, 256 KiB at most for each that is stuck, a page of the table for each that fell behind: of
# the 4 GB that 20,000 events are for 1,000 terminals, very little.
MEMORY_MIB = 32


def publish_in_two(env, blocks, **options):
    """Two sessions, half of the blocks each: while one waits for its flush the other goes on."""
    half = blocks // 2
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(
            lambda first: lc.publish(env, first_merchant=first, merchants=half, **options),
            (0, half)))


def listener(bench):
    """20,000 events/s for 10 s, over 1,000 merchants: how far behind the last terminal is"""
    merchants, block, per_second, seconds = 1000, 100, 200, 10
    statements, blocks = per_second * seconds, merchants // block
    each = statements // blocks
    lc.make_merchants(bench.env, merchants)
    late, p99, shares, rates = [], [], [], []
    for n in range(3):
        say(f"round {n + 1}: {per_second * block} events/s for {seconds} s")
        with Ours(bench) as server, \
                server.load(connections=merchants, merchants=merchants, parallel=256,
                            events=each) as load:
            load.ready()
            cpu = settled_cpu(server)
            made = publish_in_two(bench.env, blocks, events=statements // 2, rate=per_second // 2,
                                  bytes=CONTENT_BYTES, statement=make_in_order(block))
            made_by = time.monotonic()
            seen = load.final()
            late.append((time.monotonic() - made_by) * 1000)
            seconds_taken = max(report["seconds"] for report in made)
            shares.append((server.cpu_seconds() - cpu) / seconds_taken * 100)
        p99.append(seen["delivery_ms"]["p99"])
        rates.append(statements * block / seconds_taken)
        if seen["events_min"] != each:
            raise lc.Failed(f"a terminal got {seen['events_min']} events")
    wanted = 0.95 * per_second * block
    bench.row("listener, 20,000 events/s for 10 s: the last delivery after the last commit",
              spread(late, "ms", 0), "<= 1000 ms",
              met=statistics.median(late) <= 1000 and statistics.median(rates) >= wanted)
    bench.row("  made by PostgreSQL", spread(rates, "/s", 0), f">= {wanted:.0f}/s")
    bench.row("  from the statement to the terminal, p99", spread(p99, "ms", 1))
    bench.row("  CPU of the notifier", spread(shares, "% of a core", 0))


# --- many merchants ---

def merchants(bench):
    """10,000 merchants x 2 terminals, events to random ones: CPU a delivery, beside one merchant"""
    wanted, rate, seconds = 10000, 1000, 4
    # A notifier cannot have more descriptors than the system gives it.
    n = min(wanted, (lc.file_limit() - RESERVE) // 2)
    lc.make_merchants(bench.env, wanted)
    got = {1: [], n: []}
    for turn in range(3):
        for of in (1, n) if turn % 2 == 0 else (n, 1):
            got[of].append(deliver_to_random(bench, of, rate, seconds))
    bench.compare(f"{n} merchants x 2, {rate}/s to random ones: CPU a delivery", got[n], got[1],
                  "us", ("one merchant", 2), 1)


RESERVE = 500  # descriptors that a notifier keeps for all else


def deliver_to_random(bench, n_merchants, rate, seconds):
    """Two terminals each; gives us of CPU for each delivery."""
    events = rate * seconds
    # random() is asked once a statement: merchants 1 to n.
    statement = f"select orderbell.notify(1 + floor(random() * {n_merchants})::bigint, $2, $3)"
    say(f"{n_merchants} merchants")
    with Ours(bench) as server, contextlib.ExitStack() as stack:
        loads = [stack.enter_context(server.load(
            connections=n_merchants, merchants=n_merchants, parallel=128, report=1))
            for _ in range(2)]
        for load in loads:
            load.ready()
        cpu = settled_cpu(server)
        lc.publish(bench.env, events=events, rate=rate, bytes=CONTENT_BYTES, statement=statement)
        for load in loads:
            while load.report("progress")["events"] < events:
                pass  # a report a second; the client's own end bounds it
        used = server.cpu_seconds() - cpu
        for load in loads:
            load.end()
    return used / (2 * events) * 1e6


CASES = (burst, paced, latency, flood, merchants, listener)
