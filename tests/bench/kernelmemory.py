"""kernelmemory - what connections cost in the kernel, beside what the process itself holds.

Two ways, and each figure says which: a memory cgroup of its own, to which the kernel charges what
the process makes it keep (files, epoll entries, inodes; it needs root and a writable hierarchy);
else the growth of all slabs.  Over loopback a connection has two ends, of which the client's own
cost as much as the server's: of the slabs, half is counted.  They also hold what the kernel
charges to nobody, such as the TCP socket itself, which it makes before anyone has accepted it.
"""

import os
import tempfile

HIERARCHIES = (  # where groups are made, and what in them says how much the kernel has charged
    ("/sys/fs/cgroup/memory", "memory.kmem.usage_in_bytes"),
    ("/sys/fs/cgroup", "memory.stat"),
)
KEPT = ("kernel", "sock")  # of cgroup 2's memory.stat


def slab_bytes():
    """What all slab objects in use hold; 0 where one may not know."""
    try:
        with open("/proc/slabinfo", encoding="ascii") as f:
            rows = [line.split() for line in list(f)[2:]]
    except OSError:
        return 0
    return sum(int(row[1]) * int(row[3]) for row in rows)


class Charged:
    """By `with`: meanwhile the process is in a group of its own, where that can be had."""

    def __init__(self, pid):
        self.pid = pid
        self.group = self.old_group = self.figure = None

    def __enter__(self):
        for parent, figure in HIERARCHIES:
            if self.enter_group(parent, figure):
                break
        return self

    def enter_group(self, parent, figure):
        if not os.path.exists(os.path.join(parent, "cgroup.procs")):
            return False
        group = None
        try:
            group = tempfile.mkdtemp(prefix="orderbell-bench.", dir=parent)
            if not os.path.exists(os.path.join(group, figure)):
                raise OSError("no memory is counted there")
            self.old_group = self.group_of(parent)
            move(self.pid, group)
        except OSError:
            if group:
                os.rmdir(group)
            return False
        self.group, self.figure = group, figure
        return True

    def __exit__(self, *_):
        if not self.group:
            return
        try:
            move(self.pid, self.old_group)
        except OSError:
            pass  # it has ended
        try:
            os.rmdir(self.group)
        except OSError:
            pass  # what was charged to it is still being given back

    def group_of(self, parent):
        controller = "memory" if parent.endswith("memory") else ""
        with open(f"/proc/{self.pid}/cgroup", encoding="ascii") as f:
            for line in f:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                if controller == controllers:
                    return os.path.join(parent, path.lstrip("/"))
        return parent

    def way(self):
        return "charged to its cgroup" if self.group else "half of all slabs"

    def bytes(self):
        if not self.group:
            return slab_bytes() // 2
        with open(os.path.join(self.group, self.figure), encoding="ascii") as f:
            text = f.read()
        if self.figure != "memory.stat":
            return int(text)
        rows = dict(line.split() for line in text.splitlines())
        return sum(int(rows.get(name, 0)) for name in KEPT)


def move(pid, group):
    with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as f:
        f.write(str(pid))
