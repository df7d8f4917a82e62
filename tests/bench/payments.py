"""payments - cases: what payments cost PostgreSQL, and fcgi-order before it.

The flush is slowed by commit_delay = 1000 with commit_siblings = 0: whoever flushes sleeps a
millisecond before it, holding the lock that the others' flushes wait for.  A disk that takes as
long differs in one thing, in everybody's favour alike: who comes while it sleeps is still taken
along.  The fast flush is the disk's own.
"""

import json
import os
import re
import statistics
import subprocess

import loadclient as lc
import webhooks
from bench import ms, say, spread

MERCHANTS = 1000
ORDERS = 100000
ROUNDS = 3
ROUND_S = 3
BELLS_PER_S = 1000  # as fcgi-order/ringer.c has it

# PostgreSQL as it comes (tests have smaller buffers, out of which these tables are written all the
# time), but with no checkpoint in a round: pages that are written whole after one would count for
# whoever comes next.
SERVER = ("postgres.max_prepared_transactions=0", "postgres.shared_buffers=128MB",
          "postgres.max_wal_size=8GB", "postgres.checkpoint_timeout=30min")

FLUSHES = {"1 ms flush": 1000, "fast flush": 0}

PAID = "set pay_status = 1, status = 2, checkout_time = clock_timestamp()"

# The next order that no client has paid yet.
NEXT = "\\set n :n + 1\n\\set number :first + :n * :clients + :client_id\n"

# As fcgi-order has it (pg_store.c).
PAY = """select case when p.ask_again then 'unknown_yet' else p.verdict end, p.order_id,
 p.merchant_id from orderbell.pay(p_number => :number, p_amount => '38.00'::numeric,
 p_currency => case when set_config('orderbell.currency', 'CNY', true) is not null then 'CNY' end,
 p_gateway => 'webhook', p_transaction_id => 'tx-1700000000-' || :number, p_bell => '{bell}',
 p_pay_method => 1, p_notification_id => 'msg-1700000000-' || :number, p_state => 'order.paid')
 as p \\gset
"""

UPDATE = f"update orderbell.orders {PAID} where number = :number::text returning merchant_id \\gset\n"
RING = "select orderbell.ring(:merchant_id);\n"

BARE = f"update bench.orders {PAID} where number = :number::text returning merchant_id \\gset\n"


class Way:
    """A way to pay: what one client's script does, and who rings."""

    def __init__(self, name, script, bell="commit", ringer=False):
        self.name = name
        self.script = NEXT + script
        self.bell = bell
        self.ringer = ringer
        self.rates = []


def ways():
    alone = PAY.format(bell="alone")
    return [
        Way("the bare UPDATE", BARE),
        Way("UPDATE, bell later, each rings", UPDATE + RING, "later"),
        Way("UPDATE, bell later, coalesced", UPDATE, "later", ringer=True),
        Way("UPDATE, bell alone, coalesced", UPDATE, "alone", ringer=True),
        Way("pay() with its callback, each rings", alone + RING),
        Way("pay() with its callback, coalesced", alone, ringer=True),
        Way("UPDATE, bell inside", UPDATE),
        Way("pay(), bell inside", PAY.format(bell="commit")),
    ]


# --- the database ---

def slow_down(env, delay_us):
    lc.sql(env, f"alter system set commit_delay = {delay_us}")
    lc.sql(env, "alter system set commit_siblings = 0")
    lc.sql(env, "select pg_reload_conf()")


def make_tables(env):
    lc.make_merchants(env, MERCHANTS)
    lc.sql(env, f"""create schema bench;
        create table bench.orders (like orderbell.orders including all);
        create table bench.template as
        select g as nth, 38.00::numeric(10, 2) as amount, 1 + (random() * {MERCHANTS - 1})::int
            as merchant_id
        from generate_series(0, {ORDERS - 1}) g order by random();""")


def fill(env, table, first):
    """New orders, numbered from `first`, at random places of the table."""
    lc.sql(env, f"""truncate {table};
        insert into {table} (number, amount, merchant_id)
        select (t.nth + {first})::text, t.amount, t.merchant_id from bench.template t;""")
    lc.sql(env, f"vacuum (analyze) {table}")


def count_paid(env, table):
    return int(lc.sql(env, f"select count(*) from {table} where pay_status = 1"))


