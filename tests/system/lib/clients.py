"""clients - terminals of every kind, with one face.

  with NodeTerminal(stack.ws_url(), v1=True) as terminal:
      terminal.wait_until_live()
      event = terminal.event_of(order.id)

All they receive is kept in `frames`, each with the time it came at, so that a test can also say
what must not have come.
"""

import asyncio
import json
import os
import shutil
import subprocess
import threading
import time

import websockets

HERE = os.path.dirname(os.path.abspath(__file__))
WITHIN_S = 20  # a busy machine takes its time; what never comes is never waited for
PAGE_S = 60  # for what is seen in a browser, which needs a processor or two
CHROMIUM = "/usr/bin/chromium"
FIREFOXES = ("firefox-esr", "firefox")


class Frame:
    """One message.  at: time.monotonic() when it was received."""

    def __init__(self, text, is_text=True):
        self.text = text
        self.is_text = is_text
        self.at = time.monotonic()

    @property
    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return ("" if self.is_text else "binary ") + repr(self.text)


class Terminal:
    """What all kinds share.  Subclasses call opened(), received() and ended() from any thread."""

    def __init__(self, v1=False):
        self.v1 = v1
        self.frames = []
        self.subprotocol = None
        self.status = None  # of the answer to the handshake, where it was refused
        self.close_code = None
        self.is_open = False
        self.is_ended = False
        self.error = ""
        self.live_from = 0  # the first of `frames` that tells of something new
        self.changed = threading.Condition()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"{type(self).__name__}({'v1' if self.v1 else 'plain'})"

    def opened(self, subprotocol):
        with self.changed:
            self.subprotocol = subprotocol or None
            self.is_open = True
            self.changed.notify_all()

    def received(self, text, is_text=True):
        with self.changed:
            self.frames.append(Frame(text, is_text))
            self.changed.notify_all()

    def ended(self, code=None, status=None, error=""):
        with self.changed:
            if not self.is_ended:
                self.close_code, self.status, self.error = code, status, error
            self.is_ended = True
            self.is_open = False
            self.changed.notify_all()

    # --- waiting ---

    def wait(self, condition, what, within_s=WITHIN_S):
        """Waits until condition() gives something; AssertionError, telling all, if it does not."""
        with self.changed:
            self.changed.wait_for(lambda: condition() or self.is_ended, within_s)
            got = condition()
            if not got:
                state = f"closed {self.close_code} {self.status or ''} {self.error}" \
                    if self.is_ended else "open"
                raise AssertionError(f"{self}: {what} not within {within_s} s; it is {state}; "
                                     f"frames: {self.frames}")
            return got

    def wait_open(self, within_s=WITHIN_S):
        self.wait(lambda: self.is_open, "open", within_s)
        return self

    def wait_ended(self, within_s=WITHIN_S):
        """Gives the close code."""
        self.wait(lambda: self.is_ended, "an end", within_s)
        return self.close_code

    def find(self, matches):
        """The first frame, as JSON, for which matches(json) is true; None without one."""
        for frame in list(self.frames):
            if frame.is_text:
                message = frame.json
                if matches(message):
                    return message
        return None

    def wait_for(self, matches, what, within_s=WITHIN_S):
        return self.wait(lambda: self.find(matches), what, within_s)

    def event_of(self, order_id, type_=1, within_s=WITHIN_S):
        return self.wait_for(lambda m: m.get("orderId") == order_id and m.get("type") == type_,
                             f"an event of type {type_} of order {order_id}", within_s)

    def wait_until_live(self, stack=None, within_s=WITHIN_S):
        """Until it hears what happens from now on: a v1 terminal is told so; a plain one is not,
        so `stack` rings for it (a live-only broadcast that it then forgets)."""
        if self.v1:
            self.wait_for(lambda m: "caught_up" in m, "caught_up", within_s)
            self.live_from = next(i for i, f in enumerate(self.frames) if "caught_up" in f.json)
            return self
        self.wait_open(within_s)
        deadline = time.monotonic() + within_s
        while True:
            stack.psql("""NOTIFY order_events, '{"type":1,"orderId":-1,"content":"hello"}'""")
            try:
                self.wait_for(lambda m: m.get("orderId") == -1, "a broadcast", 0.3)
                break
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
        return self

    def heard(self):
        """All events that came since it is live, without the broadcasts of wait_until_live()."""
        messages = [frame.json for frame in self.frames[self.live_from:]]
        return [m for m in messages if "type" in m and m.get("orderId") != -1]


# --- python3-websockets ---

