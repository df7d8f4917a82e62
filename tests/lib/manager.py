"""manager - a stand-in for systemd: what a unit's program is given, and what it says.

It reads a unit file, starts ExecStart with NOTIFY_SOCKET, WATCHDOG_USEC and the socket of a .socket
unit as descriptor 0, and keeps what it is told.
"""

import configparser
import os
import signal
import socket
import subprocess
import time


class Unit:
    """A unit file: get("Service", "ExecStart").  Keys that stand twice: their last value."""

    def __init__(self, path):
        self.sections = configparser.ConfigParser(
            strict=False, interpolation=None, comment_prefixes=("#",), delimiters=("=",))
        self.sections.optionxform = str
        with open(path, encoding="utf-8") as f:
            self.sections.read_file(f)

    def get(self, section, key, default=None):
        return self.sections.get(section, key, fallback=default)


class Managed:
    """One program that is run as systemd would.  It ends with the `with` block.
    listener: what it finds as descriptor 0.  user: (uid, gid).  notify_path_inside: a root that the
    program will change to."""

    def __init__(self, argv, folder, listener=None, watchdog_s=None, user=None, log=None,
                 notify_path_inside=""):
        self.path = os.path.join(folder, f"notify-{os.path.basename(argv[0])}-{time.time_ns()}")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.said = []
        env = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8",
               "NOTIFY_SOCKET": self.path.removeprefix(notify_path_inside)}
        if watchdog_s is not None:
            env["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        drop = {}
        if user is not None:
            drop = {"user": user[0], "group": user[1], "extra_groups": []}
        self.log = log or os.path.join(folder, os.path.basename(argv[0]) + ".log")
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                argv, stdin=listener or subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                cwd="/", start_new_session=True, umask=0o077, **drop)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def hear(self, wait_s):
        """The next thing said, as a dict, or None."""
        self.socket.settimeout(max(wait_s, 0.001))
        try:
            words = self.socket.recv(4096).decode().splitlines()
        except (TimeoutError, OSError):
            return None
        said = dict(word.split("=", 1) for word in words)
        self.said.append(said)
        return said

    def wait_for(self, key, within_s=30, value=None):
        """Waits until it says that; None when it does not in time."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            said = self.hear(deadline - time.monotonic())
            if said and key in said and (value is None or value in said[key]):
                return said
        return None

    def end(self, sig=signal.SIGTERM, within_s=30):
        """Ends it; gives its exit status."""
        if self.child.poll() is None:
            self.child.send_signal(sig)
            try:
                self.child.wait(within_s)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.socket.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
        return self.child.returncode


def listen_at(path, unit, owner):
    """The socket of a .socket unit, as systemd makes it; owner: (uid, gid)."""
    os.makedirs(os.path.dirname(path), mode=int(unit.get("Socket", "DirectoryMode"), 8),
                exist_ok=True)
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, int(unit.get("Socket", "SocketMode"), 8))
    os.chown(path, *owner)
    listener.listen(int(unit.get("Socket", "Backlog")))
    return listener
