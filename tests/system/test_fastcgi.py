"""fcgi-order, spoken to as a web server would, or should not."""

import concurrent.futures
import os
import random
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

import fastcgi
from processes import until
from stack import Stack

ANSWER_S = 5   # no gateway waits longer
THREADS = 4


class Program:
    """A fcgi-order of the test's own, on the stack's database."""

    def __init__(self, stack, argv=(), listener=None, **settings):
        self.folder = tempfile.mkdtemp(prefix="orderbell-test.")
        self.socket = os.path.join(self.folder, "socket")
        self.log = os.path.join(self.folder, "log")
        self.env = {**os.environ, **self.settings_of(stack), "ORDERBELL_THREADS": str(THREADS)}
        for key, value in settings.items():
            self.env["ORDERBELL_" + key.upper()] = str(value)
        self.argv = [stack.env["BIN_FCGI_ORDER"], *argv]
        self.process = None
        self.listener = listener

    def settings_of(self, stack):
        found = {"ORDERBELL_DATABASE": "host=127.0.0.1 user=fcgi_order "
                 f"port={stack.env['PGPORT']} dbname={stack.env['PGDATABASE']}",
                 "ORDERBELL_SANDBOX_PAYMENT": "yes"}
        for name in ("webhook", "jwt"):
            path = os.path.join(self.folder, name)
            with open(path, "w", encoding="ascii",
                      opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
                f.write(stack.env[name.upper() + "_SECRET"])
            found[f"ORDERBELL_{name.upper()}_SECRET_FILE"] = path
        return found

    def __enter__(self):
        argv = self.argv if self.listener else [*self.argv, "--socket", self.socket]
        starts = self.said().count(" started: ") if os.path.exists(self.log) else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                argv, env=self.env, stderr=log, stdout=log,
                stdin=self.listener or subprocess.DEVNULL)
        # It has said so only once it heeds signals.
        if not until(lambda: self.said().count(" started: ") > starts, 30):
            raise AssertionError(self.said())
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        subprocess.run(["rm", "-rf", self.folder], check=False)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def end(self, within_s=30):
        """Ends it in good order; gives its status and how long that took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=within_s)
        return status, time.monotonic() - started

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def connections(self):
        """How many it has taken and not closed."""
        with open("/proc/net/unix", encoding="utf-8") as f:
            lines = [line.split() for line in f if line.rstrip().endswith(self.socket)]
        return sum(1 for line in lines if line[3] == "00000000" and line[6] != "0")

    def ask(self, method, path, headers=(), body=b"", **more):
        return fastcgi.ask(self.socket, method, path, headers, body, **more)

    def run_cgi(self, method, path, headers=(), body=b"", content_length=True):
        """One request in the way of CGI: environment, standard input and output."""
        env = {**self.env,
               **fastcgi.cgi_variables(method, path, headers, body, content_length)}
        done = subprocess.run(self.argv, env=env, input=body, capture_output=True, check=False,
                              timeout=60)
        return done.returncode, fastcgi.Reply(done.stdout, True), done.stderr


class FastCgi(unittest.TestCase):
    """fcgi-order as a FastCGI and CGI program"""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)

    def program(self, **settings):
        program = Program(self.stack, **settings)
        program.__enter__()
        self.addCleanup(program.__exit__)
        return program

    def paid(self, order):
        """Method, path, headers and body of the callback that says so."""
        body = self.stack.webhook_body(order)
        headers = self.stack.sign_webhook(body, message_id=f"msg_{order.number}")
        return "POST", "/notify/webhook", headers, body

    def answers_in_time(self, program, within_s=ANSWER_S, status=204):
        request = self.paid(self.stack.place_order())
        started = time.monotonic()
        reply = program.ask(*request)
        self.assertEqual(reply.status, status, reply)
        self.assertLess(time.monotonic() - started, within_s)

    # --- sockets ---

    def test_its_socket_is_for_user_and_group_and_goes_with_it(self):
        program = self.program()
        self.assertEqual(stat.S_IMODE(os.stat(program.socket).st_mode), 0o660)
        self.answers_in_time(program)
        status, _ = program.end()
        self.assertEqual(status, 0, program.said())
        self.assertFalse(os.path.exists(program.socket))

    def test_the_socket_of_a_killed_one_is_taken_over(self):
        program = self.program()
        program.process.kill()
        program.process.wait()
        self.assertTrue(os.path.exists(program.socket))
        program.__enter__()
        self.answers_in_time(program)

    def test_a_second_one_does_not_take_the_socket_of_the_first(self):
        program = self.program()
        second = subprocess.run([*program.argv, "--socket", program.socket], env=program.env,
                                capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(second.returncode, 1)
        self.assertIn("another process listens there", second.stderr)
        self.answers_in_time(program)

    def test_it_serves_a_socket_that_it_inherits(self):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        program = self.program(listener=listener)
        order = self.stack.place_order()
        self.assertEqual(fastcgi.ask(listener.getsockname(), *self.paid(order)).status, 204)
        self.assertEqual(program.end()[0], 0, program.said())
        listener.close()

    def test_two_that_inherit_one_socket_share_the_work_and_end(self):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(200)
        programs = [self.program(listener=listener), self.program(listener=listener)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(
                lambda _: fastcgi.ask(listener.getsockname(), "GET", "/healthz"), range(200)))
        self.assertEqual([reply.status for reply in replies], [200] * 200)
        for program in programs:
            self.assertEqual(program.end()[0], 0, program.said())
        listener.close()

    # --- CGI ---

    def test_as_cgi_it_answers_one_request_and_ends(self):
        program = Program(self.stack)
        order = self.stack.place_order()
        status, reply, said = program.run_cgi(*self.paid(order))
        self.assertEqual((status, reply.status, reply.body), (0, 204, b""), said)
        status, reply, _ = program.run_cgi("GET", "/healthz")
        self.assertEqual((status, reply.status), (0, 200))
        status, reply, _ = program.run_cgi("HEAD", "/healthz")
        self.assertEqual((status, reply.status, reply.body), (0, 200, b""))
        body = b"x" * 70000
        self.assertEqual(program.run_cgi("POST", "/notify/webhook", (), body)[1].status, 413)
        self.assertEqual(
            program.run_cgi("POST", "/notify/webhook", (), b"{}", 50)[1].status, 400)

    def test_started_by_hand_it_says_what_it_misses(self):
        program = Program(self.stack)
        done = subprocess.run(program.argv, env=program.env, capture_output=True, text=True,
                              check=False, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--socket", done.stderr)

    # --- bodies ---

    def test_the_length_of_a_body_is_what_comes_not_what_is_said(self):
        program = self.program()
        order = self.stack.place_order()
        method, path, headers, body = self.paid(order)
        for said in (5, None, 0):
            with self.subTest(said=said):
                reply = program.ask(method, path, headers, b"x" * 70000, content_length=said)
                self.assertEqual(reply.status, 413, reply)
        self.assertEqual(
            program.ask(method, path, headers, body, content_length=len(body) + 1).status, 400)
        self.assertEqual(program.ask(method, path, headers, body, content_length=None).status, 204)

    def test_an_endless_body_is_refused_and_left(self):
        program = self.program(threads=1)
        with fastcgi.Connection(program.socket) as endless:
            endless.send(fastcgi.begin() + fastcgi.params(
                fastcgi.cgi_variables("POST", "/notify/webhook", content_length=None)))
            started = time.monotonic()
            chunk = fastcgi.record(fastcgi.STDIN, b"x" * 60000)
            try:
                while time.monotonic() - started < 30:
                    endless.send(chunk)
                self.fail("it reads for ever")
            except OSError:
                pass
        self.answers_in_time(program)

    # --- web servers that stall ---

    def test_silent_ones_hold_no_thread_for_good(self):
        program = self.program()
        begun = fastcgi.begin()
        halves = (b"", begun[:5], begun, begun + fastcgi.params({"REQUEST_METHOD": "POST"})[:12],
                  begun + fastcgi.params(fastcgi.cgi_variables(
                      "POST", "/notify/webhook", content_length=100)))
        held = []
        for half in halves:
            held.append(fastcgi.Connection(program.socket))
            held[-1].send(half)
        for _ in range(2):
            self.answers_in_time(program, within_s=25)
        for connection in held:
            connection.close()

    def test_kept_connections_that_are_idle_are_given_up(self):
        program = self.program()
        kept = [fastcgi.Connection(program.socket) for _ in range(THREADS)]
        for connection in kept:
            connection.send(fastcgi.begin(fastcgi.KEEP_CONNECTION) + fastcgi.params(
                fastcgi.cgi_variables("GET", "/healthz")) + fastcgi.stdin(b""))
            self.assertEqual(connection.reply().status, 200)
        # Another request on the same connection is as good as the first.
        kept[0].send(fastcgi.begin(fastcgi.KEEP_CONNECTION) + fastcgi.params(
            fastcgi.cgi_variables("GET", "/healthz")) + fastcgi.stdin(b""))
        self.assertEqual(kept[0].reply().status, 200)
        self.answers_in_time(program, within_s=25)
        for connection in kept:
            connection.close()

    def test_a_body_that_trickles_in_is_cut_off(self):
        program = self.program(threads=1)
        with fastcgi.Connection(program.socket) as slow:
            slow.send(fastcgi.begin() + fastcgi.params(
                fastcgi.cgi_variables("POST", "/notify/webhook", content_length=1000)))
            started = time.monotonic()
            try:
                while time.monotonic() - started < 60:
                    slow.send(fastcgi.record(fastcgi.STDIN, b"x"))
                    time.sleep(0.1)
                self.fail("it waits for ever")
            except OSError:
                pass
            self.assertLess(time.monotonic() - started, 30)
        self.answers_in_time(program)

    def test_nonsense_and_sudden_ends_harm_nobody_else(self):
        program = self.program()
        dice = random.Random(7)
        whole = fastcgi.begin() + fastcgi.params(
            fastcgi.cgi_variables("POST", "/notify/webhook")) + fastcgi.stdin(b"{}")
        for i in range(300):
            data = bytearray(whole[:dice.randrange(len(whole))])
            if i % 3 == 0 and len(data) > 8:
                data[dice.randrange(8)] = dice.randrange(256)
            with fastcgi.Connection(program.socket) as connection:
                connection.send(bytes(data))
        self.answers_in_time(program, within_s=25)
        self.assertIsNone(program.process.poll())

    # --- the end ---

    def test_what_runs_is_finished_at_the_end(self):
        statuses = []
        # A lock is not waited for so long that a busy machine could not take longer.
        while len(statuses) < 5 and statuses[-1:] in ([], [503]):
            statuses.append(self.told_to_end_while_it_waits())
        self.assertEqual(statuses[-1], 204, statuses)

    def told_to_end_while_it_waits(self):
        """The status of a request that waits for a lock when the program is told to end."""
        program = self.program()
        order = self.stack.place_order()
        env = {**os.environ, **{k: v for k, v in self.stack.env.items() if k.startswith("PG")}}
        with subprocess.Popen(["psql", "-X", "-q", "-A", "-t"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, env=env) as psql, \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            psql.stdin.write(f"begin; select id from orders where id = {order.id} for update;\n")
            psql.stdin.flush()
            psql.stdout.readline()
            reply = pool.submit(program.ask, *self.paid(order))
            waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
            self.assertTrue(until(lambda: self.stack.psql(waits) == "1" or reply.done(), 30))
            program.process.send_signal(signal.SIGTERM)
            self.assertTrue(until(lambda: program.threads() < THREADS + 1, 30))
            psql.stdin.write("commit;\n")
            psql.stdin.close()
            status = reply.result().status
        self.assertEqual(program.process.wait(timeout=30), 0, program.said())
        return status

    def test_idle_it_ends_at_once(self):
        program = self.program()
        self.answers_in_time(program)
        status, took_s = program.end()
        self.assertEqual(status, 0, program.said())
        self.assertLess(took_s, 8)  # what is stuck would be waited for

    def test_a_stalled_web_server_does_not_keep_it_from_ending(self):
        program = self.program()
        held = [fastcgi.Connection(program.socket) for _ in range(2 * THREADS)]
        for connection in held:
            connection.send(fastcgi.begin() + fastcgi.params(
                fastcgi.cgi_variables("POST", "/notify/webhook", content_length=100)))
        self.assertTrue(until(lambda: program.connections() == THREADS, 30))
        status, took_s = program.end()
        self.assertEqual(status, 0, program.said())
        self.assertLess(took_s, 25)
        for connection in held:
            connection.close()

    # --- the database ---

    def test_thirty_two_callbacks_at_once_ring_once(self):
        program = self.program(threads=16)
        order = self.stack.place_order()
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            replies = list(pool.map(lambda _: program.ask(*self.paid(order)), range(32)))
        self.assertEqual([reply.status for reply in replies], [204] * 32)
        self.assertEqual([o for _, _, o in self.stack.events()].count(order.id), 1)

    def test_a_lock_that_lasts_is_a_503_in_time(self):
        program = self.program()
        order = self.stack.place_order()
        env = {**os.environ, **{k: v for k, v in self.stack.env.items() if k.startswith("PG")}}
        with subprocess.Popen(["psql", "-X", "-q", "-A", "-t"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, env=env) as psql:
            psql.stdin.write(f"begin; select id from orders where id = {order.id} for update;\n")
            psql.stdin.flush()
            psql.stdout.readline()
            started = time.monotonic()
            reply = program.ask(*self.paid(order))
            self.assertEqual((reply.status, reply.ended), (503, True))
            self.assertLess(time.monotonic() - started, ANSWER_S)
            psql.stdin.close()
        self.assertEqual(program.ask(*self.paid(order)).status, 204)

    def test_a_database_that_hangs_is_a_503_in_time(self):
        program = self.program()
        self.answers_in_time(program)
        order = self.stack.place_order()
        frozen = [int(self.stack.env["PG_PID"])]
        os.kill(frozen[0], signal.SIGSTOP)  # it first: from here on it makes no more of them
        try:
            for pid in subprocess.run(["pgrep", "-P", self.stack.env["PG_PID"]], text=True,
                                      capture_output=True, check=True).stdout.split():
                frozen.append(int(pid))
                os.kill(frozen[-1], signal.SIGSTOP)
            for _ in range(THREADS + 1):
                started = time.monotonic()
                self.assertEqual(program.ask(*self.paid(order)).status, 503)
                self.assertLess(time.monotonic() - started, ANSWER_S)
            started = time.monotonic()
            self.assertEqual(program.ask("GET", "/healthz").status, 503)
            self.assertLess(time.monotonic() - started, ANSWER_S)
        finally:
            for pid in reversed(frozen):  # it last: it would take in those that had ended
                os.kill(pid, signal.SIGCONT)
        self.assertTrue(until(lambda: program.ask(*self.paid(order)).status == 204, 60))
        self.assertEqual([o for _, _, o in self.stack.events()].count(order.id), 1)

    def test_it_starts_without_a_database_and_answers_503(self):
        program = self.program(database="host=127.0.0.1 port=1")
        self.assertEqual(program.ask("GET", "/healthz").status, 503)
        self.answers_in_time(program, status=503)
        self.assertEqual(program.end()[0], 0, program.said())
        self.assertIn("no database", program.said())

    def test_a_dead_host_before_the_living_one_is_passed_over(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(50)
            ports = f"1,{silent.getsockname()[1]},{self.stack.env['PGPORT']}"
            program = self.program(
                database="host=127.0.0.1,127.0.0.1,127.0.0.1 user=fcgi_order "
                f"port={ports} dbname={self.stack.env['PGDATABASE']}")
            self.answers_in_time(program)
