"""fastcgi - a web server's side of FastCGI, well behaved or not (FastCGI specification 1.0)."""

import socket
import struct

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES = range(1, 10)
KEEP_CONNECTION = 1


def record(kind, content=b"", request_id=1):
    return struct.pack(">BBHHBx", 1, kind, request_id, len(content), 0) + content


def begin(flags=0):
    return record(BEGIN, struct.pack(">HB5x", 1, flags))


def length(n):
    return struct.pack(">B", n) if n < 128 else struct.pack(">I", n | 1 << 31)


def params(pairs):
    """The whole stream of parameters, its end included."""
    text = b""
    for name, value in pairs.items():
        name, value = name.encode(), value.encode()
        text += length(len(name)) + length(len(value)) + name + value
    return b"".join(record(PARAMS, text[i:i + 60000])
                    for i in range(0, len(text), 60000)) + record(PARAMS)


def stdin(body):
    return b"".join(record(STDIN, body[i:i + 60000])
                    for i in range(0, len(body), 60000)) + record(STDIN)


def cgi_variables(method, path, headers=(), body=b"", content_length=True):
    """What a host passes.  content_length: True: the true one, None: none, else that one."""
    pairs = {"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
             "REQUEST_METHOD": method, "SCRIPT_NAME": path, "QUERY_STRING": ""}
    if content_length is not None:
        pairs["CONTENT_LENGTH"] = str(len(body) if content_length is True else content_length)
    for name, value in dict(headers).items():
        pairs["HTTP_" + name.upper().replace("-", "_")] = value
    return pairs


class Reply:
    """The answer to one request.  ended: the program closed the request as the protocol says."""

    def __init__(self, output, ended):
        head, _, self.body = output.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n") if line]
        self.headers = {pair[0]: pair[1] for pair in lines if len(pair) == 2}
        self.status = int(self.headers.get("Status", "0").split()[0])
        self.ended = ended

    def __repr__(self):
        return f"{self.status} {self.body[:200]!r}"


class Connection:
    """One connection to the program's socket.  address: a path, or (host, port)."""

    def __init__(self, address, within_s=30):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(within_s)
        self.socket.connect(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read_exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            if not more:
                return None
            data += more
        return data

    def reply(self):
        """Reads one answer, or what there is of it until the program hangs up."""
        output = b""
        while True:
            head = self.read_exactly(8)
            if head is None:
                return Reply(output, False)
            _, kind, _, size, padding = struct.unpack(">BBHHBx", head)
            content = self.read_exactly(size + padding)
            if content is None:
                return Reply(output, False)
            if kind == STDOUT:
                output += content[:size]
            if kind == END:
                return Reply(output, True)


def ask(address, method, path, headers=(), body=b"", content_length=True, within_s=30):
    """One request on a connection of its own."""
    with Connection(address, within_s) as connection:
        variables = cgi_variables(method, path, headers, body, content_length)
        connection.send(begin() + params(variables) + stdin(body))
        return connection.reply()
