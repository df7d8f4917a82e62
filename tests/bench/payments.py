"""payments - cases: what payments cost PostgreSQL, and fcgi-order before it.

The flush is slowed by commit_delay = 1000 with commit_siblings = 0: whoever flushes sleeps a
millisecond before it, holding the lock that the others' flushes wait for.  A disk that takes as
long differs in one thing, in everybody's favour alike: who comes while it sleeps is still taken
along.  The fast flush is the disk's own.
"""

import os
import re
import statistics
import subprocess

import loadclient as lc
from bench import say

MERCHANTS = 1000
ORDERS = 100000
ROUNDS = 3
ROUND_S = 3
BELLS_PER_S = 1000  # a ringer's own bound: shared/... RINGER_REST_MS

FLUSHES = {"1 ms flush": 1000, "fast flush": 0}

PAID = "set pay_status = 1, status = 2, checkout_time = clock_timestamp()"

# The next order that no client has paid yet.
NEXT = "\\set n :n + 1\n\\set number :first + :n * :clients + :client_id\n"

# As fcgi-order has it (pg_store.c).
PAY = """select case when p.ask_again then 'unknown_yet' else p.verdict end, p.order_id,
 p.merchant_id from (select set_config('orderbell.currency', 'CNY', true) as currency offset 0)
 as shop cross join lateral orderbell.pay(p_number => :number, p_amount => '38.00'::numeric,
 p_currency => case when shop.currency is not null then 'CNY' end, p_gateway => 'webhook',
 p_transaction_id => 'tx-1700000000-' || :number, p_bell => '{bell}', p_pay_method => 1,
 p_notification_id => 'msg-1700000000-' || :number, p_state => 'order.paid') as p \\gset
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
    later = PAY.format(bell="alone")
    return [
        Way("the bare UPDATE", BARE),
        Way("UPDATE, each rings after its commit", UPDATE + RING, "later"),
        Way("UPDATE, bells coalesced", UPDATE, "later", ringer=True),
        Way("pay(), each rings after its commit", later + RING),
        Way("pay(), bells coalesced", later, ringer=True),
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
    path = os.path.join(folder, name + ".pgbench")
    with open(path, "w", encoding="utf-8") as f:
        f.write(script)
    return [os.path.join(subprocess.check_output(["pg_config", "--bindir"], text=True).strip(),
                         "pgbench"),
            "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-f", path, *map(str, more)]


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

    def measure(self, way, clients, guess):
        table = "bench.orders" if way.script == NEXT + BARE else "orderbell.orders"
        fill(self.env, table, self.first)
        lc.sql(self.env, "truncate orderbell.payment_callback")
        argv = pgbench_argv(self.folder, "payers", way.script, clients, "-T", ROUND_S,
                            "-D", f"first={self.first - clients}", "-D", f"clients={clients}",
                            "-D", "n=0")
        ringer = self.ringer(guess) if way.ringer else None
        rate, done = rate_of(start_pgbench(
            self.env, argv, [f"orderbell.bell={way.bell}"] if way.bell != "commit" else []))
        if ringer:
            rate_of(ringer)
        paid = count_paid(self.env, table)
        if paid != done:
            raise lc.Failed(f"{way.name}: {done} payments, but {paid} orders are paid")
        self.first += ORDERS
        return rate


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


TARGETS = {
    ("1 ms flush", 16): ">= 0.75, aiming at 0.85",
    ("1 ms flush", 32): ">= 0.45, aiming at 0.55",
}


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
                if not way.ringer and "each rings" in way.name:
                    guess = way.rates[-1] * 1.3
        floor = all_ways[0]
        bench.row(f"{flush}, {clients} clients: {floor.name}",
                  f"{statistics.median(floor.rates):.0f}/s")
        for way in all_ways[1:]:
            ratios = [a / b for a, b in zip(way.rates, floor.rates)]
            target = "" if "inside" in way.name else TARGETS.get((flush, clients), "")
            bench.row(f"{flush}, {clients} clients: {way.name}",
                      f"{statistics.median(way.rates):.0f}/s, ratio {spread(ratios)}", target)


CASES = (payments,)
