"""The PHP shop of examples/: PDO on a table of its own, attached by attach.sql as it stands."""

import os
import shutil
import subprocess
import unittest

from clients import PythonTerminal
from stack import TOP, Stack

TABLES = """
create role shop_owner nologin in role orderbell_dba;
create role shop_php login;
create table public.shop_order (id serial primary key, sn varchar(32) not null unique,
    shop_id int not null, total numeric(10, 2), is_paid boolean not null default false,
    state varchar(16) not null default 'new', reminded_at timestamp, dishes text);
create table public.wc_orders (id bigint primary key, status varchar(20), currency varchar(10),
    total_amount numeric(26, 8), line_items jsonb);
alter table public.shop_order owner to shop_owner;
alter table public.wc_orders owner to shop_owner;
grant select, insert, update on public.shop_order to shop_php;
insert into public.shop_order (sn, shop_id, total) values ('A1', 1, 38.50), ('A2', 1, 5);
"""


@unittest.skipIf(shutil.which("php") is None, "PHP is not installed")
class PhpShop(unittest.TestCase):
    """a PHP shop"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)
        cls.stack.psql(TABLES)
        with open(os.path.join(TOP, "examples", "attach.sql"), encoding="utf-8") as f:
            cls.stack.psql("set role shop_owner;\n" + f.read())
        cls.terminal = PythonTerminal(cls.stack.ws_url("till-1"), v1=True)
        cls.addClassCleanup(cls.terminal.close)
        cls.terminal.wait_until_live()

    def php(self, what, sn):
        env = self.stack.env
        dsn = f"pgsql:host={env['PGHOST']};port={env['PGPORT']};dbname={env['PGDATABASE']}"
        done = subprocess.run(["php", os.path.join(TOP, "examples", "shop.php"), what, sn],
                              env={**os.environ, "SHOP_DSN": dsn, "SHOP_USER": "shop_php"},
                              capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_rings_by_pdo_from_the_payment_to_the_reminder_to_the_ack(self):
        order = int(self.stack.psql("select id from public.shop_order where sn = 'A1'"))
        self.assertEqual(self.php("paid", "A1"), "1 changed\n")
        event = self.terminal.event_of(order)
        self.assertIn("A1", event["content"])

        self.assertEqual(self.php("paid", "A1"), "0 changed\n")
        self.php("reminds", "A1")
        reminder = self.terminal.event_of(order, 2)
        self.assertEqual(reminder["seq"], event["seq"] + 1, "paid again: no event")

        self.php("cooking", "A1")
        self.terminal.wait_for(lambda m: event["seq"] in m.get("acked", []) and m["by"] == "order",
                               "an ack by the order that moved on")

    def test_has_no_right_on_what_is_ours(self):
        self.assertEqual(self.stack.psql(
            "select count(*) from pg_class c where c.relnamespace = 'orderbell'::regnamespace"
            " and c.relkind in ('r', 'v') and has_table_privilege('shop_php', c.oid,"
            " 'select,insert,update,delete')"), "0")


if __name__ == "__main__":
    unittest.main()
