"""stack - a whole orderbell for a test to use: `with Stack(host="nginx") as stack: ...`"""

import base64
import hashlib
import hmac
import http.client
import itertools
import json
import os
import shlex
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

import webhooks
from processes import keep_port, until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
HOSTS = ("lighttpd", "apache", "apache-fcgid", "nginx", "haproxy")
authorities = {}  # of stacks with TLS, by their port: the file of the one to trust
NUMBERS = itertools.count(int(time.time() * 1000))


class Failed(Exception):
    """The stack could not do what was asked of it."""


class Order:
    """An order as it was placed.  amount is text: "38.00"."""

    def __init__(self, order_id, number, amount, merchant, user):
        self.id = order_id
        self.number = number
        self.amount = amount
        self.merchant = merchant
        self.user = user


class Answer:
    """What an HTTP request got.  header(): None when there is none."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        return self.headers.get(name)

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


def request(url, method="GET", headers=(), body=None, within_s=20):
    """One HTTP request on a connection of its own; `headers` replace what would be sent."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=within_s,
            context=ssl.create_default_context(cafile=authorities[parts.port]))
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=within_s)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(secret, claims, header=None, signed_as=None):
    """A JWT with these claims and header.  It is signed as the header's alg says ("none": not at
    all), or as `signed_as` says."""
    header = header or {"alg": "HS256", "typ": "JWT"}
    parts = [base64url(json.dumps(part).encode()) for part in (header, claims)]
    hashed_by = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512,
                 "none": None}[signed_as or header["alg"]]
    mac = b""
    if hashed_by is not None:
        mac = hmac.new(secret.encode(), ".".join(parts).encode(), hashed_by).digest()
    return ".".join([*parts, base64url(mac)])


def forged_tokens(secret, claims):
    """[(what is wrong, token)]: good claims that were not signed by HS256 with this secret."""
    good = jwt(secret, claims)
    header, _, mac = good.split(".")
    longer = base64url(json.dumps({**claims, "exp": claims["exp"] + 1}).encode())
    return [
        ("unsigned", jwt(secret, claims, {"alg": "none"})),
        ("unsigned, in capitals", jwt(secret, claims, {"alg": "NONE"}, signed_as="none")),
        ("said to be unsigned", jwt(secret, claims, {"alg": "none"}, signed_as="HS256")),
        ("HS512", jwt(secret, claims, {"alg": "HS512"})),
        ("HS384", jwt(secret, claims, {"alg": "HS384"})),
        ("said to be HS512", jwt(secret, claims, {"alg": "HS512"}, signed_as="HS256")),
        ("said to be RS256", jwt(secret, claims, {"alg": "RS256"}, signed_as="HS256")),
        ("without an alg", jwt(secret, claims, {"typ": "JWT"}, signed_as="HS256")),
        ("by a foreign key", jwt("x" * len(secret), claims)),
        ("by an empty key", jwt("", claims)),
        ("with its signature cut off", good.rpartition(".")[0] + "."),
        ("with only two parts", good.rpartition(".")[0]),
        ("with four parts", good + ".x"),
        ("with a signature cut short", good[:-3]),
        ("with a later end than was signed", f"{header}.{longer}.{mac}"),
    ]


