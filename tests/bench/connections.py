"""connections - cases: what terminals cost, come, go, and do not read."""

import contextlib
import statistics
import time
import typing

import kernelmemory
import loadclient as lc
from bench import CONTENT_BYTES, SECONDS, counts, in_turn, ms, ratio_of, say, spread
from kernelmemory import slab_bytes
from servers import Floor, Ours


MERCHANTS = 1000
FEW, MANY = 1000, 19500  # what fits into the 20,000 descriptors that a process has here


class Slope(typing.NamedTuple):
    """What one more connection costs, in bytes."""

    user: float  # PSS
    charged: float  # in the kernel, to the process
    slabs: float  # in the kernel, this end's half of all
    way: str  # how `charged` was counted


def slope(server, watch=None):
    """From FEW to MANY terminals; watch() is called while all are there."""
    def look(charged):
        return [lc.settled(server.pss_bytes), lc.settled(charged.bytes), slab_bytes() / 2]

    options = {"merchants": MERCHANTS, "parallel": 128}
    with kernelmemory.Charged(server.pids[0]) as charged, \
            server.load(connections=FEW, **options) as first:
        first.ready()
        few = look(charged)
        say(f"{server.name}: opening {MANY - FEW} more")
        with server.load(connections=MANY - FEW, **options) as second:
            second.ready()
            many = look(charged)
            way = charged.way()
            if watch:
                watch()
            left = first.end()["open"] + second.end()["open"]
    if left != MANY:
        raise lc.Failed(f"{server.name}: {left} of {MANY} terminals are left")
    return Slope(*((b - a) / (MANY - FEW) for a, b in zip(few, many)), way)


def idle(bench):
    """1,000 to 19,500 idle terminals of 1,000 merchants: memory of each, CPU"""
    watch_s = 50
    lc.make_merchants(bench.env, MERCHANTS)
    seen = {}

    def watch():
        say(f"watching the CPU for {watch_s} s, two rounds of heartbeats")
        cpu, begun = lc.cpu_seconds(bench.pid), time.monotonic()
        time.sleep(watch_s)
        seen["busy"] = (lc.cpu_seconds(bench.pid) - cpu) / (time.monotonic() - begun) * 100
        seen["pss"] = lc.pss_bytes(bench.pid)
        seen["threads"] = lc.threads(bench.pid)

    threads_few, empty = lc.threads(bench.pid), lc.settled(lambda: lc.pss_bytes(bench.pid))
    with Ours(bench) as server:
        ours = slope(server, watch)
    with Floor(bench) as server:
        floor = slope(server)
    bench.row(f"memory of an idle terminal (PSS, slope {FEW} to {MANY})", f"{ours.user:.0f} B",
              "<= 300 B", floor=f"{floor.user:.0f} B", met=ours.user <= 300)
    both, floors = ours.user + ours.charged, floor.user + floor.charged
    bench.row(f"  with kernel memory, {ours.way}", f"{both:.0f} B", "<= 2048 B",
              floor=f"{floors:.0f} B", ratio=f"{both / floors:.2f}", met=both <= 2048)
    bench.row("  all of the kernel's slabs, this end's half", f"{ours.slabs:.0f} B",
              floor=f"{floor.slabs:.0f} B", ratio=f"{ours.slabs / max(floor.slabs, 1):.2f}")
    bench.row("  per terminal after two rounds of heartbeats, all of its memory",
              f"{(seen['pss'] - empty) / MANY:.0f} B")
    bench.row(f"idle CPU at {MANY}, heartbeats on", f"{seen['busy']:.2f} % of a core", "<= 1 %",
              met=seen["busy"] <= 1)
    bench.row(f"  threads, with none / {MANY} terminals", f"{threads_few} / {seen['threads']}",
              "no more", met=seen["threads"] <= threads_few)


