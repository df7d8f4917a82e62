"""What one address, one merchant, or all together may have of the notifier, and not more."""

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import netns
from clients import PythonTerminal
from processes import free_port, until
from rawws import Raw, handshake
from stack import Stack, request

HERE = os.path.dirname(os.path.abspath(__file__))
GATE_PENDING = 128  # silent sockets of one address


class Address(unittest.TestCase):
    """Terminals and requests of one address, as a proxy tells it"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(auth="jwt", settings=(
            "max_per_address=3", "max_rate_per_address=5", "max_per_merchant=4")).up()
        cls.addClassCleanup(cls.stack.down)
        cls.url = cls.stack.notifier_url

    def headers(self, address=None, merchant=1):
        forwarded = {} if address is None else {"X_Forwarded_For": address}
        return {"token": self.stack.merchant_token(merchant), **forwarded}

    def ask(self, address=None, merchant=1, path="/ws/till-1", **more):
        """Sends a handshake; gives the connection and the head of the answer."""
        raw = Raw(self.url)
        self.addCleanup(raw.socket.close)
        raw.send(handshake(path=path, **self.headers(address, merchant), **more))
        return raw, raw.head()

    def refusals(self, reason):
        return self.stack.metric(f'orderbell_refusals_total{{reason="{reason}"}}')

    def assert_statuses(self, addresses, statuses):
        asked = [self.ask(address, merchant=i % 3 + 1) for i, address in enumerate(addresses)]
        self.assertEqual([head.status for _, head in asked], statuses)
        for raw, head in asked:
            if head.status == 101:
                raw.is_alive()
        return asked

    def test_an_address_may_have_so_many_terminals_and_another_as_many_again(self):
        before = self.refusals("capacity")
        asked = self.assert_statuses(["192.0.2.1"] * 5 + ["192.0.2.2"],
                                     [101, 101, 101, 503, 503, 101])
        self.assertEqual(asked[3][1].get("Retry-After"), "5")
        self.assertEqual(self.refusals("capacity") - before, 2)
        asked[0][0].socket.close()
        self.assertTrue(until(lambda: self.ask("192.0.2.1")[1].status == 101, 30))

    def test_a_home_of_ipv6_is_one_address(self):
        self.assert_statuses([f"2001:db8::{i}" for i in range(1, 5)], [101, 101, 101, 503])

    def test_ipv4_written_as_ipv6_is_the_address_it_is(self):
        self.assert_statuses([f"::ffff:198.51.100.{i}" for i in range(1, 6)], [101] * 5)
        self.assert_statuses(["192.0.2.5", "::ffff:192.0.2.5"] * 2, [101, 101, 101, 503])

    def test_loopback_speaks_for_many(self):
        self.assert_statuses([None] * 9, [101] * 9)

    def test_a_merchant_may_have_so_many_terminals_of_all_kinds(self):
        token = {"token": self.stack.merchant_token(3)}
        v1 = [PythonTerminal(self.stack.ws_url(f"till-{i}"), v1=True, headers=token)
              for i in range(4)]
        for terminal in v1:
            self.addCleanup(terminal.close)
            terminal.wait_until_live()
        late = [PythonTerminal(self.stack.ws_url("late"), v1=kind, headers=token)
                for kind in (True, False)]
        for terminal in late:
            self.assertEqual(terminal.wait_ended(), 1013)
        for path in ("/events/late", "/poll/late"):
            # A poll gets its answer, a stream its last word.
            body = request(self.url + path, headers=token).body
            self.assertTrue(b"1013" in body or b"try again" in body, body)
        self.assertEqual(self.ask(merchant=2)[1].status, 101)
        v1[0].close()

        def comes_in():
            with PythonTerminal(self.stack.ws_url("late"), v1=True, headers=token) as terminal:
                return until(lambda: terminal.is_ended or terminal.find(
                    lambda m: "welcome" in m), 20) and not terminal.is_ended
        self.assertTrue(until(comes_in, 30))

    def test_an_address_may_send_a_burst_and_is_paced_from_then_on(self):
        def status(address):
            return request(self.url + "/healthz", headers={"X-Forwarded-For": address}).status

        before = self.refusals("rate")
        started = time.monotonic()
        statuses = [status("192.0.2.9") for _ in range(100)]
        while 429 not in statuses and len(statuses) < 1000:  # they came as slowly as they may
            statuses.append(status("192.0.2.9"))
        refilled = 5 * (time.monotonic() - started) + 1
        self.assertEqual(set(statuses), {200, 429})
        self.assertEqual(statuses[:50], [200] * 50)
        self.assertLessEqual(statuses.count(200), 50 + refilled)
        self.assertEqual(self.refusals("rate") - before, statuses.count(429))
        self.assertEqual(status("192.0.2.10"), 200)
        answer = request(self.url + "/healthz", headers={"X-Forwarded-For": "192.0.2.9"})
        if answer.status == 429:
            self.assertEqual(answer.header("Retry-After"), "1")
        self.assertEqual([request(self.url + "/healthz").status for _ in range(100)], [200] * 100)
        self.assertTrue(until(lambda: status("192.0.2.9") == 200, 30))


class Unproven(unittest.TestCase):
    """Terminals that do not say who they are"""

    MOST = 64

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(auth="jwt", settings=(
            f"max_unproven={cls.MOST}", "notifier.carrier_loops=1", "hello_s=120")).up()
        cls.addClassCleanup(cls.stack.down)

    def silent(self):
        """A terminal that says nothing behind its handshake."""
        raw = Raw.open(self.stack.notifier_url, Sec_WebSocket_Protocol="orderbell.v1")
        self.addCleanup(raw.socket.close)
        return raw

    def live(self):
        terminal = PythonTerminal(self.stack.ws_url("good"), v1=True,
                                  hello={"token": self.stack.merchant_token()})
        self.addCleanup(terminal.close)
        return terminal.wait_until_live()

    def n_closed(self):
        return self.stack.metric('orderbell_closed_total{reason="unproven"}')

    def test_the_oldest_make_room_for_those_that_do(self):
        before = [self.live() for _ in range(3)]
        silent = [self.silent() for _ in range(self.MOST)]
        self.assertEqual(self.n_closed(), 0)
        silent[-1].is_alive()
        late = [self.silent() for _ in range(5)] + [self.live() for _ in range(5)]
        # One of them went for the first good one, who was none of them any more when the next came.
        for raw in silent[:6]:
            self.assertEqual(raw.close_code(), 1013)
            raw.wait_end()
        for raw in silent[6:] + late[:5]:
            raw.is_alive()
        self.assertTrue(until(lambda: self.n_closed() == 6, 20), self.n_closed())
        order = self.stack.place_order()
        self.stack.pay_by_sql(order)
        for terminal in before + late[5:]:
            terminal.event_of(order.id)

    def test_who_has_said_his_hello_is_none_of_them(self):
        closed = self.n_closed()
        terminals = [self.live() for _ in range(self.MOST + 10)]
        self.assertEqual(self.n_closed(), closed)
        self.assertTrue(all(terminal.is_open for terminal in terminals))


class All(unittest.TestCase):
    """Terminals at all, below the limit of open files"""

    FILES = 400

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def start(self, **settings):
        """One more notifier, with few open files; gives its process and its address."""
        port = free_port()
        env = {"PATH": os.environ["PATH"], "ORDERBELL_LISTEN": f"127.0.0.1:{port}",
               **{f"ORDERBELL_{name.upper()}": str(value) for name, value in settings.items()}}

        def with_few_files():
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.FILES, self.FILES))

        with open(os.path.join(self.stack.folder, "log", "few-files.log"), "ab") as log:
            process = subprocess.Popen(
                [self.stack.env["BIN_NOTIFIER"], "--config",
                 os.path.join(self.stack.folder, "etc", "notifier-1.conf")],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=with_few_files)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        url = f"http://127.0.0.1:{port}"

        def is_ready():
            try:
                return request(url + "/readyz").status == 200
            except OSError:
                return False
        self.assertTrue(until(is_ready, 60))
        return process, url

    def fill(self, url, n):
        """Opens n terminals; gives those that were let in, and the others' statuses."""
        inside, refused = [], []
        for _ in range(n):
            raw = Raw(url)
            self.addCleanup(raw.socket.close)
            raw.send(handshake())
            head = raw.head()
            if head.status == 101:
                inside.append(raw)
            else:
                refused.append((head.status, head.get("Retry-After")))
        return inside, refused

    def assert_full_at(self, url, most):
        inside, refused = self.fill(url, most + 20)
        self.assertEqual(len(inside), most)
        self.assertEqual(set(refused), {(503, "5")})
        for raw in inside:
            raw.is_alive()
        self.assertEqual(request(url + "/healthz").status, 200)
        for raw in inside[:10]:
            raw.socket.close()
        late = []
        self.assertTrue(until(
            lambda: late.extend(self.fill(url, 10 - len(late))[0]) or len(late) == 10, 30))
        for raw in late:
            raw.is_alive()

    def test_there_are_never_more_than_max_connections(self):
        self.assert_full_at(self.start(max_connections=30)[1], 30)

    def test_without_it_the_limit_of_open_files_leaves_room_for_all_else(self):
        process, url = self.start()
        self.assert_full_at(url, self.FILES - 256)
        self.assertLess(len(os.listdir(f"/proc/{process.pid}/fd")), self.FILES)

    def test_silent_ones_besides_take_no_place_of_good_ones(self):
        _, url = self.start(max_pending=1000)
        silent = [socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
                  for _ in range(500)]
        for s in silent:
            self.addCleanup(s.close)
        inside, refused = self.fill(url, 50)
        self.assertEqual((len(inside), refused), (50, []))
        for raw in inside:
            raw.is_alive()


