"""meddler - a proxy between a browser and the web server, as a hostile network has one.

  with Meddler(stack.web_url) as meddler:
      meddler.blocks = {"ws", "events"}     by the first part of the path
      meddler.cut()                         nothing goes through, nobody is told
      meddler.drop()                        all connections end
"""

import asyncio
import urllib.parse

from clients import WITHIN_S, Loop

HEAD_MAX = 65536


class Meddler:
    """url: what takes the place of the web server's."""

    def __init__(self, url):
        self.to = urllib.parse.urlsplit(url)
        self.blocks = set()
        self.flows = None
        self.server = None
        self.tasks = set()

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, Loop.get()).result(WITHIN_S)

    def __enter__(self):
        self.do(self.start())
        return self

    def __exit__(self, *_):
        self.do(self.stop())

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def start(self):
        self.flows = asyncio.Event()
        self.flows.set()
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=HEAD_MAX)

    async def stop(self):
        self.server.close()
        for task in self.tasks:
            task.cancel()

    def cut(self):
        Loop.get().call_soon_threadsafe(self.flows.clear)

    def mend(self):
        Loop.get().call_soon_threadsafe(self.flows.set)

    def drop(self):
        for task in list(self.tasks):
            Loop.get().call_soon_threadsafe(task.cancel)

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            await self.flows.wait()
            head = await reader.readuntil(b"\r\n\r\n")
            if head.split(b" ")[1].split(b"/")[1].decode() in self.blocks:
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                return
            from_server, to_server = await asyncio.open_connection(self.to.hostname, self.to.port)
            try:
                to_server.write(self.with_one_request(head))
                await asyncio.gather(self.copy(reader, to_server), self.copy(from_server, writer))
            finally:
                to_server.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            self.tasks.discard(asyncio.current_task())

    @staticmethod
    def with_one_request(head):
        """The first head of a connection is the one that is looked at: there is to be no other."""
        return head.replace(b"Connection: keep-alive\r\n", b"Connection: close\r\n")

    async def copy(self, reader, writer):
        while data := await reader.read(65536):
            await self.flows.wait()
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
