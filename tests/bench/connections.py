"""connections - cases: what terminals cost, come, go, and do not read."""

import statistics
import time

import loadclient as lc
from bench import counts, ms, say


def idle(bench):
    """10,000 idle terminals: threads, memory, CPU"""
    few, many, merchants, watch_s = 1000, 10000, 1000, 50
    lc.make_merchants(bench.env, merchants)
    say(f"opening {few}")
    with bench.load(v1=True, connections=few, merchants=merchants) as first:
        first.ready()
        threads_few = lc.threads(bench.pid)
        pss_few = lc.settled(lambda: lc.pss_bytes(bench.pid))
        say(f"opening {many - few} more")
        with bench.load(v1=True, connections=many - few, merchants=merchants) as second:
            second.ready()
            pss_many = lc.settled(lambda: lc.pss_bytes(bench.pid))
            say(f"watching the CPU for {watch_s} s, two rounds of heartbeats")
            cpu, begun = lc.cpu_seconds(bench.pid), time.monotonic()
            time.sleep(watch_s)
            busy = (lc.cpu_seconds(bench.pid) - cpu) / (time.monotonic() - begun)
            pss_later = lc.pss_bytes(bench.pid)
            threads_many = lc.threads(bench.pid)
            open_at_end = second.end()["open"] + first.end()["open"]
    bench.row(f"threads at {few} / {many} terminals", f"{threads_few} / {threads_many}", "constant")
    bench.row("user memory per terminal (PSS slope)",
              f"{(pss_many - pss_few) / (many - few):.0f} B", "<= 2048 B")
    bench.row("the same after two rounds of heartbeats",
              f"{(pss_later - pss_few) / (many - few):.0f} B", "<= 2048 B")
    bench.row("CPU while idle, heartbeats on", f"{busy * 100:.2f} % of a core")
    bench.row("terminals still open at the end", f"{open_at_end} of {many}")


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
    """10,000 terminals come at once: handshakes per second"""
    n, merchants, rounds = 10000, 1000, 3
    lc.make_merchants(bench.env, merchants)
    for turn in range(1, rounds + 1):
        say(f"round {turn}: {n} terminals")
        cpu = lc.cpu_seconds(bench.pid)
        with bench.load(v1=True, connections=n, merchants=merchants, parallel=256) as load:
            seen = load.ready()
            cpu = lc.cpu_seconds(bench.pid) - cpu
            load.end()
        bench.empty()
        refused = sum(seen["refused"].values()) + seen["no_connection"]
        bench.row(f"round {turn}: {seen['handshakes']} handshakes, {refused} refused",
                  f"{seen['handshakes_per_s']:.0f}/s; "
                  f"{ms(seen['handshake_ms'], 'p50', 'p99', 'max')}; "
                  f"{cpu / n * 1e6:.0f} us of CPU each")


CASES = (idle, gate, stuck, churn, storm)
