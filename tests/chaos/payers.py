"""payers - those who make events: a gateway that calls back, and people and programs with SQL.

What each knows of its own payments goes to the ledger's Claims: an order that was answered 2xx, or
whose COMMIT came back, has its event; one that was rolled back has none; where the answer was lost
either is right, but never two.
"""

import asyncio
import itertools
import random
import time

import pg
import webhooks
import wire
from wire import Lost

GATEWAY_WAITS_S = 5
GATEWAY_GIVES_UP_S = 90
AT_ONCE = 24  # callbacks of one gateway under way
AMOUNT = "38.00"
PAID_KEPT = 500  # orders that are remembered for reminders


class Order:
    def __init__(self, order_id, number, merchant):
        self.id = order_id
        self.number = number
        self.merchant = merchant
        self.thing = ("order", order_id)


class Payer:
    """What both kinds share: a session of its own, a pace, and orders to pay."""

    numbers = itertools.count(1)

    def __init__(self, world, name, rate):
        self.world = world
        self.name = name
        self.rate = rate
        self.claims = world.ledger.claims
        self.random = random.Random(f"{world.seed} {name}")
        self.desk = pg.Patient(world.postgres_port)
        self.is_ending = False
        self.task = None

    def start(self):
        self.task = asyncio.create_task(self.run(), name=self.name)

    async def end(self):
        """What is under way is brought to its end."""
        self.is_ending = True
        if self.task is not None:
            await self.task
        self.desk.close()

    async def run(self):
        while not self.is_ending:
            await asyncio.sleep(min(5, self.random.expovariate(self.rate)))
            await self.act()

    async def act(self):
        """Makes an event or some, or tries to."""

    def merchant(self):
        return self.random.choice(self.world.busy)

    async def place(self, n=1, merchant=None):
        """n new orders, not paid yet."""
        rows = []
        for _ in range(n):
            number = f"{self.name}-{next(self.numbers)}"
            rows.append(f"('{number}', {AMOUNT}, {merchant or self.merchant()}, 4)")
        placed = await self.desk.query(
            "insert into orders (number, amount, merchant_id, user_id) values " + ", ".join(rows) +
            " on conflict (number) do update set number = excluded.number"
            " returning id, number, merchant_id")
        return [Order(int(i), number, int(m)) for i, number, m in placed]

    def remember(self, *orders):
        paid = self.world.paid
        paid.extend(orders)
        del paid[:-PAID_KEPT]


# --- the gateway ---

class Gateway(Payer):
    """Signed webhooks through the web server, repeated until they are taken, and now and then when
    they were; some in parallel.  Reminders by the customer the same way."""

    def __init__(self, world, name, rate):
        super().__init__(world, name, rate)
        self.may_start = asyncio.Semaphore(AT_ONCE)
        self.under_way = set()

    async def end(self):
        await super().end()
        await asyncio.gather(*self.under_way)

    async def act(self):
        if self.world.paid and self.random.random() < 0.08:
            await self.begin(self.remind(self.random.choice(self.world.paid)))
            return
        order = (await self.place())[0]
        await self.begin(self.pay(order))

    async def begin(self, coroutine):
        await self.may_start.acquire()
        task = asyncio.create_task(coroutine)
        self.under_way.add(task)
        task.add_done_callback(self.finished)

    def finished(self, task):
        self.may_start.release()
        if not task.cancelled() and task.exception() is None:
            self.under_way.discard(task)

    async def pay(self, order):
        self.claims.doubt(order.thing)
        luck = self.random.random()
        if luck < 0.1:
            await asyncio.gather(*(self.pay_until_taken(order) for _ in range(4)))
        else:
            await self.pay_until_taken(order)
        self.remember(order)
        if luck > 0.8:
            await asyncio.sleep(self.random.uniform(0, 3))
            await self.call_back(order)

    async def pay_until_taken(self, order):
        deadline = time.monotonic() + GATEWAY_GIVES_UP_S
        for turn in itertools.count():
            if await self.call_back(order):
                self.claims.committed(order.thing)
                return
            if time.monotonic() > deadline:
                self.world.ledger.problem(
                    "protocol", f"{self.name}: order {order.number} was never taken")
                return
            await asyncio.sleep(self.random.uniform(0.1, min(3, 0.2 * 2 ** turn)))

    async def call_back(self, order):
        """True: the order was taken."""
        body = webhooks.paid(order.number, AMOUNT, transactionId=f"tx-{order.number}")
        headers = webhooks.signed(self.world.webhook_key, f"msg_{order.number}", body)
        return await self.ask("POST", "/notify/webhook", list(headers.items()), body, 204)

    async def remind(self, order):
        """Too soon, or done meanwhile, is an answer as well."""
        await self.ask("GET", f"/user/order/reminder/{order.id}",
                       [("authentication", self.world.user_token(4))], None, 200)

    async def ask(self, method, path, headers, body, good):
        """True: the answer was the good one.  A gateway takes every other as "not yet"."""
        try:
            answer = await wire.request(self.world.address("web"), method, path, headers, body,
                                        within_s=GATEWAY_WAITS_S)
        except Lost:
            self.world.answers["no answer"] += 1
            return False
        self.world.answers[answer.status] += 1
        if answer.status != good and answer.status < 500:
            self.world.ledger.problem(
                "protocol", f"{method} {path} was answered {answer.status} {answer.body[:200]!r}")
        return answer.status == good


