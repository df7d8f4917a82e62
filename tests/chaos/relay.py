"""relay - a stretch of network that can break: a TCP relay, for faults that need no privileges.

Silent, it takes connections and bytes and passes nothing on, as a half-open connection or a router
without memory does: the kernel at either end believes all is well.  Each way can be silent alone.
"""

import asyncio
import socket
import struct

UP, DOWN = "up", "down"  # to the server, from the server


class End(asyncio.Protocol):
    """One socket of a link."""

    def __init__(self, relay, way):
        self.relay = relay
        self.way = way  # of what is read here
        self.peer = None
        self.transport = None
        self.is_full = False  # the peer takes no more for now
        self.early = []  # read before there was a peer

    def connection_made(self, transport):
        self.transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.relay.ends.add(self)
        if self.way == UP:
            self.relay.spawn(self.connect())
        self.settle()

    async def connect(self):
        """The other half of the link."""
        await self.relay.may_connect.wait()
        try:
            _, peer = await asyncio.get_running_loop().create_connection(
                lambda: End(self.relay, DOWN), *self.relay.target())
        except OSError:
            self.reset()
            return
        self.peer, peer.peer = peer, self
        if self.transport.is_closing():
            peer.reset()
        for data in self.early:
            peer.transport.write(data)
        self.early.clear()
        self.settle()
        peer.settle()

    def settle(self):
        """Reads, or does not, as things are now."""
        if self.transport.is_closing():
            return
        if self.way in self.relay.silent or self.is_full:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def data_received(self, data):
        if self.peer is None:
            self.early.append(data)
        else:
            self.peer.transport.write(data)

    def pause_writing(self):
        if self.peer is not None:
            self.peer.is_full = True
            self.peer.settle()

    def resume_writing(self):
        if self.peer is not None:
            self.peer.is_full = False
            self.peer.settle()

    def eof_received(self):
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.close()
        return False

    def connection_lost(self, exc):
        self.relay.ends.discard(self)
        if self.peer is not None and not self.peer.transport.is_closing():
            if exc is not None:
                self.peer.reset()
            else:
                self.peer.transport.close()

    def reset(self):
        """Ends it with an RST."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Relay:
    """Listens on a port of 127.0.0.1 and passes on to target() (host, port)."""

    def __init__(self, name, target):
        self.name = name
        self.target = target
        self.ends = set()
        self.silent = frozenset()
        self.may_connect = asyncio.Event()
        self.may_connect.set()
        self.server = None
        self.port = None
        self.tasks = set()

    async def start(self):
        self.server = await asyncio.get_running_loop().create_server(
            lambda: End(self, UP), "127.0.0.1", self.port or 0)
        self.port = self.server.sockets[0].getsockname()[1]

    def spawn(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def silence(self, *ways):
        """From now on nothing passes these ways; without any: all passes again."""
        self.silent = frozenset(ways)
        if ways:
            self.may_connect.clear()
        else:
            self.may_connect.set()
        for end in self.ends:
            end.settle()

    def reset(self):
        """Every connection ends, both ends are told."""
        for end in list(self.ends):
            end.reset()

    async def refuse(self):
        """Nobody listens here, until accept()."""
        self.server.close()
        self.server = None

    async def accept(self):
        if self.server is None:
            await self.start()

    async def stop(self):
        if self.server is not None:
            self.server.close()
        self.silence()
        self.reset()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
