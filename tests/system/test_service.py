"""What a service manager is told (sd_notify), and what it hands over."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import fastcgi
import processes
from clients import PythonTerminal
from manager import Managed
from processes import until
from settings import SettingsFile
from stack import TOP, Stack, request

WITHIN_S = 60
WATCHDOG_S = 6  # so it is fed every 1.5 s; a thread that has nothing to do turns once a second
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


def is_told_of(program):
    """False where it was built without libsystemd."""
    return "libsystemd" in subprocess.run(
        ["ldd", program], capture_output=True, text=True, check=True).stdout


class StillThread:
    """Holds one thread of another process: `with StillThread(pid, "listener")`."""

    def __init__(self, pid, name):
        self.tid = next(int(tid) for tid in os.listdir(f"/proc/{pid}/task")
                        if self.name_of(pid, tid) == name)
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                                     ctypes.c_void_p]

    @staticmethod
    def name_of(pid, tid):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as f:
            return f.read().strip()

    def ptrace(self, request):
        if self.libc.ptrace(request, self.tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def __enter__(self):
        self.ptrace(PTRACE_SEIZE)
        self.ptrace(PTRACE_INTERRUPT)
        os.waitpid(self.tid, 0x40000000)  # __WALL

    def __exit__(self, *_):
        self.ptrace(PTRACE_DETACH)


class Notifier(unittest.TestCase):
    """The notifier under a manager with a watchdog."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack().up()
        cls.addClassCleanup(cls.stack.down)
        program = cls.stack.env["BIN_NOTIFIER"]
        if not is_told_of(program):
            raise unittest.SkipTest("built without libsystemd")
        cls.folder = tempfile.mkdtemp(prefix="orderbell-service.")
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", cls.folder], check=False)
        os.chmod(cls.folder, 0o755)
        cls.program = program
        cls.settings = SettingsFile(cls.stack.notifier_pid)

    def setUp(self):
        self.port = processes.free_port()

    def start(self, port=None):
        port = port or self.port
        config = os.path.join(self.settings.folder, f"managed-{port}.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.writelines(f"{key} = {value}\n" for key, value in
                         {**self.settings.read(), "listen": f"127.0.0.1:{port}",
                          "drain_s": 2}.items())
        os.chmod(config, 0o644)
        user = processes.unprivileged_user()
        log = os.path.join(self.folder, f"{self.id()}-{port}.log")
        managed = Managed([self.program, "--config", config], self.folder, user=user,
                          watchdog_s=WATCHDOG_S, log=log)
        self.addCleanup(managed.end)
        self.assertTrue(managed.wait_for("READY", WITHIN_S), "ready")
        return managed

    def log_of(self, managed):
        with open(managed.log, encoding="utf-8") as f:
            return f.read()

    def fed(self, managed, for_s):
        """How often the watchdog is fed in so many seconds."""
        n, deadline = 0, time.monotonic() + for_s
        while time.monotonic() < deadline:
            said = managed.hear(deadline - time.monotonic())
            n += bool(said and "WATCHDOG" in said)
        return n

    def test_who_says_ready_takes_terminals(self):
        managed = self.start()
        with PythonTerminal(f"ws://127.0.0.1:{self.port}/ws/till-1") as terminal:
            terminal.wait_until_live(self.stack)
            order = self.stack.place_order()
            self.stack.pay_by_sql(order)
            terminal.event_of(order.id)
            self.assertTrue(managed.wait_for("STATUS", value="listening; 1 terminals of 1"),
                            managed.said)

    def test_the_watchdog_is_fed_in_a_quarter_of_its_time(self):
        managed = self.start()
        self.assertIn(self.fed(managed, 7), (2, 3, 4, 5))
        self.assertNotIn("stands still", self.log_of(managed))

    def test_a_thread_that_stands_still_starves_the_watchdog(self):
        names = ("listener", "carrier", "gate", "ledger")
        ports = []
        for _ in names:
            ports.append(processes.free_port(but=ports))
        with ThreadPoolExecutor(len(names)) as pool:  # each in a notifier of its own
            starved = [pool.submit(self.starve, self.start(port), name)
                       for name, port in zip(names, ports)]
        for name, result in zip(names, starved):
            with self.subTest(thread=name):
                result.result()

    def starve(self, managed, name):
        self.assertTrue(managed.wait_for("WATCHDOG"))
        with StillThread(managed.child.pid, name):
            # A beat from before may count once more.
            self.assertIn(0, (self.fed(managed, 4) for _ in range(3)))
        self.assertTrue(managed.wait_for("WATCHDOG"), "fed again")
        said = f"the watchdog is not fed: thread={name}"
        self.assertIn(said, self.log_of(managed))

    def test_a_database_that_is_gone_is_no_reason_to_bite(self):
        managed = self.start()
        self.stack.kill_postgres()
        self.addCleanup(self.stack.restart, "postgres")
        self.assertTrue(managed.wait_for("STATUS", 60, "waiting for the database"))
        self.assertGreaterEqual(self.fed(managed, 7), 2)

    def test_a_reload_is_told_from_its_beginning_to_its_end(self):
        managed = self.start()
        managed.child.send_signal(signal.SIGHUP)
        self.assertTrue(managed.wait_for("RELOADING"))
        self.assertTrue(managed.wait_for("READY"))

    def test_a_drain_asks_for_its_time_and_is_fed(self):
        managed = self.start()
        with PythonTerminal(f"ws://127.0.0.1:{self.port}/ws/till-1") as terminal:
            terminal.wait_open()
            managed.child.send_signal(signal.SIGTERM)
            said = managed.wait_for("STOPPING")
            self.assertIsNotNone(said)
            self.assertEqual(int(said["EXTEND_TIMEOUT_USEC"]), (2 + 6 + 10) * 1000000)
            self.assertTrue(managed.wait_for("WATCHDOG", 5))
        self.assertEqual(managed.end(), 0)


