"""spy - a listener alone, and what it passes on: `with Spy(conninfo) as spy: spy.watch(1)`.

It is the program tests/spy/listener_spy, made by `make check`."""

import json
import os
import subprocess
import threading
import time

import loadclient

WITHIN_S = 20


class Spy:
    """calls: what its sink was told, in order, dicts of listener_spy.c.  log: lines it logged."""

    def __init__(self, conninfo):
        program = os.path.join(loadclient.build_dir(), "tests", "spy", "listener_spy")
        self.calls = []
        self.log = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen([program, conninfo], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.readers = [threading.Thread(target=self.read, args=args) for args in (
            (self.process.stdout, lambda line: self.calls.append(json.loads(line))),
            (self.process.stderr, lambda line: self.log.append(line.rstrip())))]
        for reader in self.readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def read(self, pipe, take):
        for line in pipe:
            with self.changed:
                take(line)
                self.changed.notify_all()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def watch(self, merchant):
        """Watches, and waits until it is told where the stream stands: gives that call."""
        before = len(self.calls)
        self.say(f"watch {merchant}")
        return self.wait_for(lambda call: call.get("stream") == merchant, f"stream {merchant}",
                             since=before)

    def wait_for(self, matches, what, within_s=WITHIN_S, since=0):
        """The first call, from number `since` on, that matches."""
        deadline = time.monotonic() + within_s
        with self.changed:
            while True:
                for call in self.calls[since:]:
                    if matches(call):
                        return call
                if not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no {what} within {within_s} s; it was told "
                                         f"{self.calls[since:]}; it logged {self.log[-20:]}")

    def wait_log(self, words, within_s=WITHIN_S):
        deadline = time.monotonic() + within_s
        with self.changed:
            while not any(words in line for line in self.log):
                if not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no \"{words}\" logged within {within_s} s: {self.log}")

    def logged(self, words):
        return [line for line in self.log if words in line]

    def seqs(self, merchant=1):
        """The events it was told of, as (seq, orderId)."""
        return [(call["message"]["seq"], call["message"]["orderId"]) for call in list(self.calls)
                if call.get("item") == merchant and "seq" in call["message"]]

    def acked(self, merchant=1):
        """{by: [seq, ...]} of all it was told of acks, in the order of the calls."""
        told = {}
        for call in list(self.calls):
            if call.get("item") == merchant and "acked" in call["message"]:
                told.setdefault(call["message"]["by"], []).extend(call["message"]["acked"])
        return told

    def wait_acked(self, seq, within_s=WITHIN_S, merchant=1):
        self.wait_for(lambda call: call.get("item") == merchant and
                      seq in call["message"].get("acked", ()), f"ack of {seq}", within_s)
