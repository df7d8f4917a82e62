"""RFC 6455 and a little malice, against /ws/ of the notifier itself.

A table of cases; after each, a bystander must still be alive.
"""

import os
import socket
import struct
import time
import unittest

from rawws import (BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, Ended, Raw, accept_of, close,
                   frame, handshake)
from processes import until
from stack import Stack

stack = None
bystander = None


def setUpModule():
    global stack
    stack = Stack().up()
    unittest.addModuleCleanup(stack.down)
    unittest.addModuleCleanup(lambda: bystander.socket.close())
    open_bystander()


def open_bystander():
    global bystander
    bystander = Raw.open(stack.notifier_url, path="/ws/bystander")


class Case(unittest.TestCase):
    def setUp(self):
        self.stack = stack

    def tearDown(self):
        try:
            bystander.is_alive()
        except (AssertionError, Ended, OSError):
            bystander.socket.close()
            open_bystander()  # only this case has failed
            raise

    def raw(self):
        raw = Raw(stack.notifier_url)
        self.addCleanup(raw.socket.close)
        return raw

    def open(self, **request):
        raw = Raw.open(stack.notifier_url, **request)
        self.addCleanup(raw.socket.close)
        return raw


def tests_of(table, run):
    """Gives a class decorator: a test for each row (sentence, argument...)."""
    def add(cls):
        for sentence, *arguments in table:
            name = "test_" + "".join(c if c.isalnum() else "_" for c in sentence)
            assert not hasattr(cls, name), name

            def test(self, arguments=arguments):
                run(self, *arguments)
            setattr(cls, name, test)
        return cls
    return add


# --- frames that end the connection ---

BAD_UTF8 = {
    "a stray continuation byte": b"\x80",
    "a continuation byte too many": b"\xc3\xa9\xa9",
    "an overlong slash of two bytes": b"\xc0\xaf",
    "an overlong letter of two bytes": b"\xc1\xbf",
    "an overlong slash of three bytes": b"\xe0\x80\xaf",
    "the longest overlong of three bytes": b"\xe0\x9f\xbf",
    "an overlong of four bytes": b"\xf0\x8f\xbf\xbf",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "the first beyond Unicode": b"\xf4\x90\x80\x80",
    "a lead byte f5": b"\xf5\x80\x80\x80",
    "a sequence of five bytes": b"\xf8\x88\x80\x80\x80",
    "fe": b"\xfe",
    "ff": b"\xff",
    "a lead byte before a letter": b"\xc3A",
    "a broken sequence of three": b"\xe4\xbdA",
    "a lead byte at the end": b"ok\xc3",
    "three of four bytes at the end": b"ok\xf0\x9f\x98",
}

BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65535)