class FcgiOrder(unittest.TestCase):
    """fcgi-order with the socket that a manager made."""

    def test_it_serves_the_inherited_socket_and_leaves_it_when_it_ends(self):
        with Stack(host="nginx") as stack, tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            pid = int(stack.env["FCGI_PIDS"].split()[0])
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                argv = f.read().split("\0")[:-1]
            argv = argv[:argv.index("--socket")]
            path = os.path.join(folder, "fcgi.sock")
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(path)
            listener.listen(16)
            self.addCleanup(listener.close)
            for _ in range(2):  # the second one inherits what the first one had
                with Managed(argv, folder, listener, user=processes.unprivileged_user()) as one:
                    if is_told_of(stack.env["BIN_FCGI_ORDER"]):
                        self.assertTrue(one.wait_for("READY"))
                    self.assertEqual(fastcgi.ask(path, "GET", "/healthz").status, 200)
                    one.child.send_signal(signal.SIGTERM)
                    self.assertEqual(one.end(), 0)
                    self.assertTrue(os.path.exists(path))


class Units(unittest.TestCase):
    """The unit files themselves."""

    def built(self, name):
        for folder in (os.environ.get("BUILD_DIR", os.path.join(TOP, "build")), TOP):
            path = os.path.join(folder, "examples", "systemd", name)
            if os.path.exists(path):
                return path
        self.skipTest(f"examples/systemd/{name} was not built")

    def test_systemd_finds_little_to_object_to(self):
        for name in ("fcgi-order.service", "orderbell-notifier.service"):
            with self.subTest(unit=name):
                done = subprocess.run(
                    ["systemd-analyze", "security", "--offline=true", "--threshold=20",
                     self.built(name)], capture_output=True, text=True, check=False)
                if "unrecognized option" in done.stderr or "No such file" in done.stderr:
                    self.skipTest("this systemd-analyze cannot")
                self.assertEqual(done.returncode, 0, done.stdout[-300:] + done.stderr)

    def allowed(self, unit):
        """The names of the system calls that a unit's filter lets through."""
        with open(self.built(unit), encoding="utf-8") as f:
            lines = re.findall(r"^SystemCallFilter=(.*)$", f.read(), re.M)
        names = set()
        for line in lines:
            change = names.difference_update if line.startswith("~") else names.update
            for word in line.lstrip("~").split():
                change(self.members(word))
        self.assertIn("epoll_wait", names)
        return names

    def members(self, word):
        if not word.startswith("@"):
            return {word}
        lines = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True,
                               text=True, check=True).stdout.splitlines()[1:]
        words = [line.strip() for line in lines if not line.strip().startswith("#")]
        return set().union(*(self.members(word) for word in words if word))

    def test_the_notifier_makes_no_call_that_its_unit_forbids(self):
        allowed = self.allowed("orderbell-notifier.service")
        # Raising a limit may fail: the unit has set it.
        made = self.calls_of_a_notifier() - {"prlimit64", "execve"}
        self.assertIn("epoll_wait", made)
        self.assertEqual(made - allowed, set())

    def calls_of_a_notifier(self):
        with Stack() as stack, tempfile.TemporaryDirectory() as folder:
            port = processes.free_port()
            settings = SettingsFile(stack.notifier_pid).read()
            config = os.path.join(folder, "conf")
            with open(config, "w", encoding="utf-8") as f:
                f.writelines(f"{key} = {value}\n" for key, value in
                             {**settings, "listen": f"127.0.0.1:{port}", "drain_s": 1}.items())
            calls = os.path.join(folder, "calls")
            argv = ["strace", "-f", "-qq", "-o", calls, stack.env["BIN_NOTIFIER"],
                    "--config", config]
            with Managed(argv, folder, watchdog_s=WATCHDOG_S) as managed:
                self.assertTrue(until(lambda: self.answers(port), WITHIN_S))
                with PythonTerminal(f"ws://127.0.0.1:{port}/ws/till-1") as terminal:
                    terminal.wait_until_live(stack)
                    order = stack.place_order()
                    stack.pay_by_sql(order)
                    terminal.event_of(order.id)
                    request(f"http://127.0.0.1:{port}/console/")
                    request(f"http://127.0.0.1:{port}/metrics")
                    request(f"http://127.0.0.1:{port}/poll/till-2")
                (tracee,) = subprocess.run(["pgrep", "-P", str(managed.child.pid)],
                                           capture_output=True, text=True,
                                           check=True).stdout.split()
                for sig in (signal.SIGHUP, signal.SIGTERM):
                    os.kill(int(tracee), sig)
                managed.child.wait(WITHIN_S)
            with open(calls, encoding="utf-8") as f:
                return set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", f.read(), re.M))

    @staticmethod
    def answers(port):
        try:
            return request(f"http://127.0.0.1:{port}/readyz").status == 200
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main()
