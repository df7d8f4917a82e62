"""net - packets that are lost: nftables rules in a network namespace of the run's own.

tests/chaos/run puts itself, and so all that it starts, into a namespace with nothing but a loopback
interface: nobody else's packets are met, and the namespace goes with the last process in it.  Where
that cannot be done (it needs root, unshare, ip and nft) why_not() says why.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import sys

INSIDE = "ORDERBELL_CHAOS_NAMESPACE"
PROGRAMS = ("unshare", "ip", "nft")


def why_not():
    """Why packets cannot be dropped here; None when they can."""
    if os.environ.get(INSIDE) == "yes":
        return None
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{missing[0]} is not installed"
    # The chain of a rule, as it is used later: not every kernel has all of it.
    done = subprocess.run(["unshare", "-n", "nft", "-f", "-"], capture_output=True, text=True,
                          check=False, input="add table inet t\nadd chain inet t c "
                          "{ type filter hook input priority 0; }\n"
                          "add rule inet t c tcp dport 9 reject with tcp reset\n")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["unshare -n nft failed"]
        return f"this kernel has no such rules: {lines[0]}"
    return None


def enter():
    """Starts the program anew inside a namespace of its own; comes back where it is inside."""
    if os.environ.get(INSIDE) == "yes":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    os.environ[INSIDE] = "yes"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


async def run(*argv, text=""):
    child = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    _, errors = await child.communicate(text.encode())
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {errors.decode().strip()}\n{text}")


class Net:
    """The namespace, seen from inside."""

    names = itertools.count(1)

    @contextlib.asynccontextmanager
    async def rules(self, *rules):
        """While it lasts, nftables' rules hold for all that arrives."""
        chain = f"inet chaos fault{next(self.names)}"
        await run("nft", "-f", "-", text="".join(
            [f"add table inet chaos\nadd chain {chain} {{ type filter hook input priority 0; }}\n",
             *(f"add rule {chain} {rule}\n" for rule in rules)]))
        try:
            yield
        finally:
            await run("nft", "-f", "-", text=f"flush chain {chain}\ndelete chain {chain}\n")

    @contextlib.asynccontextmanager
    async def link_down(self):
        """While it lasts, nothing arrives and nothing can be sent."""
        await run("ip", "link", "set", "lo", "down")
        try:
            yield
        finally:
            await run("ip", "link", "set", "lo", "up")