VIOLATIONS = [
    # sentence, expected code, bytes
    ("an unmasked text frame is closed 1002", 1002, frame(TEXT, "hi", masked=False)),
    ("an unmasked ping is closed 1002", 1002, frame(PING, "hi", masked=False)),
    ("an unmasked close is closed 1002", 1002, frame(CLOSE, b"\x03\xe8", masked=False)),
    ("an unmasked empty frame is closed 1002", 1002, frame(TEXT, masked=False)),
    ("a control frame in fragments is closed 1002", 1002, frame(PING, "hi", fin=False)),
    ("a close frame in fragments is closed 1002", 1002, frame(CLOSE, b"\x03\xe8", fin=False)),
    ("a pong in fragments is closed 1002", 1002, frame(PONG, fin=False)),
    ("a ping of 126 bytes is closed 1002", 1002, frame(PING, b"x" * 126)),
    ("a pong of 126 bytes is closed 1002", 1002, frame(PONG, b"x" * 126)),
    ("a close of 126 bytes is closed 1002", 1002, frame(CLOSE, b"\x03\xe8" + b"x" * 124)),
    ("a ping that announces 64 bits is closed 1002", 1002, frame(PING, b"x" * 65536)),
    ("a ping with its length in 16 bits is closed 1002", 1002, frame(PING, "x", form=16)),
    ("a ping with its length in 64 bits is closed 1002", 1002, frame(PING, "x", form=64)),
    ("a continuation without a start is closed 1002", 1002, frame(CONTINUATION, "hi")),
    ("an unfinished continuation without a start is closed 1002", 1002,
     frame(CONTINUATION, "hi", fin=False)),
    ("a continuation after a whole message is closed 1002", 1002,
     frame(TEXT, "hi") + frame(CONTINUATION, "more")),
    ("a continuation after the last fragment is closed 1002", 1002,
     frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b") + frame(CONTINUATION, "c")),
    ("a text frame inside a fragmented text is closed 1002", 1002,
     frame(TEXT, "a", fin=False) + frame(TEXT, "b")),
    ("a binary frame inside a fragmented text is closed 1002", 1002,
     frame(TEXT, "a", fin=False) + frame(BINARY, "b")),
    ("a text start inside a fragmented binary is closed 1002", 1002,
     frame(BINARY, "a", fin=False) + frame(TEXT, "b", fin=False)),
    ("a close of one byte is closed 1002", 1002, frame(CLOSE, b"\x03")),
    ("a message of 64 KiB and a byte is closed 1009", 1009, frame(TEXT, b"x" * 65537)),
    ("a binary message of 64 KiB and a byte is closed 1009", 1009, frame(BINARY, b"x" * 65537)),
    ("fragments that add up to 64 KiB and a byte are closed 1009", 1009,
     frame(TEXT, b"x" * 65536, fin=False) + frame(CONTINUATION, b"x")),
    ("many fragments that add up to too much are closed 1009", 1009,
     frame(TEXT, b"x" * 1000, fin=False) + frame(CONTINUATION, b"x" * 1000, fin=False) * 65),
    ("an announcement of 2 GiB is closed 1009", 1009, frame(TEXT, announce=2 ** 31)),
    ("an announcement of 4 GiB is closed 1009", 1009, frame(BINARY, announce=2 ** 32)),
    ("an announcement of 4 GiB and a byte is closed 1009", 1009,
     frame(BINARY, announce=2 ** 32 + 1)),
    ("an announcement of all bits but the highest is closed 1009", 1009,
     frame(TEXT, announce=2 ** 63 - 1)),
    ("an announcement with the highest bit is closed 1002", 1002, frame(TEXT, announce=2 ** 63)),
    ("an announcement of all bits is closed 1002", 1002, frame(TEXT, announce=2 ** 64 - 1)),
    ("a continuation that announces 2 GiB is closed 1009", 1009,
     frame(TEXT, "a", fin=False) + frame(CONTINUATION, announce=2 ** 31)),
    ("a continuation whose sum overflows 64 bits is closed 1009", 1009,
     frame(TEXT, "abc", fin=False) + frame(CONTINUATION, announce=2 ** 63 - 2)),
    ("125 bytes with a length of 16 bits are closed 1002", 1002, frame(TEXT, b"x" * 125, form=16)),
    ("no bytes with a length of 16 bits are closed 1002", 1002, frame(TEXT, form=16)),
    ("no bytes with a length of 64 bits are closed 1002", 1002, frame(TEXT, form=64)),
    ("65535 bytes with a length of 64 bits are closed 1002", 1002,
     frame(TEXT, b"x" * 65535, form=64)),
    ("bad text in a first fragment is closed 1007 before the last one", 1007,
     frame(TEXT, b"\xff", fin=False)),
    ("a text that ends inside a character over fragments is closed 1007", 1007,
     frame(TEXT, b"\xe4", fin=False) + frame(CONTINUATION, b"\xbd")),
    ("a text whose last fragment is empty inside a character is closed 1007", 1007,
     frame(TEXT, b"\xe4\xbd", fin=False) + frame(CONTINUATION)),
    ("a text of 64 KiB that is bad at its end is closed 1007", 1007,
     frame(TEXT, b"x" * 65535 + b"\xff")),
]
VIOLATIONS += [(f"reserved bits {rsv:03b} in a {name} frame are closed 1002", 1002,
                frame(opcode, "hi", rsv=rsv))
               for rsv in range(1, 8) for name, opcode in (("text", TEXT), ("ping", PING))]
VIOLATIONS += [("reserved bits in a continuation are closed 1002", 1002,
                frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b", rsv=4)),
               ("reserved bits in a close are closed 1002", 1002, frame(CLOSE, b"\x03\xe8", rsv=1))]
VIOLATIONS += [(f"the reserved opcode {opcode:x} is closed 1002", 1002, frame(opcode, "hi"))
               for opcode in (*range(3, 8), *range(11, 16))]
VIOLATIONS += [("a reserved opcode inside a fragmented message is closed 1002", 1002,
                frame(TEXT, "a", fin=False) + frame(3, "b"))]
VIOLATIONS += [(f"a close with the code {code} is closed 1002", 1002, close(code))
               for code in BAD_CODES]
VIOLATIONS += [(f"a text with {name} is closed 1007", 1007, frame(TEXT, b"ok " + bad))
               for name, bad in BAD_UTF8.items()]
VIOLATIONS += [(f"a close reason with {name} is closed 1007", 1007, close(1000, b"ok " + bad))
               for name, bad in BAD_UTF8.items()]
VIOLATIONS += [(f"a text with {name} split over fragments is closed 1007", 1007,
                frame(TEXT, bad[:1], fin=False) + frame(CONTINUATION, bad[1:2], fin=False) +
                frame(CONTINUATION, bad[2:]))
               for name, bad in BAD_UTF8.items()]


def is_closed(self, code, data):
    raw = self.open()
    try:
        raw.send(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was refused before all had been sent
    self.assertEqual(raw.close_code(), code)
    raw.wait_end()


@tests_of(VIOLATIONS, is_closed)
class Violations(Case):
    """frames that end the connection"""

    def test_each_of_them_is_closed_the_same_way_when_it_comes_byte_by_byte(self):
        for sentence, code, data in VIOLATIONS:
            if len(data) > 400:
                continue
            with self.subTest(sentence=sentence):
                with Raw.open(stack.notifier_url) as raw:
                    try:
                        raw.drip(data, pause_s=0)
                    except (BrokenPipeError, ConnectionResetError):
                        pass
                    self.assertEqual(raw.close_code(), code)
                bystander.is_alive()

    def test_each_of_them_ends_a_v1_terminal_the_same_way(self):
        for sentence, code, data in VIOLATIONS:
            if len(data) > 400:
                continue
            with self.subTest(sentence=sentence):
                with Raw.open(stack.notifier_url, Sec_WebSocket_Protocol="orderbell.v1") as raw:
                    raw.say_hello()
                    raw.send(data)
                    expected = {code, 4400} if "after a whole" in sentence or \
                        "after the last" in sentence else {code}
                    self.assertIn(raw.close_code(), expected)
                bystander.is_alive()

    def test_bad_text_inside_a_frame_is_closed_1007_before_its_end(self):
        raw = self.open()
        raw.send(frame(TEXT, b"ok \xff" + b"x" * 1000)[:50])
        self.assertEqual(raw.close_code(), 1007)

    def test_an_announcement_of_too_much_is_refused_before_the_mask(self):
        raw = self.open()
        raw.send(frame(TEXT, announce=2 ** 31)[:10])
        self.assertEqual(raw.close_code(), 1009)

    def test_an_unmasked_frame_is_refused_by_its_second_byte(self):
        raw = self.open()
        raw.send(b"\x81\x05")
        self.assertEqual(raw.close_code(), 1002)

    def test_a_thousand_violations_in_one_segment_are_one_close(self):
        raw = self.open()
        raw.send(frame(3) * 1000)
        self.assertEqual(raw.close_code(), 1002)
        raw.wait_end()


# --- frames that are fine ---

TEXTS = ["", "hello", "κόσμε", "订单号:1700000000000", "😀" * 100, "\x00\x01\x7f", "\u0080\u07ff\u0800",
         "\uffff\ue000\ud7ff\ufffe", "\U00010000\U0010ffff", "\ufeffbom"]

FINE = [
    ("an empty text", frame(TEXT)),
    ("an empty binary", frame(BINARY)),
    ("a mask of zeros", frame(TEXT, "hello", key=b"\0\0\0\0")),
    ("a mask of ones", frame(TEXT, "hello", key=b"\xff\xff\xff\xff")),
    ("a binary with any bytes", frame(BINARY, bytes(range(256)))),
    ("a text of 125 bytes", frame(TEXT, b"x" * 125)),
    ("a text of 126 bytes", frame(TEXT, b"x" * 126)),
    ("a text of 65535 bytes", frame(TEXT, b"x" * 65535)),
    ("a text of exactly 64 KiB", frame(TEXT, b"x" * 65536)),
    ("a binary of exactly 64 KiB", frame(BINARY, os.urandom(65536))),
    ("fragments that add up to exactly 64 KiB",
     frame(TEXT, b"x" * 65535, fin=False) + frame(CONTINUATION, b"x")),
    ("a hundred texts of 64 KiB", frame(TEXT, b"x" * 65536) * 100),
    ("fragments that are all empty",
     frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 50 + frame(CONTINUATION)),
    ("a thousand fragments of a byte",
     frame(TEXT, "x", fin=False) + frame(CONTINUATION, "x", fin=False) * 998 +
     frame(CONTINUATION, "x")),
    ("a pong that nobody asked for", frame(PONG, "here I am")),
    ("an empty pong", frame(PONG)),
    ("a pong of 125 bytes", frame(PONG, b"x" * 125)),
    ("a pong between fragments",
     frame(TEXT, "a", fin=False) + frame(PONG, "p") + frame(CONTINUATION, "b")),
    ("two thousand frames in one go", frame(TEXT, "x") * 2000),
    ("a binary that is no text, in fragments",
     frame(BINARY, b"\xff", fin=False) + frame(CONTINUATION, b"\xfe")),
]
FINE += [(f"the text {text[:12]!a} in one frame", frame(TEXT, text)) for text in TEXTS]
FINE += [(f"the text {text[:12]!a} in fragments of a byte",
          b"".join(frame(TEXT if i == 0 else CONTINUATION, text.encode()[i:i + 1],
                         fin=i + 1 == len(text.encode())) for i in range(len(text.encode()))))
         for text in TEXTS if text]


def is_taken(self, data):
    raw = self.open()
    raw.send(data)
    raw.is_alive()


@tests_of(FINE, is_taken)
class Fine(Case):
    """frames that are fine"""

    def test_each_of_them_may_come_byte_by_byte(self):
        for sentence, data in FINE:
            if len(data) > 2000:
                continue
            with self.subTest(sentence=sentence):
                with Raw.open(stack.notifier_url) as raw:
                    raw.drip(data, pause_s=0)
                    raw.is_alive()
                bystander.is_alive()

    def test_a_text_may_be_cut_at_every_byte_of_its_frame(self):
        data = frame(TEXT, "订单 κόσμε 😀") + frame(TEXT, "é" * 100)
        raw = self.open()
        for at in range(1, len(data)):
            raw.send_cut(data, at)
        raw.is_alive()

    def test_a_text_may_be_cut_into_fragments_at_every_byte(self):
        text = "订单 κόσμε 😀".encode()
        raw = self.open()
        for at in range(len(text) + 1):
            raw.send(frame(TEXT, text[:at], fin=False) + frame(CONTINUATION, text[at:]))
        raw.is_alive()

    def test_a_ping_of_every_size_gets_its_pong(self):
        raw = self.open()
        for size in range(126):
            payload = os.urandom(size)
            raw.send(frame(PING, payload))
            raw.pong(payload)

    def test_ten_pings_in_one_segment_get_ten_pongs_in_order(self):
        raw = self.open()
        raw.send(b"".join(frame(PING, str(i)) for i in range(10)))
        for i in range(10):
            raw.pong(str(i).encode())

    def test_a_ping_between_fragments_is_answered_at_once(self):
        raw = self.open()
        raw.send(frame(TEXT, "a", fin=False) + frame(PING, "now"))
        raw.pong(b"now")
        raw.send(frame(PING, "and now") + frame(CONTINUATION, "b"))
        raw.pong(b"and now")
        raw.is_alive()

    def test_a_ping_byte_by_byte_is_answered(self):
        raw = self.open()
        raw.drip(frame(PING, b"x" * 125))
        raw.pong(b"x" * 125)

    def test_a_ping_inside_a_character_of_a_text_does_not_disturb_it(self):
        raw = self.open()
        raw.send(frame(TEXT, b"\xe4\xbd", fin=False) + frame(PING, b"\xff") +
                 frame(CONTINUATION, b"\xa0"))
        raw.pong(b"\xff")
        raw.is_alive()

    def test_five_thousand_pings_of_a_client_that_reads_late_are_all_answered(self):
        raw = self.open()
        payload = b"x" * 100
        raw.socket.settimeout(60)
        for _ in range(50):
            raw.send(frame(PING, payload) * 100)
        for _ in range(5000):
            raw.pong(payload)

    def test_an_order_reaches_a_terminal_in_the_middle_of_its_message(self):
        raw = self.open()
        raw.send(frame(TEXT, "half of ", fin=False))
        raw.is_alive()
        order = stack.place_order()
        stack.pay_by_sql(order)
        opcode, payload = raw.frame()
        self.assertEqual(opcode, TEXT)
        self.assertIn(order.number.encode(), payload)
        raw.send(frame(CONTINUATION, "a message"))
        raw.is_alive()
        self.assertIn(order.number.encode(), bystander.frame()[1])


# --- the end ---

GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
              3000, 3999, 4000, 4999)


class Closing(Case):
    """the closing handshake"""

    def test_a_close_is_answered_with_its_code_and_the_connection_ends(self):
        for code in GOOD_CODES:
            with self.subTest(code=code):
                raw = self.open()
                raw.send(close(code, "再见".encode()))
                self.assertEqual(raw.close_code(), code)
                raw.wait_end()

    def test_a_close_without_a_code_is_answered_and_the_connection_ends(self):
        raw = self.open()
        raw.send(close())
        self.assertIn(raw.close_code(), (None, 1000))
        raw.wait_end()

    def test_a_close_with_the_longest_reason_is_answered(self):
        raw = self.open()
        raw.send(close(1000, b"x" * 123))
        self.assertEqual(raw.close_code(), 1000)
        raw.wait_end()

    def test_a_close_byte_by_byte_is_answered(self):
        raw = self.open()
        raw.drip(close(1001, b"going"))
        self.assertEqual(raw.close_code(), 1001)
        raw.wait_end()

    def test_a_close_inside_a_fragmented_message_is_answered(self):
        raw = self.open()
        raw.send(frame(TEXT, "half", fin=False) + close(1001))
        self.assertEqual(raw.close_code(), 1001)
        raw.wait_end()

    def test_what_follows_a_close_is_ignored(self):
        for more in (frame(PING, "x"), frame(TEXT, b"\xff"), frame(3), close(1002), b"\x00" * 500):
            with self.subTest(more=more[:8]):
                raw = self.open()
                raw.send(close(1000) + more)
                self.assertEqual(raw.close_code(), 1000)
                raw.wait_end()
                bystander.is_alive()

    def test_pings_before_a_close_in_the_same_segment_are_answered(self):
        raw = self.open()
        raw.send(frame(PING, "a") + frame(PING, "b") + close(1000))
        raw.pong(b"a")
        raw.pong(b"b")
        self.assertEqual(raw.close_code(), 1000)
        raw.wait_end()

    def test_a_client_that_vanishes_is_forgotten(self):
        before = stack.metric("orderbell_connections")
        for end in ("shutdown", "close", "reset", "half a frame"):
            with self.subTest(end=end):
                raw = self.open()
                raw.is_alive()
                if end == "half a frame":
                    raw.send(frame(TEXT, "hello")[:4])
                if end == "reset":
                    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          struct.pack("ii", 1, 0))
                if end == "shutdown":
                    raw.socket.shutdown(socket.SHUT_WR)
                    raw.wait_end()
                raw.socket.close()
                self.assertTrue(until(lambda: stack.metric("orderbell_connections") <= before, 30),
                                "it still counts")

    def test_a_client_that_answers_our_close_late_is_let_go(self):
        raw = self.open()
        raw.send(frame(3))
        self.assertEqual(raw.close_code(), 1002)
        raw.send(close(1002))
        raw.wait_end()


# --- the opening handshake ---

def many(n):
    return {f"X_Extra_{i}": "x" for i in range(n)}


def long_head(size):
    """A request of so many bytes."""
    return {"X_Long": "x" * (size - len(handshake(X_Long="")))}


UPGRADED = [
    ("the request of the RFC", {}),
    ("Upgrade in odd case", {"Upgrade": "WebSocket"}),
    ("Upgrade in capitals", {"Upgrade": "WEBSOCKET"}),
    ("Upgrade in a list", {"Upgrade": "h2c, websocket"}),
    ("Upgrade first in a list", {"Upgrade": "websocket ,h2c"}),
    ("Connection in odd case", {"Connection": "uPGRADE"}),
    ("Connection in a list", {"Connection": "keep-alive, Upgrade"}),
    ("Connection in a list without spaces", {"Connection": "keep-alive,Upgrade,x"}),
    ("Connection on two lines", {"Connection": ["keep-alive", "Upgrade"]}),
    ("header names in lower case", {"drop": ("Upgrade", "Connection", "Sec_WebSocket_Key"),
                                    "upgrade": "websocket", "connection": "upgrade",
                                    "sec_websocket_key": KEY}),
    ("spaces around values", {"Sec_WebSocket_Version": "  13  ", "Upgrade": "  websocket  "}),
    ("the dummy key of a proxy", {"Sec_WebSocket_Key": "MDAwMDAwMDAwMDAwMDAwMA=="}),
    ("a Host with a port", {"Host": "localhost:8080"}),
    ("an extension that is not known", {"Sec_WebSocket_Extensions": "permessage-deflate; x=1"}),
    ("a Content-Length of 0", {"Content_Length": "0"}),
    ("a query", {"path": "/ws/raw?x=1&y=%20"}),
    ("a sid of one character", {"path": "/ws/a"}),
    ("a sid of all its characters", {"path": "/ws/AZaz09._-"}),
    ("a sid of 64 characters", {"path": "/ws/" + "s" * 64}),
    ("fifty other headers", many(50)),
    ("a header of 7 KiB", {"X_Long": "x" * 7168}),
    ("a head of a byte less than 8 KiB", long_head(8191)),
    ("no space behind its colons", {"cram": True}),
    ("an empty line before it", {"lead": b"\r\n"}),
    ("an unknown subprotocol", {"Sec_WebSocket_Protocol": "chat, superchat"}),
    ("a subprotocol in other case", {"Sec_WebSocket_Protocol": "ORDERBELL.V1"}),
    ("a subprotocol that only begins like ours", {"Sec_WebSocket_Protocol": "orderbell.v11"}),
]

CLOSED = None  # the connection ends without an answer

REFUSED = [
    # sentence, the answers that are right, request
    ("no path", (404,), {"path": "/ws"}),
    ("no sid", (404,), {"path": "/ws/"}),
    ("two parts for a sid", (404,), {"path": "/ws/a/b"}),
    ("a slash after the sid", (404,), {"path": "/ws/a/"}),
    ("another path", (404,), {"path": "/wss/a"}),
    ("the path in capitals", (404,), {"path": "/WS/a"}),
    ("a sid of 65 characters", (404,), {"path": "/ws/" + "s" * 65}),
    ("a sid with a space", (404,), {"path": "/ws/a%20b"}),
    ("a sid with a NUL", (400, 404), {"path": "/ws/a%00b"}),
    ("a sid with an encoded slash", (404,), {"path": "/ws/a%2Fb"}),
    ("a sid with Chinese", (404,), {"path": "/ws/%E9%A5%AD"}),
    ("a sid with a line end", (400, 404), {"path": "/ws/a%0D%0Ab"}),
    ("a sid with a broken escape", (400, 404), {"path": "/ws/a%4"}),
    ("a plain GET", (404,), {"drop": ("Upgrade", "Connection", "Sec_WebSocket_Key",
                                      "Sec_WebSocket_Version")}),
    ("a POST", (405,), {"method": "POST"}),
    ("a PUT", (405,), {"method": "PUT"}),
    ("a HEAD", (405, 404), {"method": "HEAD"}),
    ("a DELETE", (405,), {"method": "DELETE"}),
    ("an OPTIONS", (405,), {"method": "OPTIONS"}),
    ("a PATCH", (405,), {"method": "PATCH"}),
    ("a TRACE", (405, 400, 501), {"method": "TRACE"}),
    ("a CONNECT", (405, 400, 501), {"method": "CONNECT"}),
    ("a method in lower case", (400, 405, 501), {"method": "get"}),
    ("a method that is none", (400, 405, 501), {"method": "RING"}),
    ("HTTP 1.0", (400, 426, 505), {"version": "HTTP/1.0"}),
    ("HTTP 0.9", (400, 426, 505, CLOSED), {"version": "HTTP/0.9"}),
    ("HTTP 2.0", (400, 426, 505, CLOSED), {"version": "HTTP/2.0"}),
    ("no HTTP version", (400, 505, CLOSED), {"version": ""}),
    ("a version that is none", (400, 505, CLOSED), {"version": "RING/1.1"}),
    ("no key", (400,), {"drop": ("Sec_WebSocket_Key",)}),
    ("two keys", (400,), {"Sec_WebSocket_Key": [KEY, KEY]}),
    ("an empty key", (400,), {"Sec_WebSocket_Key": ""}),
    ("a key of 15 bytes", (400,), {"Sec_WebSocket_Key": "MDAwMDAwMDAwMDAwMDAw"}),
    ("a key of 17 bytes", (400,), {"Sec_WebSocket_Key": "MDAwMDAwMDAwMDAwMDAwMDA="}),
    ("a key without its padding", (400,), {"Sec_WebSocket_Key": KEY[:-2]}),
    ("a key that is no base64", (400,), {"Sec_WebSocket_Key": "!HhlIHNhbXBsZSBub25jZQ=="}),
    ("a key with a space inside", (400,), {"Sec_WebSocket_Key": "dGhlIHNhb BsZSBub25jZQ=="}),
    ("a key of 8000 characters", (400, 431), {"Sec_WebSocket_Key": "A" * 7800}),
    ("no Host", (400,), {"drop": ("Host",)}),
    ("two Hosts", (400,), {"Host": ["127.0.0.1", "127.0.0.1"]}),
    ("an empty Host", (400, 403), {"Host": ""}),
    ("no Upgrade", (404, 400, 426), {"drop": ("Upgrade",)}),
    ("an Upgrade to something else", (404, 400, 426), {"Upgrade": "h2c"}),
    ("an Upgrade that only begins right", (404, 400, 426), {"Upgrade": "websockets"}),
    ("an Upgrade of two words", (404, 400, 426), {"Upgrade": "web socket"}),
    ("no Connection", (404, 400, 426), {"drop": ("Connection",)}),
    ("a Connection that is closed", (404, 400, 426), {"Connection": "close"}),
    ("a Connection that only begins right", (404, 400, 426), {"Connection": "Upgrade-me"}),
    ("a body", (400,), {"Content_Length": "5"}),
    ("a chunked body", (400,), {"Transfer_Encoding": "chunked"}),
    ("a Content-Length that is no number", (400, 411), {"Content_Length": "-5"}),
    ("a head of a byte more than 8 KiB", (431,), long_head(8193)),
    ("a header of 9 KiB", (431,), {"X_Long": "x" * 9216}),
    ("a header of 100 KiB", (431,), {"X_Long": "x" * 102400}),
    ("a path of 9 KiB", (431, 414), {"path": "/ws/" + "s" * 9216}),
    ("sixty headers besides", (431,), many(60)),
    ("a thousand headers", (431,), many(1000)),
    ("a folded line", (400, 404, 426), {"Upgrade": "\r\n websocket"}),
    ("a Host of two names", (400, 403), {"Host": "127.0.0.1, 127.0.0.1"}),
    ("a Host with a user", (400, 403), {"Host": "127.0.0.1@evil.example"}),
    ("a Host that never ends", (400, 403), {"Host": "[::1"}),
]
REFUSED += [(f"the version {version!r}", (426,), {"Sec_WebSocket_Version": version})
            for version in ("0", "7", "8", "12", "14", "130", "13.0", "013", "x", "", "13, 8")]
REFUSED += [("no version", (426, 400), {"drop": ("Sec_WebSocket_Version",)}),
            ("two versions", (426, 400), {"Sec_WebSocket_Version": ["13", "13"]})]


def is_upgraded(self, request):
    raw = self.raw()
    raw.send(handshake(**request))
    head = raw.head()
    self.assertEqual((head.version, head.status), ("HTTP/1.1", 101))
    key = request.get("Sec_WebSocket_Key", KEY)
    self.assertEqual(head.all("Sec-WebSocket-Accept"), [accept_of(key)])
    self.assertEqual([v.lower() for v in head.all("Upgrade")], ["websocket"])
    self.assertEqual([v.lower() for v in head.all("Connection")], ["upgrade"])
    self.assertEqual(head.all("Sec-WebSocket-Extensions"), [])
    self.assertEqual(head.all("Sec-WebSocket-Protocol"), [])
    raw.is_alive()


def is_refused(self, statuses, request):
    raw = self.raw()
    try:
        raw.send(handshake(**request))
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        head = raw.head()
    except Ended:
        self.assertIn(CLOSED, statuses, "the connection ended without an answer")
        return
    self.assertIn(head.status, statuses)
    if head.status == 426:
        self.assertEqual(head.all("Sec-WebSocket-Version"), ["13"])
    if head.status == 405:
        self.assertIn("GET", head.get("Allow"))
    # The connection is of no further use, and says so.
    self.assertEqual((head.get("Connection") or "").lower(), "close")
    try:
        while True:
            raw.more()
    except Ended:
        pass


@tests_of([("a handshake with " + sentence + " is upgraded", request)
           for sentence, request in UPGRADED], is_upgraded)
@tests_of([("a handshake with " + sentence + " is refused", statuses, request)
           for sentence, statuses, request in REFUSED], is_refused)
class Opening(Case):
    """the opening handshake"""

    def protocols(self, *offered):
        raw = self.raw()
        raw.send(handshake(Sec_WebSocket_Protocol=list(offered)))
        return raw.head().all("Sec-WebSocket-Protocol")

    def test_the_accept_value_is_the_one_of_the_rfc(self):
        raw = self.raw()
        raw.send(handshake())
        self.assertEqual(raw.head().get("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")

    def test_orderbell_v1_is_taken_wherever_it_stands(self):
        for offered in (["orderbell.v1"], ["chat, orderbell.v1"], ["orderbell.v1,chat"],
                        ["a,orderbell.v1 , b"], ["a", "orderbell.v1"]):
            with self.subTest(offered=offered):
                self.assertEqual(self.protocols(*offered), ["orderbell.v1"])

    def test_a_subprotocol_of_one_client_is_not_told_to_the_next(self):
        for _ in range(20):
            self.assertEqual(self.protocols("orderbell.v1, s3cret"), ["orderbell.v1"])
            self.assertEqual(self.protocols("chat"), [])
            self.assertEqual(self.protocols(), [])

    def test_it_may_come_byte_by_byte(self):
        raw = self.raw()
        raw.drip(handshake())
        self.assertEqual(raw.head().status, 101)
        raw.is_alive()

    def test_it_may_be_cut_anywhere(self):
        request = handshake()
        for at in range(1, len(request)):
            with Raw(stack.notifier_url) as raw:
                raw.send_cut(request, at)
                self.assertEqual(raw.head().status, 101, at)

    def test_pings_right_behind_it_are_answered(self):
        long = frame(TEXT, "y" * 65536)
        for what, before in (("nothing", b""), ("a text", frame(TEXT, "y" * 3000)),
                             ("a long text", long), ("ten long texts", long * 10),
                             ("fragments", frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b"))):
            with self.subTest(behind=what):
                raw = self.raw()
                raw.send(handshake() + before + frame(PING, "1") + frame(PING, "2"))
                self.assertEqual(raw.head().status, 101)
                raw.pong(b"1")
                raw.pong(b"2")
                raw.is_alive()

    def test_a_frame_behind_it_may_be_cut_anywhere(self):
        data = handshake() + frame(PING, "joined")
        for at in range(len(handshake()) - 2, len(data)):
            with self.subTest(at=at), Raw(stack.notifier_url) as raw:
                raw.send_cut(data, at)
                self.assertEqual(raw.head().status, 101)
                raw.pong(b"joined")

    def test_a_hello_right_behind_it_is_heard(self):
        raw = self.raw()
        raw.send(handshake(Sec_WebSocket_Protocol="orderbell.v1") + frame(TEXT, '{"hello":1}'))
        self.assertEqual(raw.head().status, 101)
        self.assertIn(b'"welcome":1', raw.frame()[1])

    def test_a_close_right_behind_it_is_answered(self):
        raw = self.raw()
        raw.send(handshake() + close(1000))
        self.assertEqual(raw.head().status, 101)
        self.assertEqual(raw.close_code(), 1000)
        raw.wait_end()

    def test_a_ping_behind_it_is_answered_though_the_client_has_said_its_last(self):
        raw = self.raw()
        raw.send(handshake() + frame(PING, "last"))
        raw.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(raw.head().status, 101)
        raw.pong(b"last")
        raw.wait_end()

    def test_a_violation_behind_it_is_closed(self):
        raw = self.raw()
        raw.send(handshake() + frame(TEXT, "hi", masked=False))
        self.assertEqual(raw.head().status, 101)
        self.assertEqual(raw.close_code(), 1002)
        raw.wait_end()

    def test_a_second_request_behind_it_is_no_request(self):
        raw = self.raw()
        raw.send(handshake() + handshake())
        self.assertEqual(raw.head().status, 101)
        self.assertEqual(raw.close_code(), 1002)
        raw.wait_end()

    def test_a_request_that_is_no_http_is_refused(self):
        hello_tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200)
        for data in (hello_tls + b"\r\n\r\n", b"\x00" * 300 + b"\r\n\r\n", b"\r\n\r\n",
                     b"GET\r\n\r\n", b"GET /ws/a\r\n\r\n",
                     b": : :\r\n\r\n", b"\xff\xff\xff\xff\r\n\r\n",
                     handshake().replace(b"Host: ", b"Host"),
                     handshake().replace(b"Host: ", b"Ho st: "),
                     handshake().replace(b"Host: ", b"Host\x00: "),
                     handshake().replace(b"websocket", b"web\x00socket")):
            with self.subTest(data=data[:60]):
                with Raw(stack.notifier_url) as raw:
                    raw.send(data)
                    raw.socket.shutdown(socket.SHUT_WR)
                    self.assertIn(raw.status(), (400, 404, 405, 426, 501, 505, CLOSED))
                bystander.is_alive()

    def test_a_line_end_without_a_carriage_return_harms_nobody(self):
        raw = self.raw()
        raw.send(handshake().replace(b"\r\n", b"\n"))
        self.assertIn(raw.status(), (101, 400, CLOSED))

    def test_a_full_address_in_the_request_is_understood(self):
        raw = self.raw()
        raw.send(handshake(path=stack.notifier_url + "/ws/raw"))
        self.assertEqual(raw.status(), 101)

    def test_the_full_address_of_another_server_is_refused(self):
        raw = self.raw()
        raw.send(handshake(path="http://192.0.2.1/ws/raw"))
        self.assertIn(raw.status(), (400, 403, 404, CLOSED))

    def test_a_client_that_never_ends_its_request_is_let_go(self):
        silent, half, slow = self.raw(), self.raw(), self.raw()
        started = time.monotonic()
        half.send(handshake()[:-2])
        try:
            slow.drip(b"GET /ws/a HTTP/1.1\r\n" + b"X: y\r\n" * 20, pause_s=0.03)
            slow.drip(b"X: y\r\n" * 1000, pause_s=0.03)
        except OSError:
            pass
        for raw in (silent, half, slow):
            self.assertIn(raw.status(), (408, 400, CLOSED))
        self.assertLess(time.monotonic() - started, 15)  # let go after 3 s

    def test_five_hundred_clients_may_come_and_go_at_once(self):
        raws = [Raw(stack.notifier_url) for _ in range(500)]
        for raw in raws:
            raw.send(handshake())
        for raw in raws:
            self.assertEqual(raw.head().status, 101)
        for raw in raws:
            raw.socket.close()
