"""ledger - what was committed, what each terminal was told, and whether they agree.

A Book belongs to one terminal and judges what comes as it comes: with a good cursor the next seq is
the last one and one more; only the batch of un-acked events, which a terminal without a good cursor
gets first, may skip and may show again what was seen before.  Whether all that is in the table came
to all is judged at the end, when the table is read.

The exceptions are those of the protocol, and each needs its proof in the table: what was acked
before a batch of un-acked events was told need not be in it, and what prune() deleted before a
terminal came past it cannot come any more.
"""

import collections
import time


class Event:
    """One row of the table.  acked_at, pruned_at: Unix seconds, None while not."""

    def __init__(self, identity, acked_at, pruned_at):
        self.identity = identity  # (type, order id, content)
        self.acked_at = acked_at
        self.pruned_at = pruned_at


class Truth:
    """What is in the table at the end, and what prune() took out of it."""

    def __init__(self, rows, streams):
        """rows: (id, merchant, seq, type, order id, content, acked at, pruned at), texts or None;
        streams: (merchant, seq, kept from)."""
        self.events = {}  # merchant: {seq: Event}
        self.tops, self.kept_from = {}, {}
        self.per_order = collections.Counter()
        self.per_text = collections.Counter()
        self.per_id = collections.Counter()
        for merchant, top, kept_from in streams:
            self.events[int(merchant)] = {}
            self.tops[int(merchant)] = int(top)
            self.kept_from[int(merchant)] = int(kept_from)
        for row_id, merchant, seq, kind, order, content, acked_at, pruned_at in rows:
            identity = (int(kind), order and int(order), content)
            self.events[int(merchant)][int(seq)] = Event(
                identity, acked_at and float(acked_at), pruned_at and float(pruned_at))
            if identity[0] == 1:
                self.per_order[identity[1]] += 1
            self.per_text[content] += 1
            self.per_id[int(row_id)] += 1

    def count_of(self, kind, name):
        return {"order": self.per_order, "text": self.per_text, "event": self.per_id}[kind][name]

    def count(self):
        return sum(len(events) for events in self.events.values())

    def is_waiting(self, merchant, seq):
        event = self.events[merchant].get(seq)
        return event is not None and event.acked_at is None


class Claims:
    """What those who made events know of them.  A thing is ("order", id), which makes one event of
    type 1, ("text", content), which makes one event with that content, or ("event", id)."""

    DOUBT, ROLLED_BACK, COMMITTED = range(3)

    def __init__(self):
        self.states = {}

    def doubt(self, *things):
        """The answer was lost: it may be there, once."""
        for thing in things:
            self.states.setdefault(thing, self.DOUBT)

    def rolled_back(self, *things):
        for thing in things:
            if self.states.get(thing) != self.DOUBT:
                self.states.setdefault(thing, self.ROLLED_BACK)

    def committed(self, *things):
        for thing in things:
            self.states[thing] = self.COMMITTED

    def count(self, state):
        return sum(1 for s in self.states.values() if s == state)

    def against(self, truth):
        """Problems: (kind, text)."""
        for (kind, name), state in self.states.items():
            n = truth.count_of(kind, name)
            if n == 0 and state == self.COMMITTED:
                yield "paid without an event", f"{kind} {name}: committed, and no event"
            elif n > 0 and state == self.ROLLED_BACK:
                yield "rolled back, and an event", f"{kind} {name}: rolled back, and {n} events"
            elif n > 1:
                yield "paid once, two events", f"{kind} {name}: {n} events"


Restart = collections.namedtuple("Restart", "upto at")
Hole = collections.namedtuple("Hole", "first last at")


