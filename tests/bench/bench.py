"""bench - what every case of tests/bench stands on.

A case is a function of a Bench, and its first line of documentation is what the list says of it.
"""

import os
import shlex
import subprocess
import sys
import time

import loadclient as lc

SECONDS = 300  # a load client ends after so long, whatever happens


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
        self.url = self.env["NOTIFIER_URLS"].split()[0]
        self.pid = int(self.env["NOTIFIER_PIDS"].split()[0])

    def restart_notifier(self):
        """Ends it in good order where it runs, and starts it."""
        subprocess.run([os.path.join(lc.TOP, "tests", "stack"), "restart", self.folder,
                        "notifier-1"], check=True, stdout=subprocess.DEVNULL)
        self.read_env()

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
