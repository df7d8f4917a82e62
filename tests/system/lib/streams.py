"""streams - terminals that speak plain HTTP: Server-Sent Events, polls, acks.

A StreamTerminal is a Terminal like the others: what an event carries is one of its frames, so it
tells what an orderbell.v1 terminal tells, in the same words.
"""

import http.client
import json
import socket
import threading
import urllib.parse

from clients import WITHIN_S, Terminal
from stack import request


def parse_events(lines):
    """The events of a stream, as a browser sees them: (name, last id, data), or None for a comment."""
    name, data, last_id = "message", [], None
    for raw in lines:
        line = raw.decode("utf-8").rstrip("\n")
        if line == "":
            if data:
                yield name, last_id, "\n".join(data)
            name, data = "message", []
        elif line.startswith(":"):
            yield None
        else:
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                last_id = value
            elif field == "retry":
                yield "retry", None, value


class StreamTerminal(Terminal):
    """Server-Sent Events.  names: of all events in order; last_id: the cursor a browser would bring."""

    def __init__(self, url, headers=None):
        super().__init__(v1=True)
        self.names = []
        self.ids = []
        self.last_id = None
        self.retry_ms = None
        self.n_comments = 0
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self.path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.headers = headers or {}
        self.socket = None
        self.reader = threading.Thread(target=self.run, daemon=True)
        self.reader.start()

    def run(self):
        try:
            self.connection.request("GET", self.path, headers=self.headers)
            self.socket = self.connection.sock  # the connection itself forgets it
            response = self.connection.getresponse()
            if response.status != 200:
                self.ended(status=response.status, error=response.read().decode())
                return
            self.opened(None)
            for event in parse_events(response):
                self.take(event)
            self.ended()
        except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:
            self.ended(error=repr(error))

    def take(self, event):
        if event is None:
            self.n_comments += 1
            return
        name, last_id, text = event
        if name == "retry":
            self.retry_ms = int(text)
            return
        self.last_id = last_id or self.last_id
        self.names.append(name)
        self.ids.append(last_id)
        if name == "bye":
            self.ended(json.loads(text)["code"])
        else:
            self.received(text)

    def close(self):
        if self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.reader.join(WITHIN_S)
        self.connection.close()


class Poll:
    """One poll.  events: its array; cursor: where the next goes on."""

    def __init__(self, url, after=None, wants_open=False, headers=()):
        parts = [("after", after)] if after else []
        if wants_open:
            parts.append(("open", "yes"))
        query = urllib.parse.urlencode(parts)
        joint = "&" if "?" in url else "?"
        self.answer = request(url + (joint + query if query else ""), headers=headers, within_s=30)
        self.status = self.answer.status
        self.events = self.answer.json() if self.status == 200 else []
        self.cursor = self.answer.header("Orderbell-Cursor")
        self.recovered = self.answer.header("Orderbell-Recovered") == "yes"
        self.caught_up = self.answer.header("Orderbell-Caught-Up") == "yes"
        self.open = self.answer.header("Orderbell-Open")


def poll_all(url, after=None):
    """Polls until it has caught up; gives all events and the cursor."""
    events = []
    for _ in range(1000):
        poll = Poll(url, after)
        events += poll.events
        after = poll.cursor
        if poll.caught_up:
            return events, after
    raise AssertionError(f"not caught up after 1000 polls: {after}")


def post_ack(url, seqs, headers=(), within_s=30):
    return request(url, "POST", {"Content-Type": "application/json", **dict(headers)},
                   json.dumps({"ack": seqs}).encode(), within_s)