class Book:
    """What one terminal was told.  cursor: (epoch, seq) as the client must keep it, or None."""

    def __init__(self, ledger, name, kind, merchant):
        self.ledger = ledger
        self.name = name
        self.kind = kind
        self.merchant = merchant
        self.takes_part = False  # its terminal has been started
        self.cursor = None
        self.seen = bytearray()  # by seq: how often it came
        self.n_events = 0
        self.n_again = 0  # in batches of un-acked events: seen before, as the protocol allows
        # An EventSource remembers each id that it is told; others wait for caught_up, before which
        # not all below is told.
        self.moves_ahead = kind == "sse"
        self.restarts, self.holes, self.skips = [], [], []
        self.ringing = set()  # what a person would hear now
        self.ringing_from = None  # the welcome had no room for more
        self.epoch, self.top = None, 0  # of the last welcome
        self.is_ahead = False  # in the batch of un-acked events
        self.last_ahead = 0
        self.is_caught_up = False

    def forget(self):
        """As a page that is opened anew."""
        self.cursor = None

    def problem(self, kind, text):
        self.ledger.problem(kind, f"{self.name}, merchant {self.merchant}: {text}", self)

    # --- as it comes ---

    def trace(self, text):
        self.ledger.trace(self, text)

    def welcome(self, epoch, top, recovered, open_seqs, open_from=None):
        self.trace(f"welcome epoch={epoch} top={top} recovered={recovered} "
                   f"cursor={self.cursor} open={len(open_seqs)} open_from={open_from}")
        good = self.cursor is not None and self.cursor[0] == epoch and self.cursor[1] <= top
        self.ledger.n_welcomes += 1
        if recovered and not good:
            self.problem("protocol", f"recovered, with the cursor {self.cursor} of {epoch}:{top}")
        if not recovered and good:
            self.ledger.not_recovered.append((self, self.cursor[1]))
        # Those whose cursor moves among the un-acked ones go on behind it, whatever was pruned.
        upto = self.cursor[1] if good and (recovered or self.kind != "v1") else 0
        if list(open_seqs) != sorted(set(open_seqs)) or open_seqs and open_seqs[-1] > upto:
            self.problem("protocol", f"open is not what is open up to {upto}: {open_seqs}")
        self.epoch, self.top = epoch, top
        self.is_ahead = not recovered or self.cursor is None
        self.last_ahead = upto
        self.is_caught_up = False
        # Of those from open_from on it keeps what it has: which are acked is told before caught_up,
        # but not to polls.
        keeps = recovered and self.kind != "poll"
        self.ringing = set(open_seqs) | {seq for seq in self.ringing
                                         if keeps and open_from is not None and seq >= open_from}
        self.ringing_from = None if keeps and self.ringing_from is None else open_from
        if not recovered and self.cursor is not None and (
                self.cursor[0] != epoch or self.cursor[1] > top):
            self.cursor = None

    def event(self, message):
        """A numbered event, or a live-only broadcast."""
        seq = message.get("seq")
        if seq is None:
            self.trace("broadcast")
            return
        self.trace(f"event {seq}" + (f" acked={message['acked']}" if "acked" in message else ""))
        self.n_events += 1
        self.ledger.n_deliveries += 1
        self.ledger.identify(self, seq, message)
        if self.is_ahead:
            self.event_ahead(message.get("epoch"), seq)
        else:
            self.event_in_order(message.get("epoch"), seq)
        if seq >= len(self.seen):
            self.seen.extend(bytes(seq + 1024 - len(self.seen)))
        self.seen[seq] = min(self.seen[seq] + 1, 255)
        if "acked" in message:
            self.ringing.discard(seq)
            self.ledger.told_acked(self, [seq])
        else:
            self.ringing.add(seq)

    def was_seen(self, seq):
        return seq < len(self.seen) and self.seen[seq] > 0

    def event_ahead(self, epoch, seq):
        if seq <= self.last_ahead:
            self.problem("out of order", f"event {seq} after {self.last_ahead}, both un-acked")
        if seq > self.top:
            self.problem("protocol", f"event {seq} before caught_up {self.top}")
        if self.moves_ahead:
            if seq > self.last_ahead + 1:
                self.skips.append(Hole(self.last_ahead + 1, seq - 1, time.time()))
            self.cursor = (epoch, seq)
        self.last_ahead = seq
        self.n_again += self.was_seen(seq)

    def event_in_order(self, epoch, seq):
        last = self.cursor[1]
        if not self.is_caught_up and seq > self.top:
            self.problem("protocol", f"event {seq} before caught_up {self.top}")
        if seq <= last:
            kind = "doubled" if self.was_seen(seq) else "out of order"
            self.problem(kind, f"event {seq} when {last} had been told")
            return
        if seq > last + 1:
            self.hole(last + 1, seq - 1)
        self.cursor = (epoch, seq)

    def hole(self, first, last):
        self.trace(f"hole {first}..{last}")
        self.holes.append(Hole(first, last, time.time()))

    def caught_up(self, top):
        self.trace(f"caught_up {top}")
        if self.is_caught_up:
            self.problem("protocol", f"caught_up {top}, told twice")
        if top != self.top:
            self.problem("protocol", f"caught_up {top}, and the welcome said {self.top}")
        if self.is_ahead:
            self.restarts.append(Restart(top, time.time()))
        elif top > self.cursor[1]:
            self.hole(self.cursor[1] + 1, top)
        self.is_ahead = False
        self.is_caught_up = True
        self.cursor = (self.epoch, top)

    def page(self, cursor, recovered, events, open_seqs, open_from=None):
        """The answer to a poll: all of it at once, up to `cursor`."""
        self.welcome(cursor[0], cursor[1], recovered, open_seqs, open_from)
        for message in events:
            self.event(message)
        self.caught_up(cursor[1])

    def acked(self, seqs, by):
        self.trace(f"acked {seqs[:5]}{'...' if len(seqs) > 5 else ''} by={by}")
        self.ringing.difference_update(seqs)
        self.ledger.told_acked(self, seqs)

    def lost(self, why):
        self.trace(f"lost: {why}")
        self.is_caught_up = False

    # --- at the end ---

    def why_not(self, seq, event):
        """Why an event need not have come: a name for the count; None when it was lost."""
        for hole in self.holes:
            if hole.first <= seq <= hole.last:
                is_pruned = event.pruned_at is not None and event.pruned_at <= hole.at
                return "pruned before they came" if is_pruned else None
        batches = [skip.at for skip in self.skips if skip.first <= seq <= skip.last]
        batches += [restart.at for restart in self.restarts if seq <= restart.upto]
        if batches and event.acked_at is not None and event.acked_at <= min(batches):
            return "acked before they came"
        return None

    def against(self, truth):
        """Judges all that ever came.  Adds to the ledger's problems and excuses."""
        events = truth.events[self.merchant]
        for seq, event in events.items():
            if self.was_seen(seq):
                continue
            why = self.why_not(seq, event)
            if why is None:
                self.problem("lost", f"event {seq} of {truth.tops[self.merchant]} never came")
            else:
                self.ledger.excuses[why] += 1
        for seq in range(len(self.seen)):
            if self.seen[seq] and seq not in events:
                self.problem("rolled back, but told", f"event {seq} is not in the table")

    def rings_as(self, truth):
        """(seqs that ring though acked, seqs that are silent though not)."""
        waiting = {seq for seq, event in truth.events[self.merchant].items()
                   if event.acked_at is None and event.pruned_at is None}
        silent = {seq for seq in waiting - self.ringing
                  if self.ringing_from is None or seq < self.ringing_from}
        return self.ringing - waiting, silent