# --- SQL ---

class Clerk(Payer):
    """Somebody at psql, or a program with SQL: every shape that a transaction may have."""

    def __init__(self, world, name, rate):
        super().__init__(world, name, rate)
        self.session = None
        shapes = (  # how often, and what
            (30, self.pay_one), (8, self.pay_several), (8, self.pay_slowly), (8, self.roll_back),
            (8, self.savepoints), (6, self.pay_by_function), (6, self.notify),
            (4, self.notify_quick), (6, self.remind), (3, self.unmake), (3, self.repeatable_read),
            (4, self.without_bell), (8, self.move_on), (2, self.bulk), (3, self.breaks_off))
        self.shapes = [shape for _, shape in shapes]
        self.weights = [weight for weight, _ in shapes]

    async def end(self):
        await super().end()
        self.close()

    def close(self):
        if self.session is not None:
            self.session.close()
        self.session = None

    async def act(self):
        if await self.is_connected():
            await self.random.choices(self.shapes, self.weights)[0]()

    async def is_connected(self):
        """Once tried, where it was not."""
        if self.session is None:
            try:
                self.session = await pg.Session.open(self.world.postgres_port)
            except Lost:
                await asyncio.sleep(0.2)
        return self.session is not None

    async def transact(self, kept, gone, *steps):
        """Runs steps (SQL, or seconds to wait), the last of which commits.  kept: the things that
        are there if it does; gone: those that are rolled back in any case.  True: committed."""
        is_committing = False
        try:
            for i, step in enumerate(steps):
                is_committing = i + 1 == len(steps)
                if isinstance(step, str):
                    await self.session.query(step)
                else:
                    await asyncio.sleep(step)
        except pg.SqlError as error:
            self.world.sql_errors[error.state] += 1
            self.claims.rolled_back(*kept, *gone)
            await self.give_up()
            return False
        except Lost:
            (self.claims.doubt if is_committing else self.claims.rolled_back)(*kept)
            self.claims.rolled_back(*gone)
            self.close()
            return False
        self.claims.committed(*kept)
        self.claims.rolled_back(*gone)
        return True

    async def give_up(self):
        """After an error: the transaction, if there is one, ends."""
        try:
            await self.session.query("rollback")
        except (Lost, pg.SqlError):
            self.close()

    @staticmethod
    def paying(*orders):
        return ("update orders set pay_status = 1, status = 2 where id in ("
                + ", ".join(str(o.id) for o in orders) + ")")

    @staticmethod
    def things(*orders):
        return [o.thing for o in orders]

    def text(self):
        number = next(self.numbers)
        return f"{self.name} says {number} <b>&\"'\\ 您有新的订单"

    async def pay_one(self):
        order, = await self.place()
        if await self.transact([order.thing], [], self.paying(order)):
            self.remember(order)

    async def pay_several(self):
        """Of several merchants, in a transaction; in either order of them."""
        orders = await self.place(self.random.randint(2, 20))
        self.random.shuffle(orders)
        at = self.random.randint(1, len(orders) - 1)
        if await self.transact(self.things(*orders), [], "begin", self.paying(*orders[:at]),
                               self.paying(*orders[at:]), "commit"):
            self.remember(*orders)

    async def pay_slowly(self):
        """Written first, committed late: others come in between."""
        orders = await self.place(self.random.randint(1, 3))
        await self.transact(self.things(*orders), [], "begin", self.paying(*orders),
                            self.random.uniform(0.5, 5), "commit")

    async def roll_back(self):
        orders = await self.place(self.random.randint(1, 4))
        await self.transact([], self.things(*orders), "begin", self.paying(*orders),
                            self.random.choice((0, 0, 1.5)), "rollback")

    async def savepoints(self):
        first, second, third = await self.place(3)
        await self.transact(self.things(first, third), [second.thing], "begin", self.paying(first),
                            "savepoint a", self.paying(second), "rollback to a",
                            self.paying(third), "commit")

    async def pay_by_function(self):
        order, = await self.place()
        await self.transact([order.thing], [],
                            f"select * from pay({pg.quote(order.number)}, {AMOUNT})")

    async def notify(self):
        text = self.text()
        await self.transact(
            [("text", text)], [],
            f"select notify({self.merchant()}, {self.random.randint(3, 9)}, {pg.quote(text)})")

    async def notify_quick(self):
        """Many transactions, one right behind the other."""
        merchant = self.merchant()
        for _ in range(self.random.randint(3, 12)):
            text = self.text()
            if not await self.transact([("text", text)], [],
                                       f"select notify({merchant}, 3, {pg.quote(text)})"):
                return

    async def remind(self):
        if not self.world.paid:
            return
        order = self.random.choice(self.world.paid)
        try:
            (event_id, _, _), = await self.session.query(f"select * from remind({order.id})")
            self.claims.committed(("event", int(event_id)))
        except pg.SqlError as error:
            self.world.sql_errors[error.state] += 1
        except Lost:
            self.close()

    async def unmake(self):
        """A row that is deleted before the commit takes no seq."""
        kept, gone = self.text(), self.text()
        merchant = self.merchant()
        await self.transact(
            [("text", kept)], [("text", gone)], "begin",
            f"select notify({merchant}, 3, {pg.quote(gone)})",
            f"select notify({merchant}, 3, {pg.quote(kept)})",
            f"delete from order_event where content = {pg.quote(gone)} and seq is null", "commit")

    async def repeatable_read(self):
        """May be refused at its commit, 40001, and then has not happened."""
        order, = await self.place()
        await self.transact([order.thing], [], "begin isolation level repeatable read",
                            "select count(*) from stream", self.paying(order),
                            self.random.uniform(0, 0.3), "commit")

    async def without_bell(self):
        """Committed, and nobody rings: the poll must find it."""
        order, = await self.place()
        await self.transact([order.thing], [], "begin", "set local orderbell.bell = 'later'",
                            "set local synchronous_commit = off", self.paying(order), "commit")

    async def move_on(self):
        """Orders that the kitchen has begun: their events are acked by that."""
        orders = self.random.sample(self.world.paid, min(len(self.world.paid), 5))
        if orders:
            ids = ", ".join(str(o.id) for o in sorted(orders, key=lambda o: o.id))
            await self.transact(
                [], [], f"update orders set status = 3 where status = 2 and id in ({ids})")

    async def bulk(self, merchant=None, n=None):
        """More than a ring holds, in one transaction."""
        if not await self.is_connected():
            return
        merchant = merchant or self.merchant()
        n = n or self.random.randint(50, 300)
        label = f"{self.name} bulk {next(self.numbers)} "
        tail = "x" * self.random.choice((10, 300, 900))
        await self.transact(
            [("text", f"{label}{i} {tail}") for i in range(1, n + 1)], [],
            f"select count(notify({merchant}, 4, '{label}' || i || ' {tail}'))"
            f" from generate_series(1, {n}) i")

    async def breaks_off(self):
        """Its connection ends in the middle."""
        orders = await self.place(2)
        await self.transact([], self.things(*orders), "begin", self.paying(*orders),
                            self.random.uniform(0, 1))
        self.close()
