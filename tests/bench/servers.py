"""servers - what terminals can connect to: the notifier, the floors, and public peers.

Each is used by `with`: it runs meanwhile, hears CHANNEL, and then has
  url      what a load client connects to
  options  what that client must know to speak with it
  pids     the processes whose CPU and memory are its own; what brings the events to it is not
A peer that is not installed says so by Absent, with the reason.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import loadclient as lc
import processes
from bench import CHANNEL, SECONDS

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
START_S = 20
NGINX_MODULES = "/usr/lib/nginx/modules"


class Absent(Exception):
    """Cannot be had here, and why."""


class Server:
    """What they have in common; a subclass starts itself in start()."""

    name = "?"
    options: dict = {}

    def __init__(self, bench):
        self.bench = bench
        self.url = None
        self.pids = []
        self.children = []
        self.folder = None

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="orderbell-peer.")
        os.chmod(self.folder, 0o755)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            child.terminate()
        for child in reversed(self.children):
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout:
                child.stdout.close()
        self.children = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        raise NotImplementedError

    def spawn(self, argv, **options):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            child = subprocess.Popen(argv, env=self.environment(), stdin=subprocess.DEVNULL,
                                     stderr=log, **options)
        self.children.append(child)
        return child

    def environment(self):
        node_path = os.environ.get("NODE_PATH") or \
            os.path.join(lc.build_dir(), "node", "node_modules")
        return {**lc.database_of(self.bench.env), "NODE_PATH": node_path}

    def spawn_told(self, argv):
        """Starts one that prints a line of JSON once it listens; gives it."""
        child = self.spawn(argv, stdout=subprocess.PIPE, text=True)
        line = child.stdout.readline()
        if not line:
            self.fail(argv[0])
        return child, json.loads(line)

    def wait_for_port(self, port, child):
        def answers():
            with socket.socket() as s:
                return child.poll() is not None or s.connect_ex(("127.0.0.1", port)) == 0
        if not processes.until(answers, START_S) or child.poll() is not None:
            self.fail(child.args[0])

    def fail(self, what):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            raise lc.Failed(f"{what} did not start: {f.read().strip()[-500:]}")

    def load(self, **options):
        return lc.Load(self.url, **{"seconds": SECONDS, **self.options, **options})

    def cpu_seconds(self):
        return sum(lc.cpu_seconds(pid) for pid in self.pids)

    def pss_bytes(self):
        return sum(lc.pss_bytes(pid) for pid in self.pids)


class Ours(Server):
    """The stack's notifier, spoken to in orderbell.v1."""

    name = "orderbell"
    options = {"v1": True}

    def start(self):
        self.url, self.pids = self.bench.url, [self.bench.pid]
        lc.ack_all(self.bench.env)  # nothing is to be replayed

    def __exit__(self, *_):
        super().__exit__()
        self.bench.empty()


class Floor(Server):
    """tests/bench/floor, one send() an event and connection."""

    name = "send floor"
    mode = "send"

    def start(self):
        child, told = self.spawn_told([lc.tool("floor"), "--mode", self.mode,
                                       "--channel", CHANNEL])
        self.url, self.pids = f"http://127.0.0.1:{told['port']}", [child.pid]


class BatchFloor(Floor):
    """The same, all that waits for a connection in one write."""

    name = "batch floor"
    mode = "batch"


class Node(Server):
    """Node's ws and pg, from npm."""

    name = "node ws"

    def start(self):
        child, told = self.spawn_told([*node(), os.path.join(PEERS, "ws.js"), CHANNEL])
        self.url, self.pids = f"http://127.0.0.1:{told['port']}", [child.pid]

    @classmethod
    def version(cls):
        return node_says("`ws ${require('ws/package.json').version}, "
                         "pg ${require('pg/package.json').version}, Node ${process.version}`")


class Bridged(Server):
    """A broker that must be brought the events by peers/bridge.js."""

    publishes = "?"

    def start(self):
        port = processes.free_port()
        child = self.start_broker(port)
        self.wait_for_port(port, child)
        self.url, self.pids = f"http://127.0.0.1:{port}", self.own_pids(child)
        self.spawn_told([*node(), os.path.join(PEERS, "bridge.js"), CHANNEL, self.publishes,
                         str(self.bridge_port(port))])

    def start_broker(self, port):
        raise NotImplementedError

    def own_pids(self, child):
        return [child.pid]

    def bridge_port(self, port):
        return port

    def write_config(self, **words):
        """The template beside the bridge, its @WORDS@ filled in."""
        with open(os.path.join(PEERS, self.template), encoding="utf-8") as f:
            text = f.read()
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        path = os.path.join(self.folder, self.template)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


class Nchan(Bridged):
    """nginx with nchan, one worker."""

    name = "nchan"
    template = "nchan.conf"
    publishes = "http"

    def start_broker(self, port):
        path = self.write_config(PORT=port, FOLDER=self.folder, MODULE=self.module(),
                                 FILES=lc.file_limit())
        child = self.spawn(["nginx", "-c", path, "-e", os.path.join(self.folder, "log")])
        return child

    def own_pids(self, child):
        # The master listens before there is a worker.
        def workers():
            with open(f"/proc/{child.pid}/task/{child.pid}/children", encoding="ascii") as f:
                return [int(pid) for pid in f.read().split()]
        return [child.pid, *processes.until(workers, START_S)]

    @staticmethod
    def module():
        path = os.path.join(NGINX_MODULES, "ngx_nchan_module.so")
        if not shutil.which("nginx") or not os.path.exists(path):
            raise Absent("libnginx-mod-nchan is not installed")
        return path

    @classmethod
    def version(cls):
        cls.module()
        nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False)
        return f"nchan {debian_version('libnginx-mod-nchan')}, " \
               f"nginx {nginx.stderr.strip().rpartition('/')[2]}"


class Mosquitto(Bridged):
    """mosquitto, MQTT over WebSocket."""

    name = "mosquitto"
    template = "mosquitto.conf"
    publishes = "mqtt"
    options = {"mqtt": "merchant/1"}

    def start_broker(self, port):
        self.mqtt_port = processes.free_port(but=[port])
        path = self.write_config(WS_PORT=port, MQTT_PORT=self.mqtt_port)
        return self.spawn([self.program(), "-c", path], stdout=subprocess.DEVNULL)

    def bridge_port(self, port):
        return self.mqtt_port

    @staticmethod
    def program():
        path = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not path:
            raise Absent("mosquitto is not installed")
        return path

    @classmethod
    def version(cls):
        cls.program()
        return f"mosquitto {debian_version('mosquitto')}"


PEER_KINDS = (Node, Nchan, Mosquitto)


def node():
    if not shutil.which("node"):
        raise Absent("node is not installed")
    return ["node"]


def node_says(expression):
    """What an expression is in the tests' own Node."""
    env = {**os.environ, "NODE_PATH": os.environ.get("NODE_PATH") or
           os.path.join(lc.build_dir(), "node", "node_modules")}
    done = subprocess.run([*node(), "-e", f"console.log({expression})"], env=env, check=False,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Absent("ws and pg are not installed: ./bootstrap deps")
    return done.stdout.strip()


def debian_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], check=False,
                          capture_output=True, text=True)
    return done.stdout.strip() or "?"


def versions():
    """A line of each peer: its version, or why it is not there."""
    for kind in PEER_KINDS:
        try:
            yield kind.name, kind.version()
        except Absent as reason:
            yield kind.name, f"SKIP: {reason}"