def gate(bench):
    """3,000 clients that say nothing or little: what a good handshake takes"""
    each, n = 1000, 2000

    def good_ones(label):
        say(f"{n} good handshakes, one after the other: {label}")
        # Paced, so that the others' 3 s end, and they come again, meanwhile.
        done = bench.run_load(v1=True, cycles=n, goodbye="fin", parallel=1, rate=n // 4)
        bench.row(f"good handshake, {label}",
                  ms(done["handshake_ms"], "p50", "p99", "max"), "max <= 100 ms")

    good_ones("nobody else there")
    with bench.load(silent=each, one_byte=each, drip=each) as bad:
        bad.ready()
        pending = lc.wait_for_metric(bench.url, "orderbell_gate_pending", lambda v: v >= 3 * each)
        good_ones(f"{pending} pending")
        good_ones(f"{pending} pending, again")
        bench.row("silent ones thrown out meanwhile, and back", str(bad.end()["reopened"]))
    bench.empty()
    good_ones("nobody else there any more")


def stuck(bench):
    """10 of 1,000 terminals of one merchant never read: what the others notice"""
    readers, n_stuck, rounds, rate, seconds, size = 990, 10, 6, 50, 4, 200
    p99 = {False: [], True: []}

    def others(label, events, with_stuck, **how):
        say(f"{label}, {'with' if with_stuck else 'without'} stuck ones")
        lc.ack_all(bench.env)
        # Small receive buffers: what the kernel would hold for them is not the point.
        with bench.load(v1=True, stuck=with_stuck * n_stuck, receive_buffer=4096) as bad:
            bad.ready()
            if with_stuck:
                fill(bench)
                lc.ack_all(bench.env)
            with bench.load(v1=True, connections=readers, events=events) as good:
                good.ready()
                made = lc.publish(bench.env, events=events, bytes=size, **how)
                seen = good.final()
            there = bad.end()["open"] if with_stuck else 0
        bench.empty()
        return seen, made, there

    # Short rounds in turn, so that whatever else the machine does meets both alike.
    for n in range(1, rounds + 1):
        for with_stuck in (False, True):
            seen, _, there = others(f"round {n}: {rate} events/s for {seconds} s", rate * seconds,
                                    with_stuck, rate=rate)
            p99[with_stuck].append(seen["delivery_ms"]["p99"])
            bench.row(f"round {n}: {rate}/s to {readers}, {there} stuck all the time",
                      ms(seen["delivery_ms"], "p50", "p99", "max"))
    bench.row("median p99 of those rounds, without / with stuck ones",
              " / ".join(f"{statistics.median(p99[key]):.2f}" for key in (False, True)) + " ms",
              "alike")
    for with_stuck in (False, True):
        seen, made, _ = others("2,000 events as fast as the database gives", 2000, with_stuck)
        speed = f"{made['events_per_s']:.0f}/s"
        bench.row(f"{speed} to {readers}, {n_stuck * with_stuck} stuck at first",
                  f"{ms(seen['delivery_ms'], 'p50', 'p99', 'max')}; each got "
                  f"{seen['events_min']} to {seen['events_max']} of 2000; "
                  f"closed: {counts(seen['closes'])}", "all")
    say("waiting for the stuck ones to be closed (slow_s)")
    lc.ack_all(bench.env)
    with bench.load(v1=True, stuck=n_stuck, receive_buffer=4096) as bad:
        bad.ready()
        fill(bench)
        begun = time.monotonic()
        lc.wait_for_metric(bench.url, "orderbell_connections", lambda v: v == 0, wait_s=60)
        took = time.monotonic() - begun
        bench.row("stuck ones closed",
                  f"{counts(bad.end()['stuck_closes'])}, gone after {took:.0f} s", "10 x 4001")


def fill(bench):
    """Makes the sockets of those that do not read full, and no more: they are to stay."""
    lc.publish(bench.env, events=150, rate=500, bytes=1000)


def churn(bench):
    """10,000 cycles of connecting and going, all manners: descriptors and memory"""
    n = 10000
    say("warming up")
    bench.run_load(v1=True, cycles=n // 5)
    bench.empty()
    fds, pss = [lc.descriptors(bench.pid)], [lc.settled(lambda: lc.pss_bytes(bench.pid))]
    for turn in range(2):
        say(f"{n} cycles, turn {turn + 1}")
        bench.run_load(v1=True, cycles=n)
        bench.empty()
        fds.append(lc.descriptors(bench.pid))
        pss.append(lc.settled(lambda: lc.pss_bytes(bench.pid)))
    bench.row(f"descriptors before, after {n}, after {2 * n}", " / ".join(map(str, fds)),
              "the same")
    bench.row("memory (PSS) then", " / ".join(f"{p // 1024} KB" for p in pss), "the same")


def storm(bench):
    """10,000 terminals come at once: handshakes per second, beside the floor"""
    n, rounds = 10000, 5
    lc.make_merchants(bench.env, MERCHANTS)
    refused = []

    def measure(server):
        say(f"{server.name}: {n} terminals")
        cpu = server.cpu_seconds()
        with server.load(connections=n, merchants=MERCHANTS, parallel=256) as load:
            seen = load.ready()
            used = server.cpu_seconds() - cpu
            load.end()
        if isinstance(server, Ours):
            refused.append(n - seen["open"] + sum(seen["refused"].values()) +
                           seen["no_connection"])
        return seen["handshakes_per_s"], used / n * 1e6, seen["handshake_ms"]["p99"]

    got = in_turn(bench, (Ours, Floor), rounds, measure)
    ours, floor = (list(zip(*got[kind])) for kind in (Ours, Floor))
    bench.row("connect storm, 10,000 at once: handshakes", spread(ours[0], "/s", 0),
              ">= 10000/s", floor=spread(floor[0], "/s", 0),
              ratio=f"{ratio_of(ours[0], floor[0]):.2f}", met=statistics.median(ours[0]) >= 10000)
    bench.row("  refused or lost", f"{sum(refused)} of {n * rounds}", "none",
              met=sum(refused) == 0)
    bench.compare("  CPU of one", ours[1], floor[1], "us", digits=1)
    bench.compare("  p99 of one", ours[2], floor[2], "ms", digits=1)


def two(bench):
    """two notifiers with 19,500 terminals each on this machine: memory, CPU, all deliveries"""
    each, watch_s = 2, 30  # events of a merchant; a round of heartbeats
    lc.make_merchants(bench.env, MERCHANTS)
    lc.ack_all(bench.env)

    def cpu():
        return sum(lc.cpu_seconds(pid) for pid in bench.pids)

    empty = sum(lc.pss_bytes(pid) for pid in bench.pids)
    kernel = slab_bytes()
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(lc.Load(
            url, v1=True, connections=MANY, merchants=MERCHANTS, parallel=128, events=each,
            seconds=SECONDS)) for url in bench.urls]
        for load in loads:
            load.ready()
        kernel = slab_bytes() - kernel
        say(f"watching the CPU for {watch_s} s")
        idle_cpu = cpu()
        time.sleep(watch_s)
        idle_cpu = (cpu() - idle_cpu) / watch_s * 100
        pss = sum(lc.settled(lambda pid=pid: lc.pss_bytes(pid)) for pid in bench.pids)
        used, begun = cpu(), time.monotonic()
        lc.publish(bench.env, events=each * MERCHANTS, merchants=MERCHANTS, per_transaction=100,
                   bytes=CONTENT_BYTES)
        seen = [load.final() for load in loads]
        used, took = cpu() - used, time.monotonic() - begun
    n, wanted = len(loads) * MANY, len(loads) * MANY * each
    got = sum(report["events"] for report in seen)
    bench.row(f"two notifiers x {MANY} terminals: deliveries", f"{got} of {wanted} in {took:.1f} s",
              "all", met=got == wanted and all(not report["closes"] for report in seen))
    bench.row("  memory of both (PSS), in the kernel for both ends",
              f"{pss / 2**20:.0f} MiB ({(pss - empty) / n:.0f} B a terminal), "
              f"{kernel / 2**20:.0f} MiB")
    bench.row("  CPU of both, idle / a million deliveries",
              f"{idle_cpu:.2f} % of a core / {used / got * 1e6:.2f} s")


two.notifiers = 2

CASES = (idle, gate, stuck, churn, storm, two)