class Ledger:
    """All books, all claims, and the problems."""

    # What must be 0, in the order it is printed.
    KINDS = ("lost", "doubled", "out of order", "rolled back, but told", "told another",
             "paid without an event", "paid once, two events", "rolled back, and an event",
             "acked, but not kept", "rings though acked", "silent though not acked",
             "not recovered without need", "not recovered in time", "not at the end in time",
             "protocol")
    PROBLEMS_KEPT = 200  # with their texts; all are counted
    TEXT_MAX = 300

    def __init__(self, open_trace):
        """open_trace(name): a text file for a terminal's trace."""
        self.open_trace = open_trace
        self.traces = {}
        self.books = []
        self.claims = Claims()
        self.problems = collections.Counter()
        self.texts = []
        self.excuses = collections.Counter()
        self.identities = {}  # (merchant, seq): (type, order id, content), as first told
        self.acks_told = set()  # (merchant, seq)
        self.not_recovered = []  # (book, seq of its cursor)
        self.n_deliveries = 0
        self.n_welcomes = 0
        self.began = time.time()

    def book(self, name, kind, merchant):
        book = Book(self, name, kind, merchant)
        self.books.append(book)
        self.traces[book] = self.open_trace(name)
        return book

    def trace(self, book, text):
        self.traces[book].write(f"{time.time() - self.began:9.3f} {text}\n")

    def note(self, text):
        """A line in every terminal's trace: what was done to the world."""
        for trace in self.traces.values():
            trace.write(f"{time.time() - self.began:9.3f} --- {text}\n")

    def problem(self, kind, text, book=None):
        self.problems[kind] += 1
        if len(text) > self.TEXT_MAX:
            text = text[:self.TEXT_MAX] + " ..."
        if len(self.texts) < self.PROBLEMS_KEPT:
            self.texts.append(f"{time.time() - self.began:9.3f} {kind}: {text}")
        if book is not None:
            self.trace(book, f"!!! {kind}: {text}")

    def identify(self, book, seq, message):
        identity = (message.get("type"), message.get("orderId"), message.get("content"))
        known = self.identities.setdefault((book.merchant, seq), identity)
        if known != identity:
            book.problem("told another", f"event {seq} is {identity}, and was {known}")

    def told_acked(self, book, seqs):
        self.acks_told.update((book.merchant, seq) for seq in seqs)

    def close(self, truth):
        """The table is read: all that can only be judged now."""
        for book in self.books:
            if book.takes_part and book.kind != "plain":
                book.against(truth)
        for (merchant, seq), identity in self.identities.items():
            event = truth.events[merchant].get(seq)
            if event is not None and event.identity != identity:
                self.problem("told another", f"merchant {merchant}: event {seq} was told as "
                             f"{identity}, and is {event.identity}")
        for kind, text in self.claims.against(truth):
            self.problem(kind, text)
        for merchant, seq in self.acks_told:
            if truth.is_waiting(merchant, seq):
                self.problem("acked, but not kept", f"merchant {merchant}: event {seq}")
        for book, seq in self.not_recovered:
            if seq + 1 >= truth.kept_from[book.merchant]:
                book.problem("not recovered without need", f"with the cursor {seq}, and all is "
                             f"kept from {truth.kept_from[book.merchant]} on")

    def close_traces(self):
        for trace in self.traces.values():
            trace.close()

    def n_problems(self):
        return sum(self.problems.values())
