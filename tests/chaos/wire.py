"""wire - HTTP/1.1 and WebSocket from the client's side, for asyncio.

Strict: what a server may not send is Broken, and never guessed at.  A Connection may be told not to
read for a while, as a browser does whose page hangs.
"""

import asyncio
import base64
import hashlib
import os
import socket
import struct

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD_MAX = 16384
BODY_MAX = 4 << 20
FRAME_MAX = 1 << 20
READ_BYTES = 65536
CONNECT_S = 10


class Lost(Exception):
    """The connection ended, or nothing came in time."""


class Broken(Exception):
    """The server sent what no server may send."""


class Refused(Exception):
    """The answer to a handshake was another than hoped for."""

    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status


class Connection:
    """One TCP connection.  buffer: what has come and is not taken yet."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.buffer = bytearray()
        self.may_read = asyncio.Event()
        self.may_read.set()

    @classmethod
    async def open(cls, address, source=None, receive_buffer=0):
        """source: the address to connect from.  receive_buffer: bytes; 0: as the system likes."""
        s = socket.socket()
        try:
            s.setblocking(False)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if receive_buffer:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if source is not None:
                s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                s.bind((source, 0))
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().sock_connect(s, address)
            reader, writer = await asyncio.open_connection(
                sock=s, limit=receive_buffer or READ_BYTES)
        except (OSError, TimeoutError) as error:
            s.close()
            raise Lost(f"no connection: {error or 'too slow'}") from error
        except BaseException:
            s.close()
            raise
        return cls(reader, writer)

    def send(self, data):
        """What a terminal says is short: it is handed over, and never waited for."""
        self.writer.write(data)

    async def more(self, within_s):
        """Waits for bytes, which come to `buffer`.  Lost: the end, or nothing within that time in
        which it might have read."""
        await self.may_read.wait()
        try:
            async with asyncio.timeout(within_s):
                got = await self.reader.read(READ_BYTES)
        except TimeoutError as error:
            raise Lost(f"silent for {within_s:.1f} s") from error
        except OSError as error:
            raise Lost(type(error).__name__) from error
        if not got:
            raise Lost("end of file")
        self.buffer += got

    async def until(self, mark, most, within_s):
        """Takes what comes before `mark`, and the mark."""
        while (at := self.buffer.find(mark)) < 0:
            if len(self.buffer) > most:
                raise Broken(f"{len(self.buffer)} bytes and no {mark!r}")
            await self.more(within_s)
        return self.take(at + len(mark))[:at]

    def take(self, n):
        taken = bytes(self.buffer[:n])
        del self.buffer[:n]
        return taken

    async def exactly(self, n, within_s):
        while len(self.buffer) < n:
            await self.more(within_s)
        return self.take(n)

    def close(self):
        """At once; the kernel sends what is left."""
        self.writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- HTTP ---

class Head:
    """Status and headers of an answer; names in small letters."""

    def __init__(self, text):
        first, *lines = text.decode("latin-1").split("\r\n")
        parts = first.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise Broken(f"the answer begins with no status line but {first[:80]!r}")
        self.status = int(parts[1])
        self.headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise Broken(f"no header line: {line[:80]!r}")
            self.headers[name.strip().lower()] = value.strip()

    def get(self, name):
        return self.headers.get(name)


def request_bytes(method, path, headers=(), body=None):
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


async def read_head(connection, within_s):
    return Head(await connection.until(b"\r\n\r\n", HEAD_MAX, within_s))


def chunk_size(line):
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError as error:
        raise Broken(f"no size of a chunk: {line[:40]!r}") from error


class Body:
    """The body of an answer, piece by piece, however it is framed."""

    def __init__(self, connection, head):
        self.connection = connection
        self.is_chunked = (head.get("transfer-encoding") or "").lower() == "chunked"
        length = head.get("content-length")
        self.left = int(length) if length is not None and not self.is_chunked else None
        if head.status in (204, 304):
            self.left = 0

    async def piece(self, within_s):
        """The next bytes; b"" at the end of a body that ended in good order."""
        c = self.connection
        if self.is_chunked:
            size = chunk_size(await c.until(b"\r\n", 1024, within_s))
            data = await c.exactly(size, within_s)
            if await c.exactly(2, within_s) != b"\r\n":
                raise Broken("a chunk does not end where it says")
            return data
        if self.left == 0:
            return b""
        if not c.buffer:
            try:
                await c.more(within_s)
            except Lost:
                if self.left is None:  # the end of the connection is the end of the body
                    return b""
                raise
        data = c.take(len(c.buffer) if self.left is None else min(self.left, len(c.buffer)))
        if self.left is not None:
            self.left -= len(data)
        return data


class Answer:
    """What a request got."""

    def __init__(self, head, body):
        self.status = head.status
        self.head = head
        self.body = body


async def request(address, method, path, headers=(), body=None, within_s=10, source=None):
    """One request on a connection of its own.  Lost: no whole answer within that time."""
    try:
        async with asyncio.timeout(within_s):
            with await Connection.open(address, source) as connection:
                connection.send(request_bytes(method, path, (*headers, ("Connection", "close")),
                                              body))
                head = await read_head(connection, within_s)
                pieces, size = [], 0
                reader = Body(connection, head)
                while data := await reader.piece(within_s):
                    pieces.append(data)
                    size += len(data)
                    if size > BODY_MAX:
                        raise Broken("a body without end")
                return Answer(head, b"".join(pieces))
    except TimeoutError as error:
        raise Lost(f"no answer within {within_s} s") from error


# --- WebSocket ---

async def upgrade(connection, path, within_s, protocol=None):
    """The handshake.  Refused with any other status than 101."""
    key = base64.b64encode(os.urandom(16)).decode()
    headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", key),
               ("Sec-WebSocket-Version", "13")]
    if protocol:
        headers.append(("Sec-WebSocket-Protocol", protocol))
    connection.send(request_bytes("GET", path, headers))
    head = await read_head(connection, within_s)
    if head.status != 101:
        raise Refused(head.status)
    accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    if head.get("sec-websocket-accept") != accept:
        raise Broken("a wrong Sec-WebSocket-Accept")
    if head.get("sec-websocket-protocol") != protocol:
        raise Broken(f"the subprotocol is {head.get('sec-websocket-protocol')}")


def frame(opcode, payload=b""):
    """One frame of a client."""
    n = len(payload)
    head = bytes([0x80 | opcode])
    if n < 126:
        head += bytes([0x80 | n])
    elif n < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", n)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", n)
    mask = os.urandom(4)
    pad = (mask * (n // 4 + 1))[:n]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(
        n, "big")


def next_frame(buffer):
    """Takes the first frame off a bytearray: (opcode, payload); None while it is not whole."""
    if len(buffer) < 2:
        return None
    first, length, at = buffer[0], buffer[1], 2
    if first & 0xF0 != 0x80:
        raise Broken(f"a frame begins with {first:#x}: a fragment, or a reserved bit")
    if length & 0x80:
        raise Broken("a server's frame is masked")
    if length >= 126:
        at = 4 if length == 126 else 10
        if len(buffer) < at:
            return None
        form, length = length, int.from_bytes(buffer[2:at], "big")
        if length < (126 if form == 126 else 65536):
            raise Broken("a frame's length is not in its shortest form")
    opcode = first & 0x0F
    if opcode not in (TEXT, CLOSE, PING, PONG):
        raise Broken(f"a frame of opcode {opcode}")
    if opcode >= CLOSE and length > 125 or length > FRAME_MAX:
        raise Broken(f"a frame of opcode {opcode} with {length} bytes")
    if len(buffer) < at + length:
        return None
    payload = bytes(buffer[at:at + length])
    del buffer[:at + length]
    return opcode, payload


def close_code(payload):
    """Of a close frame's payload; 1005: it has none."""
    if len(payload) == 1:
        raise Broken("a close frame of one byte")
    return struct.unpack(">H", payload[:2])[0] if payload else 1005
