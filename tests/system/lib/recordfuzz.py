"""recordfuzz - FastCGI as nobody speaks it: streams of records from a seed, and how they end.

stream(seed, i, …) is the i-th stream of a seed, always the same bytes.  A tame one is odd in every
way but one: lengths are true.  libfcgi ends the process for some that are not (it asserts that it
gets as much memory as a parameter says it needs), and a wild stream may say anything.
"""

import random
import socket
import struct

import fastcgi

LENGTHS = (0, 1, 7, 127, 128, 255, 4096, 32767, 65535)
ABSURD = (0x80000000, 0x80000001, 0xFFFFFFFF, 0xFFFFFFFE, 0xC0000000, 0x80010000)
NAMES = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "CONTENT_LENGTH", "QUERY_STRING",
         "HTTP_WEBHOOK_ID", "HTTP_WEBHOOK_TIMESTAMP", "HTTP_WEBHOOK_SIGNATURE",
         "HTTP_WECHATPAY_SERIAL", "HTTP_WECHATPAY_SIGNATURE", "HTTP_AUTHENTICATION", "", "A")
PATHS = ("/notify/webhook", "/notify/paySuccess", "/notify/alipay", "/user/order/payment",
         "/user/order/reminder/1", "/healthz", "/metrics", "/", "")


def noise(dice, n):
    return dice.randbytes(n)


def pair(dice, wild):
    """A name and a value; a wild one's lengths may be anything."""
    name = dice.choice(NAMES).encode() or noise(dice, dice.choice(LENGTHS[:6]))
    value = dice.choice((
        dice.choice(PATHS).encode(), b"POST", b"PUT", b"GET", b"HEAD", b"-1", b"99999999999999999",
        noise(dice, dice.choice(LENGTHS[:7])), b"x" * dice.choice(LENGTHS)))
    said = [fastcgi.length(len(name)), fastcgi.length(len(value))]
    if dice.random() < 0.2:  # four bytes where one would do
        said = [struct.pack(">I", len(name) | 1 << 31), struct.pack(">I", len(value) | 1 << 31)]
    if wild and dice.random() < 0.2:
        said[dice.randrange(2)] = struct.pack(
            ">I", dice.choice((dice.choice(ABSURD), 1 << 31 | dice.randrange(70000))))
    return said[0] + said[1] + name + value


def record(dice, kind, content, wild):
    """A record, now and then with padding, another id or version, or a length that is not true."""
    content = content[:65535]
    version, request_id, padding, size = 1, 1, 0, len(content)
    if dice.random() < 0.2:
        padding = dice.randrange(256)
    if wild and dice.random() < 0.1:
        request_id = dice.randrange(65536)  # a piece that is passed over moves all lengths
    if dice.random() < 0.05:
        version = dice.randrange(256)
    if wild and dice.random() < 0.05:
        size = dice.randrange(65536)
    head = struct.pack(">BBHHBB", version, kind, request_id, size, padding, dice.randrange(256))
    return head + content + b"\0" * padding


def records(dice, kind, text, wild):
    """A stream of one kind, in records of any length, mostly with its end."""
    made = b""
    while text:
        n = dice.choice((1, 8, 100, 1000, 65535))
        made += record(dice, kind, text[:n], wild)
        text = text[n:]
    return made + (record(dice, kind, b"", wild) if dice.random() < 0.9 else b"")


def conversation(dice, wild):
    """A request, more or less, with other records thrown in."""
    body = noise(dice, dice.choice((0, 1, 500, 65535, 70000)))
    params = b"".join(pair(dice, wild) for _ in range(dice.randrange(12)))
    parts = [fastcgi.begin(dice.choice((0, 0, 1, 255))),
             records(dice, fastcgi.PARAMS, params, wild), records(dice, fastcgi.STDIN, body, wild)]
    others = (
        fastcgi.begin, lambda: fastcgi.record(fastcgi.STDIN, b"x" * 9, dice.randrange(2, 65536)),
        lambda: record(dice, fastcgi.ABORT, b"", wild),
        lambda: record(dice, fastcgi.GET_VALUES, pair(dice, wild), wild),
        lambda: record(dice, fastcgi.DATA, noise(dice, 100), wild),
        lambda: record(dice, dice.randrange(12, 256), noise(dice, 255), wild),
        lambda: record(dice, 1, struct.pack(">HB5x", dice.randrange(65536), dice.randrange(256)),
                       wild),
        lambda: noise(dice, dice.randrange(64)) if wild else b"")
    for _ in range(dice.choice((0, 0, 1, 3))):
        parts.insert(dice.randrange(len(parts) + 1), dice.choice(others)())
    if dice.random() < 0.1:
        dice.shuffle(parts)
    return b"".join(parts)


def mutated(dice, good):
    """Bytes of a good request, some of them changed, doubled or gone."""
    data = bytearray(good)
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        at = dice.randrange(len(data))
        how = dice.randrange(4)
        if how == 0:
            data[at] = dice.randrange(256)
        elif how == 1:
            data[at] ^= 1 << dice.randrange(8)
        elif how == 2:
            del data[at:at + dice.choice((1, 8, 100))]
        else:
            data[at:at] = data[at:at + dice.choice((1, 8, 100))]
        if not data:
            break
    return bytes(data)


def stream(seed, i, good, wild):
    """The i-th stream: made up, or, where it may be wild, a mutation of a good one."""
    dice = random.Random(f"{seed}-{i}")
    data = mutated(dice, good) if wild and dice.random() < 0.5 else conversation(dice, wild)
    if dice.random() < 0.2:
        data = data[:dice.randrange(len(data) + 1)]
    return data


def throw(path, data, dice):
    """Sends it on a connection of its own, and looks at what comes, or not.  True when the program
    took the connection."""
    try:
        with fastcgi.Connection(path, within_s=0.5) as connection:
            connection.send(data)
            if dice.random() < 0.8:
                connection.socket.shutdown(socket.SHUT_WR)
                if dice.random() < 0.7:
                    connection.reply()
    except (TimeoutError, ConnectionResetError, BrokenPipeError, ValueError, UnicodeDecodeError):
        pass  # it read no more, hung up, or its answer was cut short
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True
