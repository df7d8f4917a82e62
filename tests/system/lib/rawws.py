"""rawws - a WebSocket client that may do everything wrong: raw bytes over a TCP socket.

What the server sends is checked strictly: unmasked, no reserved bits, shortest lengths.
"""

import base64
import hashlib
import os
import re
import socket
import struct
import time
import urllib.parse

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the one of RFC 6455, section 1.3
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WITHIN_S = 20


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, form=None, announce=None, key=None):
    """One frame of a client.  form: 7, 16 or 64, how the length is written (default: the shortest);
    announce: a length other than that of the payload."""
    if isinstance(payload, str):
        payload = payload.encode()
    length = len(payload) if announce is None else announce
    if form is None:
        form = 7 if length < 126 else 16 if length < 65536 else 64
    mask_bit = 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if form == 7:
        head += bytes([mask_bit | length])
    elif form == 16:
        head += bytes([mask_bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", length)
    if not masked:
        return head + payload
    key = os.urandom(4) if key is None else key
    pad = (key * (len(payload) // 4 + 1))[:len(payload)]
    masked_payload = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(
        len(payload), "big") if payload else b""
    return head + key + masked_payload


def close(code=None, reason=b""):
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)


def handshake(path="/ws/raw", method="GET", version="HTTP/1.1", drop=(), lead=b"", cram=False,
              **headers):
    """A request; headers by their name with _ for -, a list for several, `drop` for none.
    lead: bytes before it; cram: no space behind the colons."""
    lines = [f"{method} {path} {version}"]
    fields = {"Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade",
              "Sec_WebSocket_Key": KEY, "Sec_WebSocket_Version": "13", **headers}
    for name, values in fields.items():
        if name in drop:
            continue
        for value in values if isinstance(values, list) else [values]:
            lines.append(f"{name.replace('_', '-')}:{'' if cram else ' '}{value}")
    return lead + ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Head:
    """The head of an HTTP answer."""

    def __init__(self, text):
        first, *rest = text.split("\r\n")
        line = re.fullmatch(r"(HTTP/\d\.\d) (\d{3}) .*", first)
        assert line, f"the answer begins with no status line but {first!r}"
        self.version, self.status = line[1], int(line[2])
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in rest]

    def all(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None


class Ended(Exception):
    """The server ended the TCP connection."""


class Raw:
    """One TCP connection to the server at `url` (http://host:port)."""

    def __init__(self, url, within_s=WITHIN_S):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=within_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    @classmethod
    def open(cls, url, **request):
        """Connected and upgraded."""
        raw = cls(url)
        raw.send(handshake(**request))
        head = raw.head()
        if head.status != 101:
            raise AssertionError(f"the handshake was refused: {head.status}")
        return raw

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def drip(self, data, pause_s=0.0003):
        """Each byte in a segment of its own."""
        for i in range(len(data)):
            self.socket.sendall(data[i:i + 1])
            time.sleep(pause_s)

    def send_cut(self, data, at):
        """In two segments, with time for the server to read the first alone."""
        self.socket.sendall(data[:at])
        time.sleep(0.001)
        self.socket.sendall(data[at:])

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError as error:
            raise Ended("reset") from error
        except (TimeoutError, socket.timeout) as error:
            raise AssertionError(f"the server says nothing; so far {self.buffer!r}") from error
        if not data:
            raise Ended("end of file")
        self.buffer += data

    def take(self, n):
        while len(self.buffer) < n:
            self.more()
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def head(self):
        """The head of the answer.  Ended when there is none."""
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        text, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return Head(text.decode("latin-1"))

    def frame(self):
        """(opcode, payload) of the next frame; heartbeats are passed over."""
        while True:
            first, second = self.take(2)
            assert first & 0x80, "the server sends no fragments"
            assert first & 0x70 == 0, "a reserved bit is set"
            assert second & 0x80 == 0, "a server's frame is masked"
            length = second
            if second == 126:
                length = struct.unpack(">H", self.take(2))[0]
                assert length >= 126, "not the shortest length"
            elif second == 127:
                length = struct.unpack(">Q", self.take(8))[0]
                assert length >= 65536, "not the shortest length"
            opcode, payload = first & 0x0F, self.take(length)
            if opcode != PING:
                return opcode, payload

    def pong(self, payload):
        """Asserts that the next frame is this pong."""
        got = self.frame()
        assert got == (PONG, payload), f"expected a pong {payload!r}, got {got}"

    def say_hello(self):
        """As a terminal of orderbell.v1, until it has caught up."""
        self.send(frame(TEXT, '{"hello":1}'))
        while b'{"caught_up":' not in self.frame()[1]:
            pass

    def is_alive(self):
        mark = os.urandom(8)
        self.send(frame(PING, mark))
        self.pong(mark)

    def close_code(self):
        """The code of the close frame, which must come next; None: it has none."""
        opcode, payload = self.frame()
        assert opcode == CLOSE, f"expected a close, got {opcode} {payload[:100]!r}"
        assert len(payload) != 1
        payload[2:].decode()
        return struct.unpack(">H", payload[:2])[0] if payload else None

    def wait_end(self):
        """Asserts that the server says nothing more and ends the connection."""
        try:
            while True:
                self.frame()
                raise AssertionError("a frame after the close frame")
        except Ended:
            assert self.buffer == b"", f"bytes after the close frame: {self.buffer!r}"

    def status(self):
        """Of the answer to a handshake; None where the connection just ended."""
        try:
            return self.head().status
        except Ended:
            return None
