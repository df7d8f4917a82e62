"""pg - a PostgreSQL session for asyncio: SQL text out, rows in.  Trust authentication only.

Of a transaction that was under way when a session is lost nobody knows how it ended: Lost and
SqlError are told apart, because the second one is certain.
"""

import asyncio
import struct

from wire import Lost

PROTOCOL = 196608  # 3.0
CONNECT_S = 5


class SqlError(Exception):
    """The server refused a statement: what it was part of is rolled back."""

    def __init__(self, fields):
        super().__init__(f"{fields.get('C')}: {fields.get('M')}")
        self.state = fields.get("C", "")


class Session:
    """One session.  A query at a time."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.pid = 0

    @classmethod
    async def open(cls, port, user="postgres", database="orderbell"):
        """Lost: there is no server, or it takes nobody now."""
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                session = cls(reader, writer)
                try:
                    await session.start(user, database)
                except BaseException:
                    session.close()
                    raise
                return session
        except (OSError, TimeoutError, SqlError) as error:
            raise Lost(f"no session: {error!r}") from error

    async def start(self, user, database):
        words = "".join(f"{word}\0" for word in (
            "user", user, "database", database, "application_name", "chaos",
            "search_path", "orderbell,public")) + "\0"
        self.writer.write(struct.pack(">II", len(words) + 8, PROTOCOL) + words.encode())
        await self.answers()

    async def message(self):
        try:
            head = await self.reader.readexactly(5)
            kind, length = head[:1], int.from_bytes(head[1:], "big")
            return kind, await self.reader.readexactly(length - 4)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Lost("the session ended") from error

    async def answers(self):
        """All rows up to ReadyForQuery, each a tuple of texts.  SqlError: the first error."""
        rows, error = [], None
        while True:
            try:
                kind, body = await self.message()
            except Lost as lost:
                if error is not None:  # FATAL: the server's last word
                    raise Lost(f"the session ended: {error}") from lost
                raise
            if kind == b"D":
                rows.append(row_of(body))
            elif kind == b"E" and error is None:
                error = SqlError({field[:1]: field[1:] for field in body.decode().split("\0")})
            elif kind == b"K":
                self.pid = int.from_bytes(body[:4], "big")
            elif kind == b"R" and body != b"\0\0\0\0":
                raise Lost("the server wants a password")
            elif kind == b"Z":
                if error is not None:
                    raise error
                return rows

    async def query(self, sql, within_s=30):
        """Runs SQL; several statements are one transaction.  Gives their rows.  After Lost the
        session is of no use any more."""
        text = sql.encode() + b"\0"
        self.writer.write(b"Q" + struct.pack(">I", len(text) + 4) + text)
        try:
            async with asyncio.timeout(within_s):
                return await self.answers()
        except TimeoutError as error:
            self.close()
            raise Lost(f"no answer within {within_s} s") from error
        except Lost:
            self.close()
            raise

    def close(self):
        self.writer.transport.abort()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def row_of(body):
    n, at, row = int.from_bytes(body[:2], "big"), 2, []
    for _ in range(n):
        length = int.from_bytes(body[at:at + 4], "big", signed=True)
        at += 4
        row.append(None if length < 0 else body[at:at + length].decode())
        at += max(length, 0)
    return tuple(row)


def quote(text):
    return "'" + text.replace("'", "''") + "'"


class Patient:
    """A session that is opened anew when it was lost, for those who ask until they get an answer.
    Only for what may be asked twice."""

    def __init__(self, port):
        self.port = port
        self.session = None
        self.turn = asyncio.Lock()

    async def query(self, sql, within_s=60):
        """Lost: not within that time.  Several may ask: one after the other."""
        async with self.turn:
            return await self.query_alone(sql, within_s)

    async def query_alone(self, sql, within_s):
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while True:
            try:
                if self.session is None:
                    self.session = await Session.open(self.port)
                return await self.session.query(sql, within_s=min(20, within_s))
            except Lost:
                self.close()
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(0.1)

    def close(self):
        if self.session is not None:
            self.session.close()
        self.session = None
