"""bench - what every case of tests/bench stands on.

A case is a function of a Bench, and its first line of documentation is what the list says of it.
It may have attributes: settings (of the stack), notifiers (how many).
"""

import os
import shlex
import statistics
import subprocess
import sys
import time
import typing

import loadclient as lc

SECONDS = 300  # a load client ends after so long, whatever happens

# What every server that is compared hears of: the notifier by an order event, all others by a
# NOTIFY with the whole of it, of the same transaction and as long as what the notifier sends.
CHANNEL = "bench"
PAYLOAD = ("""format('{"type":%s,"orderId":null,"content":"%s","seq":0,"epoch":"00000000-1","""
           """"at":"2026-01-01T00:00:00.000Z"}', $2, $3)""")
TELL_BOTH = (f"with event as materialized (select orderbell.notify($1, $2, $3)) "
             f"select pg_notify('{CHANNEL}', {PAYLOAD}) from event")
CONTENT_BYTES = 100  # and so about 200 of each event


class Row(typing.NamedTuple):
    """One line of the table.  met: whether the target is; None: there is nothing to be met."""

    figure: str
    value: str
    target: str = ""
    floor: str = ""
    ratio: str = ""
    met: bool | None = None

    def cells(self):
        met = {True: "yes", False: "NO", None: ""}[self.met]
        return (self.figure, self.value, self.floor, self.ratio, self.target, met)


TITLES = ("figure", "value", "floor", "ratio", "target", "met")


class Bench:
    """What a case stands on: a stack, its first notifier, and the rows of the table.
    minutes: how long a case is to last that can last as long as one likes; None: as it likes."""

    def __init__(self, folder, minutes=None):
        self.folder = folder
        self.minutes = minutes
        self.rows = []
        self.read_env()

    def read_env(self):
        with open(os.path.join(self.folder, "env"), encoding="utf-8") as f:
            self.env = dict(word.split("=", 1) for word in shlex.split(f.read()))
        self.urls = self.env["NOTIFIER_URLS"].split()
        self.pids = [int(pid) for pid in self.env["NOTIFIER_PIDS"].split()]
        self.url, self.pid = self.urls[0], self.pids[0]

    def restart_notifier(self):
        """Ends it in good order where it runs, and starts it."""
        subprocess.run([os.path.join(lc.TOP, "tests", "stack"), "restart", self.folder,
                        "notifier-1"], check=True, stdout=subprocess.DEVNULL)
        self.read_env()

    def load(self, **options):
        return lc.Load(self.url, **{"seconds": SECONDS, **options})

    def run_load(self, **options):
        return self.load(**options).final()

    def row(self, figure, value, target="", **rest):
        self.rows.append(Row(figure, value, target, **rest))
        say("  ".join(cell for cell in self.rows[-1].cells() if cell))

    def compare(self, figure, values, floors, unit, target=("", None), digits=2):
        """A row of medians and spreads.  target: what the floor is called, and how many times as
        much as it the values may be at most (None: as they are)."""
        ratio = ratio_of(values, floors)
        name, most = target
        self.row(figure, spread(values, unit, digits), most and f"<= {most:g} x {name}" or "",
                 floor=spread(floors, unit, digits), ratio=f"{ratio:.2f}",
                 met=None if most is None else ratio <= most)

    def empty(self):
        lc.wait_until_empty(self.url)


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def in_turn(bench, kinds, rounds, measure):
    """{kind: [what measure(server) gave]}; every second time the other way round."""
    got = {kind: [] for kind in kinds}
    for n in range(rounds):
        for kind in kinds if n % 2 == 0 else reversed(kinds):
            with kind(bench) as server:
                got[kind].append(measure(server))
    return got


# --- how figures are written ---

def ms(report, *names):
    """"p50 0.2, p99 1.4 ms" of a latency in a report."""
    return ", ".join(f"{name} {report[name]:.2f}" for name in names) + " ms"


def counts(closes):
    return ", ".join(f"{n} x {code}" for code, n in closes.items()) or "none"


def spread(values, unit, digits=2):
    """The median, and what it lies between."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} {unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratio_of(values, floors):
    """Of the medians: a slow minute of the machine meets both."""
    return statistics.median(values) / statistics.median(floors)
