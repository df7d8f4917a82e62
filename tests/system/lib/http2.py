"""http2 - a client of HTTP/2 (RFC 9113) over TLS, with WebSockets in its streams (RFC 8441)."""

import json
import os
import queue
import socket
import ssl
import struct
import threading
import time
import urllib.parse

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.settings
    why_not = None
except ImportError:
    why_not = "python3-h2 is not there"

WITHIN_S = 30
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
FRAME_HEAD, GOAWAY, NO_ERROR = 9, 7, 0


class Stream:
    """One request of a Connection, and what came back."""

    def __init__(self, connection, number):
        self.connection = connection
        self.number = number
        self.headers = queue.Queue()
        self.pieces = queue.Queue()  # bytes; None at the end
        self.ended = False

    def status(self):
        headers = dict(self.headers.get(timeout=WITHIN_S))
        return int(headers[":status"]), headers

    def read(self, within_s=WITHIN_S):
        """The next piece; b"" at the end."""
        piece = self.pieces.get(timeout=within_s)
        if piece is None:
            self.ended = True
            return b""
        return piece

    def body(self):
        return b"".join(iter(self.read, b""))


class Connection:
    """One TLS connection that speaks h2.  source: the address it comes from."""

    def __init__(self, url, authority, source="127.0.0.1"):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.netloc
        context = ssl.create_default_context(cafile=authority)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection((parts.hostname, parts.port), WITHIN_S,
                                         source_address=(source, 0))
        self.socket = context.wrap_socket(plain, server_hostname=parts.hostname)
        self.socket.settimeout(None)
        if self.socket.selected_alpn_protocol() != "h2":
            raise ConnectionError("it does not speak HTTP/2")
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.lock = threading.RLock()
        self.streams = {}
        self.unread = b""  # the beginning of a frame
        self.farewell = None  # the last stream that a server who goes away still serves
        self.has_settings = threading.Event()
        self.why_ended = None
        self.h2.initiate_connection()
        self.flush()
        self.reader = threading.Thread(target=self.run, daemon=True)
        self.reader.start()
        if not self.has_settings.wait(WITHIN_S):
            raise ConnectionError("no settings came")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.why_ended = self.why_ended or "closed here"
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.reader.join(WITHIN_S)  # it must not read from whatever gets the number next
        self.socket.close()

    def takes_websockets(self):
        """Whether the server has said that it knows extended CONNECT."""
        setting = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
        return self.h2.remote_settings.get(setting, 0) == 1

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def run(self):
        try:
            while data := self.socket.recv(65536):
                with self.lock:
                    for frame in self.frames(data):
                        self.take_frame(frame)
                    self.flush()
            self.why_ended = self.why_ended or "the server hung up"
        except (OSError, ssl.SSLError, ValueError, h2.exceptions.ProtocolError) as error:
            self.why_ended = self.why_ended or repr(error)
        for stream in self.streams.values():
            stream.pieces.put(None)

    def frames(self, data):
        """The frames that are whole now."""
        self.unread += data
        while len(self.unread) >= FRAME_HEAD:
            end = FRAME_HEAD + int.from_bytes(self.unread[:3], "big")
            if len(self.unread) < end:
                return
            frame, self.unread = self.unread[:end], self.unread[end:]
            yield frame

    def take_frame(self, frame):
        """What a server who goes away says is kept from h2, which would take it for the end at
        once.  Streams that are open go on (RFC 9113, 6.8): browsers do it so, and a web server
        counts on it when it retires a process or reads its settings anew."""
        if frame[3] == GOAWAY:
            last, code = struct.unpack(">II", frame[FRAME_HEAD:FRAME_HEAD + 8])
            self.take_farewell(last & 0x7fffffff, code, frame[FRAME_HEAD + 8:])
            return
        for event in self.h2.receive_data(frame):
            self.take(event)

    def take_farewell(self, last, code, why):
        self.farewell = last
        if code != NO_ERROR:
            self.why_ended = f"the server gave up: code {code} {why!r}"
        for stream in self.streams.values():
            if stream.number > last or code != NO_ERROR:
                stream.pieces.put(None)

    def take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.has_settings.set()
        elif stream is None:
            return
        elif isinstance(event, h2.events.ResponseReceived):
            stream.headers.put(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            stream.pieces.put(event.data)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            stream.pieces.put(None)

    def ask(self, headers, body=None, ends=True):
        with self.lock:
            if self.farewell is not None:
                raise ConnectionError("the server goes away: another connection is wanted")
            stream = Stream(self, self.h2.get_next_available_stream_id())
            self.streams[stream.number] = stream
            self.h2.send_headers(stream.number, headers, end_stream=ends and body is None)
            if body is not None:
                self.h2.send_data(stream.number, body, end_stream=True)
            self.flush()
        return stream

    def request(self, method, path, headers=(), body=None):
        """(status, headers, body)"""
        stream = self.get(path, headers, method, body)
        status, got = stream.status()
        return status, got, stream.body()

    def get(self, path, headers=(), method="GET", body=None):
        headers = dict(headers)
        if body is not None:  # as browsers and curl do
            headers.setdefault("content-length", str(len(body)))
        return self.ask([(":method", method), (":scheme", "https"), (":authority", self.host),
                         (":path", path), *((n.lower(), v) for n, v in headers.items())], body)


class WebSocket:
    """orderbell.v1 in a stream of a Connection."""

    def __init__(self, connection, path, protocol="orderbell.v1"):
        self.stream = connection.ask([
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
            (":authority", connection.host), (":path", path), ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", protocol), ("origin", "https://" + connection.host)],
            ends=False)
        self.status, self.headers = self.stream.status()
        self.data = b""

    def send(self, message, opcode=TEXT):
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        mask = os.urandom(4)
        head = bytes([0x80 | opcode])
        head += bytes([0x80 | len(payload)]) if len(payload) < 126 else \
            bytes([0x80 | 126]) + struct.pack(">H", len(payload))
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        connection = self.stream.connection
        with connection.lock:
            connection.h2.send_data(self.stream.number, head + mask + masked)
            connection.flush()

    def exactly(self, n, deadline):
        while len(self.data) < n:
            piece = self.stream.read(max(0.01, deadline - time.monotonic()))
            if piece == b"":
                raise ConnectionError(f"the stream ended: {self.stream.connection.why_ended}")
            self.data += piece
        taken, self.data = self.data[:n], self.data[n:]
        return taken

    def next(self, within_s=WITHIN_S):
        """The next message as an object; pings are answered on the way."""
        deadline = time.monotonic() + within_s
        while True:
            first, size = self.exactly(2, deadline)
            if size == 126:
                (size,) = struct.unpack(">H", self.exactly(2, deadline))
            payload = self.exactly(size, deadline)
            if first & 15 == PING:
                self.send(payload, PONG)
            elif first & 15 == CLOSE:
                raise ConnectionError(f"closed: {payload!r}")
            elif first & 15 == TEXT:
                return json.loads(payload)

    def until(self, matches, within_s=WITHIN_S):
        deadline = time.monotonic() + within_s
        while True:
            message = self.next(max(0.01, deadline - time.monotonic()))
            if matches(message):
                return message
