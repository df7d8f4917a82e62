"""bench - what every case of tests/bench stands on.

A case is a function of a Bench, and its first line of documentation is what the list says of it.
"""

import sys
import time

import loadclient as lc

SECONDS = 300  # a load client ends after so long, whatever happens


class Bench:
    """What a case stands on: a stack, its first notifier, and the rows of the table."""

    def __init__(self, env):
        self.env = env
        self.url = env["NOTIFIER_URLS"].split()[0]
        self.pid = int(env["NOTIFIER_PIDS"].split()[0])
        self.rows = []

    def load(self, **options):
        return lc.Load(self.url, **{"seconds": SECONDS, **options})

    def run_load(self, **options):
        return self.load(**options).final()

    def row(self, figure, value, target=""):
        self.rows.append((figure, value, target))

    def empty(self):
        lc.wait_until_empty(self.url)


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def ms(report, *names):
    """"p50 0.2, p99 1.4 ms" of a latency in a report."""
    return ", ".join(f"{name} {report[name]:.2f}" for name in names) + " ms"


def counts(closes):
    return ", ".join(f"{n} x {code}" for code, n in closes.items()) or "none"
