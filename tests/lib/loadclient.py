"""loadclient - the programs of tests/bench for Python, and what a running process uses.

A Load is one running tests/bench/load: many terminals, whose reports are dicts.  The programs are
looked for where the package was built: BUILD_DIR, else build/ in the checkout, else the checkout.
"""

import json
import os
import resource
import signal
import subprocess
import time
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE_ADDRESSES = 8  # so that ephemeral ports suffice
TERMINAL_PATH = "/ws/till-{i}?merchant={m}"  # a terminal of its own each, over --merchants


class Failed(Exception):
    """A tool did not do what it was started for."""


def build_dir():
    chosen = os.environ.get("BUILD_DIR")
    if chosen:
        return os.path.abspath(chosen)
    build = os.path.join(TOP, "build")
    return build if os.path.exists(os.path.join(build, "Makefile")) else TOP


def tool(name):
    path = os.path.join(build_dir(), "tests", "bench", name)
    if not os.path.exists(path):
        raise Failed(f"{path} is missing: make bench-tools")
    return path


def arguments(options):
    """{"source_addresses": 8, "v1": True} as --source-addresses 8 --v1."""
    argv = []
    for name, value in options.items():
        if value is False or value is None:
            continue
        argv.append("--" + name.replace("_", "-"))
        if value is not True:
            argv.append(str(value))
    return argv


class Load:
    """One running load client; the options are those of the program."""

    def __init__(self, notifier_url, path=TERMINAL_PATH, **options):
        options.setdefault("source_addresses", SOURCE_ADDRESSES)
        url = notifier_url.replace("http", "ws", 1) + path
        argv = [tool("load"), "--url", url, *arguments(options)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def report(self, kind):
        """Waits for a report of that kind.  The program's own --seconds bounds it."""
        for line in self.process.stdout:
            found = json.loads(line)
            if found["kind"] == kind:
                return found
            if found["kind"] == "final":
                raise Failed(f"not {kind} in time: {line.strip()}")
        raise Failed(f"load ended with status {self.process.wait()}, not {kind}")

    def ready(self):
        """All are there that are to stay, and all cycles are done."""
        return self.report("ready")

    def final(self):
        """Waits until it has ended by itself."""
        with self:
            return self.report("final")

    def end(self):
        """Ends it, and gives its last report."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.final()


def run_load(notifier_url, **options):
    return Load(notifier_url, **options).final()


def database_of(env):
    """The PG* variables of a stack's env, for a program that is to reach its database."""
    return {**os.environ, **{name: env[name] for name in env if name.startswith("PG")}}


def start_publish(env, **options):
    return subprocess.Popen([tool("publish"), *arguments(options)], env=database_of(env),
                            stdout=subprocess.PIPE, text=True)


def publish(env, **options):
    """Makes events that say when they were made; gives the report when all are committed."""
    child = start_publish(env, **options)
    out = child.communicate()[0]
    if child.returncode != 0:
        raise Failed(f"publish ended with status {child.returncode}")
    return json.loads(out)


def sql(env, text):
    """Runs SQL as the stack's DBA; gives what it printed."""
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"], input=text,
                          env=database_of(env), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"psql: {done.stderr.strip()}")
    return done.stdout.strip()


def make_merchants(env, n):
    """Sees to it that there are merchants 1 to n."""
    sql(env, f"""insert into orderbell.merchant (name) select 'bench'
        from generate_series((select max(id) from orderbell.merchant) + 1, {n})""")


def ack_all(env):
    """Nothing is left to be shown to those who come: what they get is what is made from now on."""
    sql(env, "update orderbell.order_event set acked_at = now(), acked_by = 'bench' "
             "where acked_at is null")


# --- what a process uses ---

def metric(notifier_url, name):
    """One number of /metrics; None when there is none of that name."""
    with urllib.request.urlopen(notifier_url + "/metrics", timeout=10) as response:
        for line in response.read().decode().splitlines():
            if line.startswith(name + " "):
                return int(line.rpartition(" ")[2])
    return None


def wait_for_metric(notifier_url, name, is_right, wait_s=30):
    """Waits until the metric is right; gives its last value."""
    deadline = time.monotonic() + wait_s
    while True:
        value = metric(notifier_url, name)
        if is_right(value) or time.monotonic() > deadline:
            return value
        time.sleep(0.05)


def wait_until_empty(notifier_url):
    """No terminal is connected, and no request awaited, any more."""
    for name in ("orderbell_connections", "orderbell_gate_pending"):
        left = wait_for_metric(notifier_url, name, lambda n: n == 0)
        if left != 0:
            raise Failed(f"{name} stays at {left}")


def pss_bytes(pid, kind="Pss"):
    """Memory of a process, what it shares counted by its share.  kind: "Pss_Anon" for what it has
    written itself, without its program's and libraries' files."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith(kind + ":"):
                return int(line.split()[1]) * 1024
    raise Failed(f"no {kind} of {pid}")


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def file_limit():
    """How many descriptors a process may have here."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid):
    """What its threads have used, to the nanosecond where the kernel tells."""
    try:
        return sum(int(read_schedstat(pid, thread).split()[0])
                   for thread in os.listdir(f"/proc/{pid}/task")) / 1e9
    except (OSError, IndexError):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_schedstat(pid, thread):
    with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
        return f.read()


def settled(read, pause_s=0.25, wait_s=5):
    """Reads a figure until it has stopped moving."""
    deadline = time.monotonic() + wait_s
    last = read()
    while True:
        time.sleep(pause_s)
        now = read()
        if now == last or time.monotonic() > deadline:
            return now
        last = now