# --- pgbench ---

def pgbench_argv(folder, name, script, clients, *more):
    """Each client has a thread, as fcgi-order's have: where the processors are full, a single one for
    all of them gets too little, and the sessions wait for it."""
    path = os.path.join(folder, name + ".pgbench")
    with open(path, "w", encoding="utf-8") as f:
        f.write(script)
    return [os.path.join(subprocess.check_output(["pg_config", "--bindir"], text=True).strip(),
                         "pgbench"),
            "-n", "-M", "prepared", "-c", str(clients), "-j", str(clients), "-f", path, *map(str, more)]


def start_pgbench(env, argv, settings=()):
    options = " ".join(f"-c {s}" for s in settings)
    return subprocess.Popen(argv, env={**lc.database_of(env), "PGOPTIONS": options},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rate_of(child):
    out, err = child.communicate()
    found = re.search(r"^tps = ([0-9.]+)", out, re.MULTILINE)
    done = re.search(r"actually processed: ([0-9]+)", out)
    if child.returncode != 0 or not found:
        raise lc.Failed(f"pgbench: {err.strip()[-500:]}")
    return float(found.group(1)), int(done.group(1))


class Payers:
    def __init__(self, env, folder):
        self.env = env
        self.folder = folder
        self.first = 1

    def ringer(self, rate):
        """One session that rings for all of them, as fcgi-order's does."""
        n = max(1, round(rate / BELLS_PER_S))
        names = ", ".join(f":m{i}" for i in range(n))
        sets = "".join(f"\\set m{i} random(1, {MERCHANTS})\n" for i in range(n))
        argv = pgbench_argv(self.folder, "ringer",
                            f"{sets}select orderbell.ring_all(array[{names}]::bigint[]);\n", 1,
                            "-T", ROUND_S, "-R", BELLS_PER_S)
        return start_pgbench(self.env, argv)

    def renew(self, table):
        """Orders that nobody has paid; gives the number of the first."""
        first = self.first
        self.first += ORDERS
        fill(self.env, table, first)
        return first

    def count(self, name, table, done):
        """What was said to be paid is."""
        paid = count_paid(self.env, table)
        if paid != done:
            raise lc.Failed(f"{name}: {done} payments, but {paid} orders are paid")

    def measure(self, way, clients, guess):
        table = "bench.orders" if way.script == NEXT + BARE else "orderbell.orders"
        first = self.renew(table)
        argv = pgbench_argv(self.folder, "payers", way.script, clients, "-T", ROUND_S,
                            "-D", f"first={first - clients}", "-D", f"clients={clients}",
                            "-D", "n=0")
        ringer = self.ringer(guess) if way.ringer else None
        rate, done = rate_of(start_pgbench(
            self.env, argv, [f"orderbell.bell={way.bell}"] if way.bell != "commit" else []))
        if ringer:
            rate_of(ringer)
        self.count(way.name, table, done)
        return rate


def compare(bench, figure, rates, floors, least):
    """A row: the ratio of each round, since what slows the machine meets both of a round."""
    ratios = [a / b for a, b in zip(rates, floors)]
    bench.row(figure, spread(rates, "/s", 0), f">= {least} x" if least else "",
              floor=spread(floors, "/s", 0), ratio=spread(ratios, "x"),
              met=None if least is None else statistics.median(ratios) >= least)


TARGETS = {("1 ms flush", 16): 0.75, ("1 ms flush", 32): 0.45}


def payments(bench):
    """payments per second in PostgreSQL: what the event and its bell cost an UPDATE"""
    make_tables(bench.env)
    payers = Payers(bench.env, bench.folder)
    for flush, clients in (("1 ms flush", 16), ("1 ms flush", 32), ("fast flush", 16)):
        slow_down(bench.env, FLUSHES[flush])
        all_ways = ways()
        guess = 8000
        for n in range(1, ROUNDS + 1):
            for way in all_ways:
                say(f"{flush}, {clients} clients, round {n}: {way.name}")
                way.rates.append(payers.measure(way, clients, guess))
                if not way.ringer and way.name.startswith("UPDATE, bell later, each"):
                    guess = way.rates[-1] * 1.3
        floor = all_ways[0]
        for way in all_ways[1:]:
            least = None if "inside" in way.name else TARGETS.get((flush, clients))
            compare(bench, f"{flush}, {clients} clients: {way.name}", way.rates, floor.rates, least)


payments.settings = SERVER


# --- through the web server ---

def thread_seconds(pid):
    """CPU of all threads of a process that still run."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
        except FileNotFoundError:
            pass
    return total / 1e9


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def server_seconds(pid):
    """CPU of a process, of its children, and of those that have ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return ended + sum(thread_seconds(p) for p in (pid, *children(pid)))


class Callbacks:
    """Signed callbacks of orders that are there, whole HTTP requests in a file."""

    def __init__(self, env, path):
        self.env = env
        self.path = path
        self.key = webhooks.key_of(env["WEBHOOK_SECRET"])
        self.host = env["WEB_URL"].removeprefix("http://")

    def request(self, number):
        body = webhooks.paid(str(number), "38.00", transactionId=f"tx-1700000000-{number}")
        headers = {"Host": self.host, "Content-Length": len(body),
                   **webhooks.signed(self.key, f"msg-1700000000-{number}", body)}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /notify/webhook HTTP/1.1\r\n{head}\r\n".encode() + body

    def write(self, first):
        with open(self.path, "wb") as f:
            for number in range(first, first + ORDERS):
                request = self.request(number)
                f.write(f"{len(request)}\n".encode() + request)

    def send(self, clients):
        argv = [lc.tool("callers"), "--port", self.host.rpartition(":")[2], "--file", self.path,
                "--clients", str(clients), "--seconds", str(ROUND_S)]
        out = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = json.loads(out)
        if found["bad"] or found["lost"]:
            raise lc.Failed(f"callbacks were refused: {out.strip()}")
        return found


class Split:
    """Who used how much CPU for one callback."""

    def __init__(self, env):
        self.parts = {"lighttpd": (thread_seconds, int(env["WEB_PID"])),
                      "fcgi-order": (thread_seconds, int(env["FCGI_PIDS"].split()[0])),
                      "PostgreSQL": (server_seconds, int(env["PG_PID"]))}
        self.used = {name: [] for name in (*self.parts, "client")}

    def now(self):
        return {name: read(pid) for name, (read, pid) in self.parts.items()}

    def add(self, before, found):
        for name, value in self.now().items():
            self.used[name].append((value - before[name]) / found["good"])
        self.used["client"].append(found["cpu_s"] / found["good"])

    def text(self):
        return ", ".join(f"{name} {statistics.median(values) * 1e6:.0f}"
                         for name, values in self.used.items()) + " us"


def callbacks(bench):
    """signed callbacks per second through lighttpd and fcgi-order, beside pgbench"""
    clients = 16
    make_tables(bench.env)
    payers = Payers(bench.env, bench.folder)
    requests = Callbacks(bench.env, os.path.join(bench.folder, "callbacks.http"))
    floor = Way("pgbench: pay(), bells coalesced", PAY.format(bell="alone"), "alone", ringer=True)
    for flush, target in (("1 ms flush", 0.60), ("fast flush", 0.35)):
        slow_down(bench.env, FLUSHES[flush])
        split, rates, seen, floor.rates, guess = Split(bench.env), [], [], [], 5000
        for n in range(1, ROUNDS + 1):
            say(f"{flush}, round {n}: {floor.name}")
            floor.rates.append(payers.measure(floor, clients, guess))
            guess = floor.rates[-1]
            first = payers.renew("orderbell.orders")
            requests.write(first)
            say(f"{flush}, round {n}: callbacks")
            before = split.now()
            seen.append(requests.send(clients))
            split.add(before, seen[-1])
            payers.count("callbacks", "orderbell.orders", seen[-1]["good"])
            rates.append(seen[-1]["per_s"])
        compare(bench, f"{flush}, {clients} clients, beside {floor.name}", rates, floor.rates,
                target)
        bench.row(f"{flush}: CPU for one", split.text())
        bench.row(f"{flush}: answered within",
                  ms({q: statistics.median(s[q] for s in seen) for q in ("p50", "p99")},
                     "p50", "p99"))


callbacks.settings = (*SERVER, "fcgi-order.threads=16")

CASES = (payments, callbacks)
