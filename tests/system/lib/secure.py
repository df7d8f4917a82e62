"""secure - terminals that come over TLS, by HTTP/1.1 or HTTP/2, to sit idle and to hear."""

import asyncio
import http.client
import json
import queue
import socket
import ssl
import threading
import urllib.parse

import http2
import websockets
from clients import Loop
from streams import parse_events

WITHIN_S = 30


class Socket1:
    """orderbell.v1 over HTTP/1.1."""

    def __init__(self, stack, sid):
        self.messages = queue.Queue()
        self.why_ended = None
        context = ssl.create_default_context(cafile=stack.env["WEB_CA"])
        self.task = asyncio.run_coroutine_threadsafe(
            self.run(stack.ws_url(sid), context), Loop.get())

    async def run(self, url, context):
        try:
            async with websockets.connect(url, ssl=context, subprotocols=["orderbell.v1"],
                                          ping_interval=None) as ws:
                await ws.send(json.dumps({"hello": 1}))
                async for message in ws:
                    self.messages.put(json.loads(message))
            self.why_ended = f"closed: {ws.close_code}"
        except (OSError, websockets.WebSocketException) as error:
            self.why_ended = repr(error)
        self.messages.put(None)

    def next(self, within_s):
        message = self.messages.get(timeout=within_s)
        if message is None:
            raise ConnectionError(self.why_ended)
        return message

    def close(self):
        self.task.cancel()


class Socket2:
    """The same over HTTP/2; OSError where the server does not do it."""

    def __init__(self, stack, sid):
        self.connection = http2.Connection(stack.web_url, stack.env["WEB_CA"])
        if not self.connection.takes_websockets():
            self.connection.close()
            raise OSError("this server takes no WebSockets over HTTP/2")
        self.socket = http2.WebSocket(self.connection, f"/ws/{sid}")
        if self.socket.status != 200:
            raise ConnectionError(f"status {self.socket.status}")
        self.socket.send({"hello": 1})

    def next(self, within_s):
        return self.socket.next(within_s)

    def close(self):
        self.connection.close()


class Stream1:
    """Server-Sent Events over HTTP/1.1."""

    def __init__(self, stack, sid):
        self.messages = queue.Queue()
        parts = urllib.parse.urlsplit(stack.web_url)
        self.connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=600,
            context=ssl.create_default_context(cafile=stack.env["WEB_CA"]))
        self.connection.request("GET", f"/events/{sid}")
        self.socket = self.connection.sock  # the connection itself forgets it
        self.response = self.connection.getresponse()
        threading.Thread(target=self.run, args=(self.response,), daemon=True).start()

    def run(self, lines):
        try:
            for event in parse_events(lines):
                if event is not None and event[0] != "retry":
                    self.messages.put(json.loads(event[2]))
        except (OSError, ValueError, AttributeError):
            pass
        self.messages.put(None)

    def next(self, within_s):
        message = self.messages.get(timeout=within_s)
        if message is None:
            raise ConnectionError("the stream ended")
        return message

    def close(self):
        if self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)  # who reads need not wait for a heartbeat
            except OSError:
                pass
        self.connection.close()


class Stream2(Stream1):
    """The same over HTTP/2."""

    def __init__(self, stack, sid):
        self.messages = queue.Queue()
        self.socket = None  # the connection ends it
        self.connection = http2.Connection(stack.web_url, stack.env["WEB_CA"])
        self.stream = self.connection.get(f"/events/{sid}")
        status, headers = self.stream.status()
        if (status, headers["content-type"]) != (200, "text/event-stream"):
            raise ConnectionError(f"{status} {headers}")
        threading.Thread(target=self.run, args=(self.lines(),), daemon=True).start()

    def lines(self):
        data = b""
        while piece := self.stream.read(None):
            data += piece
            *whole, data = data.split(b"\n")
            yield from (line + b"\n" for line in whole)


KINDS = {"WebSocket over HTTP/1.1": Socket1, "WebSocket over HTTP/2": Socket2,
         "stream over HTTP/1.1": Stream1, "stream over HTTP/2": Stream2}


def until(terminal, matches, within_s=WITHIN_S):
    """The first message of a terminal that matches."""
    while True:
        message = terminal.next(within_s)
        if matches(message):
            return message