@unittest.skipIf(netns.why_not(), netns.why_not())
class Gate(unittest.TestCase):
    """What the gate bounds by the address of the connection itself"""

    PORT = 8790

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="orderbell-test.")
        cls.addClassCleanup(cls.folder.cleanup)
        secret = os.path.join(cls.folder.name, "secret")
        with open(secret, "w", opener=lambda path, flags: os.open(path, flags, 0o600),
                  encoding="ascii") as f:
            f.write("x" * 32)
        build = os.environ.get("BUILD_DIR") or os.path.join(HERE, "..", "..", "build")
        env = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
        env.update({"ORDERBELL_DATABASE": "host=/nonexistent dbname=x",
                    "ORDERBELL_LISTEN": f"0.0.0.0:{cls.PORT}",
                    "ORDERBELL_JWT_SECRET_FILE": secret,
                    "ORDERBELL_TRUSTED_PROXY": "192.0.2.200",
                    "ORDERBELL_MAX_RATE_PER_ADDRESS": "5"})
        cls.log = os.path.join(cls.folder.name, "log")
        with open(cls.log, "wb") as log:
            cls.process = subprocess.Popen(
                ["unshare", "--net", sys.executable, os.path.join(HERE, "lib", "netns.py"),
                 *(f"192.0.2.{i}" for i in (1, 2, 3, 4, 200)), "--",
                 os.path.abspath(os.path.join(build, "notifier", "orderbell-notifier"))],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        cls.addClassCleanup(cls.process.wait)
        cls.addClassCleanup(cls.process.send_signal, signal.SIGTERM)
        if not until(cls.is_up, 60):
            with open(cls.log, encoding="utf-8") as f:
                raise AssertionError("the notifier did not start: " + f.read())

    @classmethod
    def is_up(cls):
        try:
            cls.connect("127.0.0.1").close()
            return True
        except OSError:
            return False

    @classmethod
    def connect(cls, source):
        """A connection from that address to the notifier, in its network."""
        with netns.Inside(cls.process.pid):
            s = socket.socket()
        s.settimeout(30)
        s.bind((source, 0))
        s.connect(("127.0.0.1" if source == "127.0.0.1" else "192.0.2.1", cls.PORT))
        return s

    def get(self, source, path="/healthz"):
        """The answer to a GET from that address, as text; "" where there is none."""
        with self.connect(source) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            text = b""
            try:
                while data := s.recv(65536):
                    text += data
            except ConnectionResetError:
                pass
            return text.decode()

    def status(self, source):
        return int(self.get(source).partition(" ")[2][:3])

    def metric(self, name):
        for line in self.get("127.0.0.1", "/metrics").splitlines():
            if line.startswith(name + " "):
                return int(line.split()[-1])
        raise AssertionError(f"no metric {name}")

    def silent(self, source, n):
        made = [self.connect(source) for _ in range(n)]
        for s in made:
            self.addCleanup(s.close)
        return made

    def test_an_address_is_paced_and_its_neighbour_is_not(self):
        before = self.metric('orderbell_refusals_total{reason="rate"}')
        statuses = [self.status("192.0.2.2") for _ in range(80)]
        while 429 not in statuses and len(statuses) < 1000:  # they came as slowly as they may
            statuses.append(self.status("192.0.2.2"))
        self.assertEqual(statuses[:50], [200] * 50)
        self.assertEqual(set(statuses), {200, 429})
        self.assertEqual(self.metric('orderbell_refusals_total{reason="rate"}') - before,
                         statuses.count(429))
        self.assertEqual(self.status("192.0.2.3"), 200)
        self.assertTrue(until(lambda: self.status("192.0.2.2") == 200, 30))
        with open(self.log, encoding="utf-8") as f:
            self.assertIn("an address sends too many requests: address=192.0.2.2", f.read())

    def test_loopback_and_a_trusted_proxy_are_not_paced(self):
        for source in ("127.0.0.1", "192.0.2.200"):
            self.assertEqual([self.status(source) for _ in range(80)], [200] * 80)

    def silent_ones(self, source, n_pending, n_evicted):
        """So many more silent sockets than GATE_PENDING come from one address.  Silence is borne for
        3 s: tried again where the machine was too busy to count them in that time."""
        evicted = 'orderbell_gate_dropped_total{reason="evicted"}'
        seen = []
        for _ in range(5):
            before = self.metric(evicted)
            made = self.silent(source, GATE_PENDING + 50)

            def counted(before=before):
                seen.append((self.metric("orderbell_gate_pending"), self.metric(evicted) - before))
                return seen[-1] == (n_pending, n_evicted)

            is_right = until(counted, 2.5)
            if is_right:
                self.assertEqual(self.status("192.0.2.3"), 200)
            for s in made:
                s.close()
            self.assertTrue(until(lambda: self.metric("orderbell_gate_pending") == 0, 30))
            if is_right:
                return
            self.assertLessEqual(self.metric(evicted) - before, n_evicted)
        self.fail(f"pending and evicted: {seen}, wanted {(n_pending, n_evicted)}")

    def test_an_address_may_be_silent_on_so_many_sockets(self):
        self.silent_ones("192.0.2.4", GATE_PENDING, 50)

    def test_a_trusted_proxy_may_be_silent_on_more(self):
        self.silent_ones("192.0.2.200", GATE_PENDING + 50, 0)