class Stack:
    """One running stack.  env: what tests/stack wrote.  It ends with the `with` block.
    postgres_port: for what must be known before PostgreSQL runs, a pooler's for instance."""

    running = []  # to be ended when the tests are told to end

    def __init__(self, host="lighttpd", auth="none", notifiers=1, settings=(), postgres_port=None,
                 tls=False):
        self.host = host
        self.auth = auth
        self.notifiers = notifiers
        self.settings = settings
        self.postgres_port = postgres_port
        self.tls = tls
        self.folder = None
        self.kept = []
        self.env = {}

    # --- life ---

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    def up(self):
        self.folder = tempfile.mkdtemp(prefix="orderbell-test.")
        Stack.running.append(self)
        argv = ["up", self.folder, "--host", self.host, "--auth", self.auth,
                "--notifiers", str(self.notifiers)]
        if self.postgres_port is not None:
            argv += ["--postgres-port", str(self.postgres_port)]
        if self.tls:
            argv.append("--tls")
        for pair in self.settings:
            argv += ["--set", pair]
        try:
            self.run(*argv)
        except Failed:
            self.down()
            raise
        self.read_env()
        with open(os.path.join(self.folder, "stack.json"), encoding="utf-8") as f:
            ports = json.load(f)["ports"].values()
        self.kept = [keep_port(port) for port in ports]  # also while what listens there is down
        return self

    def down(self):
        if self.folder is None:
            return
        subprocess.run([sys.executable, os.path.join(TOP, "tests", "stack"), "down", self.folder],
                       stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if not os.environ.get("KEEP_STACKS"):
            subprocess.run(["rm", "-rf", self.folder], check=False)
        self.folder = None
        for kept in filter(None, self.kept):
            kept.close()
        Stack.running.remove(self)

    def run(self, *argv):
        done = subprocess.run([sys.executable, os.path.join(TOP, "tests", "stack"), *argv],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"tests/stack {' '.join(argv)}:\n{done.stdout}{done.stderr}")

    def restart(self, part):
        self.run("restart", self.folder, part)
        self.read_env()

    def read_env(self):
        with open(os.path.join(self.folder, "env"), encoding="utf-8") as f:
            self.env = dict(word.split("=", 1) for word in shlex.split(f.read()))
        if self.tls:
            authorities[urllib.parse.urlsplit(self.web_url).port] = self.env["WEB_CA"]

    def logs(self, lines=15):
        """The ends of all logs, for a person who looks at a failed test."""
        folder = os.path.join(self.folder, "log")
        text = []
        for name in sorted(set(os.listdir(folder)) - {"initdb.log"}):
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
                text += [f"--- {name}\n", *f.readlines()[-lines:]]
        return "".join(text)

    # --- addresses ---

    @property
    def web_url(self):
        return self.env["WEB_URL"]

    @property
    def notifier_url(self):
        return self.env["NOTIFIER_URLS"].split()[0]

    @property
    def notifier_pid(self):
        return int(self.env["NOTIFIER_PIDS"].split()[0])

    def ws_url(self, sid="till-1", merchant=None, direct=False):
        """Where a terminal connects: through the front, or straight at the notifier."""
        base = (self.notifier_url if direct else self.web_url).replace("http", "ws", 1)
        query = "" if merchant is None else f"?merchant={merchant}"
        return f"{base}/ws/{sid}{query}"

    # --- the database ---

    def psql(self, sql, check=True):
        """Runs SQL as the DBA; gives its output, rows as lines, columns parted by |."""
        env = {**os.environ, **{k: v for k, v in self.env.items() if k.startswith("PG")},
               "PGCONNECT_TIMEOUT": "20"}
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"], input=sql,
                              env=env, capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise Failed(f"psql: {sql}\n{done.stderr}")
        return done.stdout.strip()

    def rows(self, sql):
        return [line.split("|") for line in self.psql(sql).splitlines()]

    def place_order(self, merchant=1, amount="38.00", user=4):
        number = str(next(NUMBERS))
        order_id = self.psql(
            "insert into orders (number, amount, merchant_id, user_id) values "
            f"('{number}', {amount}, {merchant}, {user}) returning id")
        return Order(int(order_id), number, amount, merchant, user)

    def pay_by_sql(self, order):
        self.psql(f"UPDATE orders SET pay_status = 1 WHERE id = {order.id}")

    def events(self, merchant=1):
        """[(seq, type, order_id or None)] in order, as the table has them."""
        return [(int(seq), int(type_), int(order_id) if order_id else None)
                for seq, type_, order_id in self.rows(
                    f"select seq, type, order_id from order_event where merchant_id = {merchant} "
                    "order by seq")]

    def kill_postgres(self):
        """As an out-of-memory killer would: nothing is flushed, nobody is told."""
        pid = int(self.env["PG_PID"])
        os.kill(pid, signal.SIGKILL)
        until(lambda: not os.path.exists(f"/proc/{pid}/fd"), 10)

    # --- money ---

    def webhook_key(self):
        return webhooks.key_of(self.env["WEBHOOK_SECRET"])

    def sign_webhook(self, body, message_id="msg_1", timestamp=None, key=None):
        """The headers that a gateway with the secret would send with this body."""
        return webhooks.signed(key or self.webhook_key(), message_id, body, timestamp)

    @staticmethod
    def webhook_body(order, **changes):
        return webhooks.paid(order.number, **{
            "amount": order.amount, "transactionId": f"tx-{order.number}", **changes})

    def post_webhook(self, body, headers=None, within_s=20):
        if headers is None:
            headers = self.sign_webhook(body)
        return request(self.web_url + "/notify/webhook", "POST", headers, body, within_s)

    def pay_by_webhook(self, order, within_s=20):
        body = self.webhook_body(order)
        headers = self.sign_webhook(body, message_id=f"msg_{order.number}")
        return self.post_webhook(body, headers, within_s)

    # --- people ---

    def user_token(self, user=4, **claims):
        return jwt(self.env["JWT_SECRET"],
                   {"userId": user, "exp": int(time.time()) + 3600, **claims})

    def merchant_token(self, merchant=1, **claims):
        return jwt(self.env["JWT_SECRET"],
                   {"merchant": merchant, "exp": int(time.time()) + 3600, **claims})

    def remind(self, order, method="GET"):
        return request(f"{self.web_url}/user/order/reminder/{order.id}", method,
                       {"authentication": self.user_token(order.user)})

    # --- what the notifier says of itself ---

    def part_log(self, part):
        """All that a part ("notifier-1", "web", ...) has logged."""
        with open(os.path.join(self.folder, "log", f"{part}.log"), encoding="utf-8") as f:
            return f.read()

    def metric(self, name):
        """A metric of the first notifier, 0 when it has never been counted."""
        text = request(self.notifier_url + "/metrics").body.decode()
        for line in text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0

    def is_ready(self):
        try:
            return request(self.notifier_url + "/readyz", within_s=5).status == 200
        except OSError:
            return False