class Loop:
    """One asyncio loop in a thread of its own, for all Python terminals."""

    running = None

    @classmethod
    def get(cls):
        if cls.running is None:
            cls.running = asyncio.new_event_loop()
            threading.Thread(target=cls.running.run_forever, daemon=True).start()
        return cls.running


class PythonTerminal(Terminal):
    """python3-websockets.  hello: the first frame of a v1 terminal, None to say nothing."""

    def __init__(self, url, v1=False, headers=None, hello=None, says_hello=True):
        super().__init__(v1)
        self.url = url
        self.headers = headers or {}
        self.hello = {"hello": 1, **(hello or {})} if v1 and says_hello else None
        self.socket = None
        self.task = asyncio.run_coroutine_threadsafe(self.run(), Loop.get())

    async def run(self):
        try:
            async with websockets.connect(
                    self.url, subprotocols=["orderbell.v1"] if self.v1 else None,
                    extra_headers=self.headers, max_size=None, open_timeout=WITHIN_S,
                    ping_interval=None) as socket:
                self.socket = socket
                self.opened(socket.subprotocol)
                if self.hello:
                    await socket.send(json.dumps(self.hello))
                async for data in socket:
                    self.received(data, isinstance(data, str))
            self.ended(socket.close_code)
        except websockets.InvalidStatusCode as error:
            self.ended(status=error.status_code, error=str(error))
        except websockets.ConnectionClosed as error:
            self.ended(error.rcvd.code if error.rcvd else 1006)
        except (OSError, asyncio.TimeoutError, websockets.WebSocketException) as error:
            self.ended(error=repr(error))

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, Loop.get()).result(WITHIN_S)

    def send(self, message):
        """message: text, bytes, or a list of either, which goes in fragments."""
        self.do(self.socket.send(message))

    def wait_until_read(self):
        """Until the server has read all that was sent: it answers a ping in its turn."""
        async def ping():
            await (await self.socket.ping())

        self.do(ping())

    def close(self):
        if self.socket is not None:
            try:
                asyncio.run_coroutine_threadsafe(self.socket.close(), Loop.get()).result(WITHIN_S)
            except (OSError, asyncio.TimeoutError, TimeoutError, websockets.WebSocketException):
                pass
        self.task.cancel()


# --- programs in other languages ---

def node_modules():
    """Where ws and playwright-core are, or why they cannot be used: (path, reason)."""
    if shutil.which("node") is None:
        return None, "Node.js is not installed"
    path = os.environ.get("NODE_PATH", "")
    if not os.path.isdir(os.path.join(path, "ws")):
        return None, "the Node modules are not installed (./bootstrap deps)"
    return path, None


def why_no_browser():
    """None where Chromium can be driven, else the reason."""
    if not os.access(CHROMIUM, os.X_OK):
        return f"{CHROMIUM} is not installed"
    path, reason = node_modules()
    if path is not None and not os.path.isdir(os.path.join(path, "playwright-core")):
        reason = "playwright-core is not installed (./bootstrap deps)"
    return reason


