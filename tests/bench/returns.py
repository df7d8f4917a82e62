"""returns - cases: terminals that come back, and what they cost when they do so for long."""

import concurrent.futures
import os
import signal
import threading
import time

import loadclient as lc
from bench import counts, ms, say

MERCHANTS, TERMINALS = 1000, 10000
RING_ITEMS = 1024  # HUB_RING_ITEMS: what a merchant's ring holds, and so grows to
WARM_S = 90  # in which pools and caches of the notifier's fill as well
SETTLE_S = 90  # for the last to be back: the longest back-off, some times
# What the notifier asks for, and by what a statement is known (its constants are not there): first
# what it asks when terminals come back.
STATEMENTS = (
    ("where a returning one stands", "array_to_string(array(  select o.seq"),
    ("un-acked events", "lateral%o.acked_at is null  order by o.seq"),
    ("missed events", "left join lateral (select o.seq"),
    ("new events", "o.seq > w.last"),
    ("what is open (re-read)", "k.ids"),
)
RETURNS = [name for name, _ in STATEMENTS[:3]]
COUNTED = "postgres.shared_preload_libraries=pg_stat_statements"


class Peak:
    """The most memory that the notifier has used while it is watched, whichever process it is."""

    def __init__(self, bench):
        self.bench = bench
        self.bytes = 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def watch(self):
        while not self.is_over.wait(0.1):
            try:
                self.bytes = max(self.bytes, lc.pss_bytes(self.bench.pid))
            except (OSError, lc.Failed):
                pass  # between two processes


def queries(env):
    """{what for: calls} of the notifier's own statements since the last reset."""
    kinds = "".join(f"when query like '%{mark}%' then '{name}' " for name, mark in STATEMENTS)
    rows = lc.sql(env, f"""
        select case {kinds} else 'the rest' end, sum(calls)
        from pg_stat_statements s join pg_roles r on r.oid = s.userid
        where r.rolname = 'notifier' and query ~ '^(select|with|insert|update|delete)'
        group by 1 order by 2 desc""")
    return {name: int(n) for name, n in (line.split("|") for line in rows.splitlines())}


def wait_for_all(load, n, events, wait_s):
    """Until all are live and all that was made has come to all; gives the last report."""
    deadline = time.monotonic() + wait_s
    while True:
        seen = load.report("progress")
        if seen["open"] == n and seen["events"] >= events or time.monotonic() > deadline:
            return seen


def come_back(bench, label, end):
    """The notifier ends while orders come in, by end(bench), and starts again."""
    events, rate = 8 * MERCHANTS, 200
    lc.ack_all(bench.env)
    say(f"{label}: {TERMINALS} terminals of {MERCHANTS} merchants")
    with bench.load(v1=True, resume=True, connections=TERMINALS, merchants=MERCHANTS, report=1,
                    parallel=256) as load:
        load.ready()
        idle = lc.settled(lambda: lc.pss_bytes(bench.pid))
        lc.sql(bench.env, "select pg_stat_statements_reset()")
        with concurrent.futures.ThreadPoolExecutor() as pool, Peak(bench) as peak:
            made = pool.submit(lc.publish, bench.env, events=events, rate=rate,
                               merchants=MERCHANTS)
            time.sleep(5)
            begun = time.monotonic()
            end(bench)
            bench.restart_notifier()
            away = time.monotonic() - begun
            say(f"{label}: up again after {away:.1f} s")
            made.result()
            wait_for_all(load, TERMINALS, events * TERMINALS // MERCHANTS, SETTLE_S)
            asked = queries(bench.env)
        seen = load.end()
    bench.empty()
    wanted = events // MERCHANTS
    right = "yes" if seen["events_min"] == seen["events_max"] == wanted else "NO"
    bench.row(f"{label}: back, of {TERMINALS}", str(seen["open"]), "all")
    bench.row("  closes", counts(seen["closes"]))
    bench.row("  away", f"{away:.1f} s; {seen['reconnects']} tries to come back")
    bench.row("  from the loss to caught_up",
              ms(seen["recovery_ms"], "p50", "p99", "max"), "p99 <= 20 s and the time away")
    bench.row("  each has all, once and in order", f"{right}: {seen['events_min']} to "
              f"{seen['events_max']} of {wanted}; {seen['holes']} holes, {seen['repeats']} "
              f"repeats, {seen['disorders']} out of order, {seen['unrecovered']} not recovered",
              "yes, 0")
    bench.row("  statements for those who come back",
              f"{sum(asked.get(name, 0) for name in RETURNS) / MERCHANTS:.1f} a merchant",
              "a few a merchant")
    bench.row("  statements of the notifier, all in all",
              ", ".join(f"{n} {name}" for name, n in asked.items()))
    bench.row("  memory (PSS), idle / most meanwhile",
              f"{idle // 1024} / {peak.bytes // 1024} KB")


def restart(bench):
    """10,000 terminals while orders come in: the notifier is drained, and killed"""
    lc.make_merchants(bench.env, MERCHANTS)
    lc.sql(bench.env, "create extension if not exists pg_stat_statements")
    come_back(bench, "SIGTERM", lambda bench: None)  # a restart in good order begins with it
    come_back(bench, "kill -9", lambda bench: os.kill(bench.pid, signal.SIGKILL))


restart.settings = (COUNTED,)


def soak(bench):
    """memory while terminals come and go and orders come in (--minutes, default 4)"""
    merchants, staying, rate = 20, 2000, 50
    lc.make_merchants(bench.env, merchants)
    minutes = bench.minutes or 4
    warm = time.monotonic() + WARM_S
    deadline = warm + 60 * minutes
    figures, rounds, cycles = [], 0, 0
    options = {"v1": True, "merchants": merchants, "seconds": int(60 * minutes) + 900}
    with bench.load(resume=True, connections=staying, report=1, **options) as load:
        load.ready()
        say("filling the rings")
        lc.publish(bench.env, events=RING_ITEMS * merchants, per_transaction=100,
                   merchants=merchants)
        while len(figures) < 3 or time.monotonic() < deadline:
            lc.ack_all(bench.env)
            made = lc.start_publish(bench.env, events=rate * 10, rate=rate, merchants=merchants)
            cycles += bench.run_load(cycles=2000, rate=200, **options)["cycles"]
            made.communicate()
            rounds += 1
            pss = lc.settled(lambda: lc.pss_bytes(bench.pid), wait_s=10)
            if time.monotonic() > warm:
                figures.append(pss)
            say(f"round {rounds}: {pss // 1024} KB")
        lc.wait_for_metric(bench.url, "orderbell_connections", lambda n: n == staying)
        descriptors = lc.settled(lambda: lc.descriptors(bench.pid))
        seen = load.end()
    base = figures[0]
    spread = max(abs(pss - base) for pss in figures) / base
    bench.row(f"{rounds} rounds of {rate * 10} events and 2000 comings and goings",
              f"{minutes:g} minutes, {cycles} cycles, {staying} staying")
    bench.row(f"memory (PSS) after the first {WARM_S} s, at the end",
              f"{base // 1024} / {figures[-1] // 1024} KB; at most {spread * 100:.1f} % off",
              "+- 2 %")
    bench.row("descriptors, when those who came are gone", str(descriptors),
              f"{staying} and a few")
    bench.row("those who stayed", f"{seen['open']} open, {seen['reconnects']} came back, "
              f"{seen['holes']} holes, {seen['repeats']} repeats", f"{staying}, 0, 0, 0")


CASES = (restart, soak)
