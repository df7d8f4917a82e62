"""malice - requests and frames that are wrong, by the thousand, from a seed."""

import random
import struct

from rawws import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, frame, handshake

PATHS = ("/", "/ws/a", "/ws/", "/ws/../../etc/passwd", "/ws/%00", "/ws/%zz", "/ws/" + "s" * 200,
         "/events/a", "/events/a?after=x", "/poll/a?after=:::", "/ack/a", "/console/../x", "/metrics",
         "/%", "*", "http://[::1", "//", "/ws/a b", "/ws/\xe9\xa5\xad", "")
METHODS = ("GET", "POST", "HEAD", "PUT", "get", "G\0T", "", "X" * 100, "CONNECT", "PRI")
VERSIONS = ("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "HTTP/1.1.1", "", "RING")
FIELDS = (("Content-Length", ("-1", "5", "99999999999999999999", "0x5", "5, 6", "")),
          ("Transfer-Encoding", ("chunked", "identity", "chunked, chunked", "x")),
          ("Host", ("", "a@b", "[::1", "127.0.0.1, x", "evil.example")),
          ("Origin", ("null", "http://", "http://evil.example", "://")),
          ("Upgrade", ("websocket", "h2c", "WEBSOCKET, x", "")),
          ("Connection", ("upgrade", "close", "keep-alive", "Upgrade,Upgrade")),
          ("Sec-WebSocket-Key", (KEY, "", "x" * 24, "=" * 24, "A" * 3000)),
          ("Sec-WebSocket-Version", ("13", "8", "-13", "13, 13")),
          ("Sec-WebSocket-Protocol", ("orderbell.v1", "orderbell.v1" * 300, ",,,", "\0")),
          ("Authorization", ("Bearer ", "Bearer x.y.z", "Basic eA==", "Bearer obt_1_x")),
          ("Cookie", ("token=", "token=\"", "=;=;", "token=" + "x" * 5000)),
          ("X-Forwarded-For", ("127.0.0.1", "unknown", ",,,", "::1, ::1", "x" * 300)),
          ("Last-Event-ID", ("x", ":", "a:99999999999999999999")),
          ("X-Many", ("y",) * 3))


class Malice:
    """What a seed gives, always the same."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def bytes(self, most):
        return self.random.randbytes(self.random.randrange(1, most))

    def spoil(self, data):
        """Some bytes of it changed, doubled, left out, or its end cut off."""
        data = bytearray(data)
        for _ in range(self.random.randrange(1, 6)):
            at = self.random.randrange(len(data)) if data else 0
            what = self.random.randrange(4)
            if what == 0 and data:
                data[at] = self.random.randrange(256)
            elif what == 1:
                data[at:at] = self.bytes(6)
            elif what == 2:
                del data[at:at + self.random.randrange(1, 5)]
            else:
                del data[len(data) - self.random.randrange(20):]
        return bytes(data)

    def made_up(self):
        r = self.random
        lines = [f"{r.choice(METHODS)} {r.choice(PATHS)} {r.choice(VERSIONS)}"]
        for _ in range(r.choice((0, 1, 3, 8, 70))):
            name, values = r.choice(FIELDS)
            lines.append(f"{name}{r.choice((': ', ':', ' : ', ''))}{r.choice(values)}")
        end = r.choice(("\r\n\r\n", "\n\n", "\r\n", "\r\n\r\n" + "behind" * 100))
        return ("\r\n".join(lines) + end).encode("latin-1")

    def request(self):
        """A request that is none, or not one that is meant."""
        kind = self.random.randrange(4)
        if kind == 0:
            return self.bytes(600) + self.random.choice((b"", b"\r\n\r\n"))
        if kind == 1:
            return b"GET /ws/a HTTP/1.1\r\n" + b"X: " + b"y" * self.random.randrange(8000, 20000)
        return self.spoil(handshake()) if kind == 2 else self.made_up()

    def one_frame(self):
        r = self.random
        opcode = r.choice((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, 3, 7, 11, 15))
        payload = r.choice((b"", b"\xff\xfe", b"x" * 125, b"x" * 126, struct.pack(">H", 1005),
                            b'{"hello":1', b'{"ack":[0]}', b"[" * 300, self.bytes(300)))
        how = {"fin": r.random() < 0.7, "rsv": r.choice((0, 0, 0, 1, 7)),
               "masked": r.random() < 0.8}
        if r.random() < 0.2:
            how["announce"] = r.choice((65537, 2 ** 31, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1))
        elif r.random() < 0.2:
            how["form"] = 64
        return frame(opcode, payload, **how)

    def frames(self):
        """What no client of a WebSocket may say."""
        kind = self.random.randrange(3)
        if kind == 0:
            return self.bytes(2000)
        many = b"".join(self.one_frame() for _ in range(self.random.randrange(1, 6)))
        return many if kind == 1 else self.spoil(many)
