#!/usr/bin/python3
"""netns - a network of its own for a program, in which a client may have any address.

  unshare --net python3 netns.py ADDRESS... -- PROGRAM...     gives the loopback these addresses, and
                                                             becomes the program

As a module: `with Inside(pid):` makes the sockets of this thread in the network of that process.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
IFF_UP = 1


def why_not():
    """Why there can be no network of our own here; None when there can."""
    if os.geteuid() != 0:
        return "needs root, for a network of its own"
    if os.system("unshare --net true 2>/dev/null") != 0:
        return "unshare --net does not work here"
    return None


class Inside:
    """While it lasts, sockets that this thread makes are in the network of that process."""

    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, pid):
        self.pid = pid
        self.own = None

    def enter(self, fd):
        if self.libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        # Of this thread: that of the process is its first thread's.
        self.own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        with open(f"/proc/{self.pid}/ns/net", "rb") as f:
            self.enter(f.fileno())

    def __exit__(self, *_):
        self.enter(self.own)
        os.close(self.own)


def set_address(name, address):
    """Gives an interface, or an alias of it ("lo:1"), an address, and brings it up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.255")):
            fcntl.ioctl(s, request, struct.pack("16sHH4s8x", name.encode(), socket.AF_INET, 0,
                                                socket.inet_aton(value)))
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", name.encode(), IFF_UP))


def main():
    dashes = sys.argv.index("--")
    for i, address in enumerate(["127.0.0.1", *sys.argv[1:dashes]]):
        set_address(f"lo:{i}" if i else "lo", address)
    program = sys.argv[dashes + 1:]
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