class Program:
    """A Node program that prints a JSON object a line, given to on_line(object) in a thread."""

    def __init__(self, script, arguments, on_line, on_end, env=None):
        self.on_line = on_line
        self.on_end = on_end
        self.process = subprocess.Popen(
            ["node", os.path.join(HERE, script), *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.on_line(json.loads(line))
        self.on_end(self.process.stderr.read())

    def say(self, thing):
        self.process.stdin.write(json.dumps(thing) + "\n")
        self.process.stdin.flush()

    def end(self):
        """Closing its input asks it to end."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(10)
        self.process.stdout.close()
        self.process.stderr.close()


class NodeTerminal(Terminal):
    """Node's `ws`."""

    def __init__(self, url, v1=False, headers=None, hello=None):
        super().__init__(v1)
        arguments = [url, json.dumps({
            "headers": headers or {}, "v1": v1,
            "hello": {"hello": 1, **(hello or {})} if v1 else None})]
        self.program = Program("ws_client.mjs", arguments, self.take, self.program_ended)

    def take(self, line):
        kind = line["kind"]
        if kind == "open":
            self.opened(line["subprotocol"])
        elif kind == "frame":
            self.received(line["text"], not line["isBinary"])
        elif kind == "refused":
            self.ended(status=line["status"])
        elif kind == "close":
            self.ended(line["code"])
        elif kind == "error":
            self.error = line["message"]

    def program_ended(self, errors):
        self.ended(error=errors.strip())

    def close(self):
        self.program.end()


class Browser:
    """One headless Chromium; pages and terminals inside it.  script: what drives it, browser.mjs or
    tabs.mjs; env: where its sound goes (ear.py)."""

    def __init__(self, *arguments, script="browser.mjs", executable=CHROMIUM, env=None):
        self.changed = threading.Condition()
        self.answers = {}
        self.terminals = {}
        self.last_id = 0
        self.errors = None
        arguments = [*([executable] if executable else []), *arguments]
        self.program = Program(script, arguments, self.take, self.program_ended, env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.end()

    def take(self, line):
        if "terminal" in line:
            self.terminals[line["terminal"]].take(line)
            return
        with self.changed:
            self.answers[line["id"]] = line
            self.changed.notify_all()

    def program_ended(self, errors):
        with self.changed:
            self.errors = errors
            self.changed.notify_all()

    def next_id(self):
        self.last_id += 1
        return self.last_id

    def do(self, what, within_s=200, **arguments):
        """Has the browser do something, gives the result.  What there is: browser.mjs."""
        number = self.next_id()
        self.program.say({"id": number, "do": what, **arguments})
        with self.changed:
            self.changed.wait_for(lambda: number in self.answers or self.errors is not None,
                                  within_s)
            answer = self.answers.pop(number, {"error": self.errors or f"{what}: no answer"})
        if "error" in answer:
            raise AssertionError(f"browser: {what} {arguments}: {answer['error']}")
        return answer.get("result")

    def console(self, url, **how):
        """Opens the merchant's page; gives a Console.  how: what browser.mjs takes."""
        return Console(self, self.do("open", url=url, **how))


class Console:
    """The merchant's page in a browser context of its own."""

    def __init__(self, browser, page):
        self.browser = browser
        self.page = page

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.do("close")

    def do(self, what, **arguments):
        return self.browser.do(what, page=self.page, **arguments)

    def evaluate(self, script):
        """The value of an expression in the page."""
        return self.do("evaluate", script=script)

    def wait(self, script, within_s=PAGE_S):
        """Waits until an expression in the page is true; gives its value."""
        return self.do("wait", script=script, withinMs=within_s * 1000)

    def wait_state(self, *states, within_s=PAGE_S):
        return self.wait(f"{json.dumps(states)}.find(s => s === document.body.dataset.state)",
                         within_s)

    def wait_connected(self, within_s=PAGE_S):
        return self.wait_state("connected", "muted", "hidden", within_s=within_s)

    def click(self, selector):
        self.do("click", selector=selector)

    def press(self, key):
        self.do("press", key=key)

    def reload(self):
        self.do("reload")

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")

    def is_shown(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).checkVisibility()")

    def cards(self):
        """What a person sees: [{kind, key, title, text, html, isSeen}], the newest first."""
        return self.evaluate("""[...document.querySelectorAll('#cards > li')].map(card => ({
            kind: card.dataset.kind, key: card.dataset.key,
            title: card.querySelector('h3').textContent, text: card.querySelector('p').textContent,
            html: card.querySelector('p').innerHTML, isSeen: card.classList.contains('seen')}))""")

    def waiting(self):
        """The texts of the cards that nobody has seen."""
        return [card["text"] for card in self.cards() if not card["isSeen"]]

    def day(self):
        """The texts of the day's list, the newest first."""
        return self.evaluate("[...document.querySelectorAll('#day p')].map(p => p.textContent)")

    def wait_card(self, text, within_s=PAGE_S):
        self.wait(f"document.getElementById('cards').textContent.includes({json.dumps(text)})",
                  within_s)
        return next(card for card in self.cards() if text in card["text"])

    def wait_no_card(self, text, within_s=PAGE_S):
        self.wait(f"!document.getElementById('cards').textContent.includes({json.dumps(text)})",
                  within_s)

    def click_card(self, text, selector="button"):
        """Clicks what the selector says in the card with that text."""
        key = next(card["key"] for card in self.cards() if text in card["text"])
        self.click(f"#cards [data-key={json.dumps(key)}] {selector}")

    def sounded(self):
        """How many sounds the page has begun."""
        return int(self.evaluate("document.body.dataset.sounded ?? 0"))

    def screenshot(self, path):
        self.do("screenshot", path=path)


class BrowserTerminal(Terminal):
    """Chromium's own WebSocket, opened by the script of a page of that origin."""

    def __init__(self, browser, page_url, url, v1=False):
        super().__init__(v1)
        number = browser.next_id()
        browser.terminals[number] = self
        self.browser = browser
        self.page = browser.do("terminal", terminal=number, pageUrl=page_url, url=url, v1=v1)

    def take(self, line):
        kind = line["kind"]
        if kind == "open":
            self.opened(line["subprotocol"])
        elif kind == "frame":
            self.received(line["text"], not line["isBinary"])
        elif kind == "close":
            self.ended(line["code"])

    def close(self):
        self.browser.do("close", page=self.page)
