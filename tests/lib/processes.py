"""processes - start, find and end the processes of one test stack.

A process is known by its pid and its start time, so a number that was given to somebody else
meanwhile is never signalled.  Each is started as the leader of its own session: what it starts
in turn is found by that session.
"""

import os
import pwd
import random
import signal
import socket
import subprocess
import time

# Below the range the kernel takes client ports from, so that no outgoing connection is met.
PORTS = range(12000, 32000)
CLAIM = 250  # so many ports are claimed at a time
CLAIMED = "ORDERBELL_TEST_PORTS"  # in the environment: the first of those claimed
claims = []


def unprivileged_user():
    """Who runs the servers: (uid, gid) when we are root (PostgreSQL refuses root), else None."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def spawn(argv, log, cwd, env, user):
    """Starts argv in a session of its own, output appended to the file `log`.  Gives a Popen."""
    drop = {}
    if user is not None:
        drop = {"user": user[0], "group": user[1], "extra_groups": []}
    with open(log, "ab") as out:
        if user is not None:
            os.fchown(out.fileno(), *user)  # a server may open it by its name as well
        return subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                stderr=out, start_new_session=True, umask=0o027, **drop)


def stat_of(pid):
    """(state, session, start time) of a process, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[3]), int(fields[19])


def identify(pid):
    """What is written down about a process: [pid, start time]."""
    stat = stat_of(pid)
    return [pid, stat[2] if stat else 0]


def is_alive(ident):
    stat = stat_of(ident[0])
    return stat is not None and stat[0] not in "ZX" and stat[2] == ident[1]


def session_members(ident):
    """Living processes in the session that `ident` leads or led, the leader first."""
    leader, start = ident
    stat = stat_of(leader)
    if stat is not None and stat[2] != start:
        return []  # the number belongs to somebody else now
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = stat_of(int(name))
            if stat and stat[0] not in "ZX" and stat[1] == leader and stat[2] >= start:
                found.append(int(name))
    return sorted(found, key=lambda pid: (pid != leader, pid))


def running_program(ident, program):
    """Members of the session that run the file `program`."""
    return [pid for pid in session_members(ident) if exe_of(pid) == os.path.realpath(program)]


def exe_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return None


def is_sanitized(pid):
    """True when its memory is that of a sanitizer as well."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        return any("libasan" in line or "libtsan" in line for line in f)


def send(pid, sig):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def stop(ident, sig=signal.SIGTERM, wait_s=10):
    """Ends a session: `sig` to its leader, and after `wait_s` SIGKILL to all that is left."""
    if is_alive(ident):
        send(ident[0], sig)
        until(lambda: not is_alive(ident), wait_s)
    for last in (signal.SIGTERM, signal.SIGKILL):
        for pid in session_members(ident):
            send(pid, last)
        if until(lambda: not session_members(ident), 3):
            return


def until(condition, wait_s):
    """Waits until condition() is true; gives its last value."""
    deadline = time.monotonic() + wait_s
    pause = 0.005
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def can_bind(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def claim(what, first):
    """A socket whose name says whose the port is, or those from it on; None: somebody else's.  The
    kernel forgets it with the process."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0orderbell-test-{what}-{first}")
    except OSError:
        name.close()
        return None
    return name


def claim_ports():
    """free_port() gives, in this process and in those it starts, ports that it gives to nobody else
    as long as this process lives: a server that is down for a moment finds its own free again."""
    if CLAIMED in os.environ:
        return
    blocks = PORTS[::CLAIM]
    for first in random.sample(blocks, len(blocks)):
        claimed = claim("ports", first)
        if claimed is not None:
            claims.append(claimed)
            os.environ[CLAIMED] = str(first)
            return


def is_claimed(port):
    name = claim("ports", port - (port - PORTS.start) % CLAIM)
    if name is not None:
        name.close()
    return name is None


def keep_port(port):
    """Nobody is given that port until what this gives is closed, or this process ends.  None: it is
    somebody else's."""
    return claim("port", port)


def free_port(but=()):
    """A loopback port nobody has now, nor is given by this function as long as this process lives.
    Where none were claimed somebody else may take it before we do: be ready to try again."""
    first = int(os.environ.get(CLAIMED, 0))
    ports = range(first, first + CLAIM) if first else PORTS
    for _ in range(1000):
        port = random.choice(ports)
        if port in but or not can_bind(port) or (not first and is_claimed(port)):
            continue
        kept = keep_port(port)
        if kept is not None:
            claims.append(kept)
            return port
    raise RuntimeError("no free port found")


def listens(ident, port):
    """True when a process of the session of `ident` itself listens on that port: an answer there
    could come from somebody else's program."""
    inodes = set()
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in list(f)[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    return bool(inodes) and any(
        open_file in inodes for pid in session_members(ident) for open_file in open_files(pid))


def open_files(pid):
    found = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    except OSError:
        pass  # it ended, or it is not ours
    return found
