/**
 * orderbell.js - hears of a merchant's events, and says which of them a person has seen.
 * An ES module without dependencies; needs no DOM, so pages, tills and mini-programs use it alike.
 *
 *   import { Orderbell } from "/console/orderbell.js";
 *   const bell = new Orderbell("/ws/till-1", { getToken: () => token });
 *   bell.addEventListener("event", ({ detail }) => show(detail));
 *   bell.addEventListener("ring", ({ detail }) => play(detail.events));
 *   bell.start(); // and when a person has seen it: bell.ack([event.seq])
 *
 * It speaks orderbell.v1 over WebSocket, where that is blocked it takes Server-Sent Events, else it
 * polls, and climbs back.  All tabs of a browser share one connection, in a SharedWorker, which
 * hidden tabs do not slow down.  What was told is kept in storage: a reload loses nothing.
 *
 * Told to listeners, each as {type, detail}:
 *   event      an OrderbellEvent: something to show, once
 *   ring       {events}: these want to be heard now.  Never what somebody has acked, and only in
 *              one tab: that which can sound
 *   acked      {acked: [seq], by?}: somebody has seen these: be silent
 *   state      {state, code?}: "connecting", "catching_up", "connected", "offline" (it tries again)
 *              or "stopped" (it does not: stop() was called, or the server refuses, `code` says why)
 *   caught_up  {top}: all that was missed has been told
 *   reset      {}: forget what was shown, what is open is told anew: another merchant, other
 *              numbers, a frozen tab
 *
 * @typedef {object} OrderbellEvent
 * @property {number} type 1 new order, 2 reminder, others are the shop's own
 * @property {number} [orderId]
 * @property {string} content text, never HTML
 * @property {number} [seq] counts the merchant's events; a broadcast has none
 * @property {string} [epoch] changes when seqs may repeat
 * @property {string} [at] RFC 3339, UTC
 * @property {string} [acked] the terminal that has seen it
 * @property {string} [amount]
 * @property {string} [currency]
 * @property {{name: string, quantity?: number, note?: string}[]} [items]
 * @property {number} [items_more] besides these
 * @property {string} [voice] to be spoken
 * @property {string} [language]
 *
 * @typedef {{epoch: string, seq: number}} OrderbellCursor
 * @typedef {"connecting" | "catching_up" | "connected" | "offline" | "stopped"} OrderbellState
 *
 * @typedef {object} OrderbellOptions
 * @property {(refused: boolean) => (string | undefined | Promise<string | undefined>)} [getToken]
 *   asked before each connection; `refused`: the server did not take the last one, or it has ended
 * @property {Pick<Storage, "getItem" | "setItem"> | null} [storage] null: keep nothing
 * @property {string | null} [worker] where this file is on the page's own origin, for the
 *   SharedWorker; null: a connection of this page's own
 * @property {new (url: string, protocol: string) => any} [WebSocket] for other platforms
 * @property {typeof fetch | null} [fetch] null: WebSocket or nothing
 * @property {() => number} [random] in place of Math.random, for tests
 */

export const SUBPROTOCOL = "orderbell.v1";

/** Close codes after which a person must act: bad protocol, not authorised, forbidden. */
const FINAL_CODES = new Set([4400, 4401, 4403]);
const UNAUTHORISED = 4401;
const LOST = 1006;

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20000;
const STEADY_MS = 5000; // a connection that lasted this long was no failure
const OPEN_MS = 15000; // for a connection to open, for an answer to come
const WELCOME_MS = 30000; // the server may be waiting for its database
const BEATS_MISSED_MAX = 2.4;
const POLL_MS = 2000;
const CLIMB_MIN_MS = 2000; // on a lower road: when to try the higher ones
const CLIMB_MAX_MS = 600000;
const ACKS_MAX = 400; // of one frame
const ACK_AGAIN_MS = 20000;
const OPEN_MAX = 20000; // un-acked events that are remembered
const SAVE_MS = 300;
const SAVE_MAX = 500000; // characters; what is more is told again after a reload
const STREAM_MAX = 1000000; // characters of a stream without an end of a line
const PING_MS = 20000; // worker to tabs
const WORKER_MS = 3000; // for the worker to answer

const scope = typeof globalThis === "object" ? globalThis : /** @type {any} */ ({});

/** Full jitter: anywhere between at once and min(cap, base * 2^n).
 * @param {number} failures */
export function backoffMs(failures, random = Math.random) {
  return random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures);
}

/** The connection to the server: the protocol, over the best road that gets through.  A link is one
 * try at it: {road, token, after, say?, hang(), heardAt, silentMs, welcomedAt}. */
class Line {
  state = "stopped";
  code;
  cursor = null; // up to where all has been told
  open = new Map(); // by seq: what was told and nobody has acked

  #url;
  #io; // {tell, save, getToken, getAudio, WebSocket, fetch, random}
  #roads;
  #road = 0;
  #link = null;
  #probe = null; // a link that may take the place of the one there is
  #nProbes = 0;
  #climbMs = CLIMB_MIN_MS;
  #failures = 0;
  #timers = {};
  #merchant;
  #epoch;
  #acks = new Set(); // said by a person, not yet known to be kept
  #isAhead = false; // what comes does not move the cursor, until caught_up
  #ahead = new Set(); // what came
  #missed = []; // told while catching up: rings at its end

  constructor(url, io) {
    this.#url = url;
    this.#io = io;
    this.#roads = [io.WebSocket && "ws", io.fetch && "events", io.fetch && "poll"].filter(Boolean);
  }

  /** `kept`: what was given to save() before. */
  start(kept) {
    if (this.state !== "stopped") return;
    if (kept && this.#epoch === undefined) this.#takeUp(kept);
    this.#failures = this.#road = 0;
    this.#climbMs = CLIMB_MIN_MS;
    this.#connect();
  }

  stop() {
    this.#hangUp(1000);
    this.#save();
    this.#clear(...Object.keys(this.#timers));
    this.#setState("stopped");
  }

  /** Something has changed outside: wait no longer.  A connection that missed a heartbeat is not
   * trusted then, with `isDoubtful` none is. */
  retry(isDoubtful) {
    const link = this.#link;
    const isStale = link && Date.now() - link.heardAt >= (isDoubtful ? 0 : link.silentMs / 2);
    if (isStale || this.state === "offline") this.#connect();
    else if (link && this.#road > 0 && !this.#probe) this.#climb();
  }

  sendAudio() {
    const link = this.#link;
    const audio = this.#io.getAudio();
    if (!link?.welcomedAt || !audio || audio === link.audio) return;
    link.audio = audio;
    if (link.say) link.say({ audio });
    else if (link.road === "events") this.#try("events"); // said when a stream begins
  }

  ack(seqs) {
    for (const seq of seqs) this.#acks.add(seq);
    this.#sendAcks(seqs);
    this.#changed();
  }

  /** What wants to be heard. */
  ringing() {
    return this.state === "connected" ? [...this.open.values()].filter((e) => this.#rings(e)) : [];
  }

  // --- links ---

  #connect() {
    this.#hangUp();
    this.#setState("connecting");
    if (this.state !== "connecting" || this.#link) return; // a listener stopped us
    this.#link = this.#dial(this.#roads[this.#road]);
  }

  #dial(road) {
    const link = { road, hang() {} };
    this.#expectSound(link, OPEN_MS);
    if (road === "ws") this.#openSocket(link);
    else this.#openHttp(link);
    return link;
  }

  #openSocket(link) {
    let socket;
    try {
      socket = new this.#io.WebSocket(this.#url, SUBPROTOCOL);
    } catch { // forbidden here
      this.#expectSound(link, 0);
      return;
    }
    link.hang = (code) => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(code);
    };
    link.say = (frame) => {
      if (socket.readyState === 1) socket.send(JSON.stringify(frame));
    };
    socket.onopen = () => this.#hello(link);
    socket.onmessage = ({ data }) => this.#receive(link, data);
    socket.onclose = ({ code }) => this.#lost(link, code);
    socket.onerror = () => {}; // a close follows
  }

  async #hello(link) {
    const hello = { hello: 1 };
    this.#expectSound(link, WELCOME_MS);
    link.token = await this.#io.getToken(false);
    if (!this.#isUp(link)) return;
    link.after = this.cursor;
    link.audio = this.#io.getAudio();
    if (link.token) hello.token = link.token;
    if (link.after) hello.after = link.after;
    if (link.audio) hello.audio = link.audio;
    link.say(hello);
  }

  async #openHttp(link) {
    const stopper = new AbortController();
    let code = LOST;
    link.hang = () => stopper.abort();
    link.signal = stopper.signal;
    try {
      link.token = await this.#io.getToken(false);
      await (link.road === "poll" ? this.#poll(link) : this.#stream(link));
    } catch (error) {
      code = error.closeCode ?? LOST;
    }
    this.#lost(link, code);
  }

  async #request(link, what, query, more) {
    const url = new URL(this.#url.replace(/^ws/, "http"));
    const headers = link.token ? { Authorization: `Bearer ${link.token}` } : {};
    url.pathname = url.pathname.replace(/\/ws\/([^/]*)$/, `/${what}/$1`);
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    const response = await this.#io.fetch(url.href,
      { headers, signal: link.signal, cache: "no-store", ...more });
    if (response.ok) return response;
    const closeCode = response.status === 401 ? UNAUTHORISED : LOST; // a 403 may be a proxy's
    throw Object.assign(new Error(`status ${response.status}`), { closeCode });
  }

  /** Where we are, and whether we can be heard. */
  #place(link) {
    link.after = this.cursor;
    link.audio = this.#io.getAudio();
    return { after: link.after && `${link.after.epoch}:${link.after.seq}`, audio: link.audio };
  }

  async #stream(link) {
    const reader = (await this.#request(link, "events", this.#place(link))).body.getReader();
    const decoder = new TextDecoder();
    let rest = "", data = "";
    this.#expectSound(link, WELCOME_MS);
    while (rest.length + data.length < STREAM_MAX) {
      const { done, value } = await reader.read();
      if (done || !this.#isUp(link)) return;
      this.#expectSound(link, link.silentMs);
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) data += line.slice(5);
        if (line !== "" || data === "") continue;
        this.#receive(link, data);
        data = "";
      }
    }
  }

  async #poll(link) {
    for (;;) {
      this.#expectSound(link, OPEN_MS);
      const place = this.#place(link);
      const response = await this.#request(link, "poll", { ...place, open: "yes" });
      const events = await response.json();
      const isWhole = this.#isUp(link) && this.#takePoll(link, response.headers, events);
      if (!this.#isUp(link)) return;
      clearTimeout(link.timer);
      const waitMs = POLL_MS * (0.75 + this.#io.random() / 2);
      if (isWhole) await new Promise((wake) => { this.#later("poll", wake, waitMs); });
    }
  }

  /** One answer is a welcome, events and perhaps caught_up.  Gives whether it was. */
  #takePoll(link, headers, events) {
    const [, epoch, top] = /^(.+):(\d+)$/.exec(headers.get("Orderbell-Cursor"));
    const from = headers.get("Orderbell-Open-From");
    const open = (headers.get("Orderbell-Open") ?? "").split(",").filter(Boolean).map(Number);
    this.#welcome(link, { merchant: Number(headers.get("Orderbell-Merchant")), epoch, top: Number(top),
      open, open_from: from ? Number(from) : undefined,
      recovered: headers.get("Orderbell-Recovered") === "yes" });
    if (!this.#isUp(link)) return false;
    for (const event of events) this.#take(event);
    if (headers.get("Orderbell-Caught-Up") === "no") this.#toldUpTo(Number(top));
    else this.#caughtUp(Number(top));
    return headers.get("Orderbell-Caught-Up") !== "no";
  }

  #isUp(link) {
    return link === this.#link || link === this.#probe;
  }

  /** A connection that is silent for too long is dead, whatever the browser believes. */
  #expectSound(link, withinMs) {
    clearTimeout(link.timer);
    link.heardAt = Date.now();
    link.silentMs = withinMs;
    link.timer = setTimeout(() => {
      if (this.#isUp(link)) link.hang();
      this.#lost(link, LOST);
    }, withinMs);
  }

  /** Ends the links without hearing of them again. */
  #hangUp(code) {
    const links = [this.#link, this.#probe];
    this.#link = this.#probe = null;
    this.#clear("retry", "climb", "poll");
    for (const link of links) {
      clearTimeout(link?.timer);
      link?.hang(code);
    }
  }

  #lost(link, code) {
    if (!this.#isUp(link)) return;
    clearTimeout(link.timer);
    if (link === this.#probe) {
      this.#probe = null;
      this.#climbLater();
      return;
    }
    this.#hangUp();
    if (!FINAL_CODES.has(code)) this.#retryLater(link, code);
    else if (code === UNAUTHORISED) this.#refused(link);
    else this.#setState("stopped", code);
  }

  #retryLater(link, code) {
    const isSteady = link.welcomedAt && Date.now() - link.welcomedAt > STEADY_MS;
    this.#failures = isSteady ? 0 : this.#failures + 1;
    // Where nothing came through, the next road may be open.
    if (!link.welcomedAt && code === LOST) this.#road = (this.#road + 1) % this.#roads.length;
    this.#later("retry", () => this.#connect(), backoffMs(this.#failures, this.#io.random));
    this.#setState("offline", code);
  }

  /** Not authorised: a fresh token may help; null, it could not be had now: perhaps later. */
  async #refused(link) {
    this.#setState("connecting");
    const token = await this.#io.getToken(true);
    if (this.state !== "connecting" || this.#link) return;
    const isFresh = token === null || token && token !== link.token;
    if (isFresh) this.#retryLater(link, UNAUTHORISED);
    else this.#setState("stopped", UNAUTHORISED);
  }

  #climbLater() {
    this.#later("climb", () => this.#climb(), this.#climbMs);
    this.#climbMs = Math.min(2 * this.#climbMs, CLIMB_MAX_MS);
  }

  #climb() {
    this.#clear("climb");
    this.#try(this.#roads[this.#nProbes++ % this.#road]);
  }

  #try(road) {
    clearTimeout(this.#probe?.timer);
    this.#probe?.hang();
    this.#probe = this.#dial(road);
  }

  // --- what the server says ---

  #receive(link, text) {
    if (!this.#isUp(link)) return;
    this.#expectSound(link, link.silentMs);
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame === null || typeof frame !== "object") return;
    if (frame.welcome) this.#welcome(link, frame);
    else if (typeof frame.type === "number") this.#take(frame);
    else if (typeof frame.caught_up === "number") this.#caughtUp(frame.caught_up);
    else if (Array.isArray(frame.acked)) this.#acked(frame.acked, frame.by);
    else if (typeof frame.code === "number") this.#lost(link, frame.code); // the end of a stream
    // Heartbeats, and frames of a later version, have done their work by coming.
  }

  #welcome(link, frame) {
    const isFirst = !link.welcomedAt;
    const isProbe = link === this.#probe;
    if (isProbe) {
      [this.#link, link] = [link, this.#link];
      this.#probe = null;
      this.#clear("poll");
      clearTimeout(link.timer);
      link.hang();
      link = this.#link;
    }
    if (isFirst) this.#settleOn(link, frame);
    this.#renumber(frame);
    // What is not told from the cursor on starts with the open ones: only caught_up, at its end,
    // says that nothing is missing below.
    this.#isAhead = !this.cursor || frame.recovered !== true;
    this.#ahead.clear();
    if (!this.#isAhead && frame.open && !this.#knowsOpen(link, frame)) {
      this.cursor = null; // all that is open anew
      this.#hangUp();
      this.#retryLater(link);
      return;
    }
    if (isFirst && !isProbe) this.#setState("catching_up");
    if (isFirst) this.#sendAcks([...this.#acks]);
  }

  #settleOn(link, { heartbeat }) {
    link.welcomedAt = Date.now();
    if (heartbeat > 0) this.#expectSound(link, BEATS_MISSED_MAX * 1000 * heartbeat);
    this.#road = this.#roads.indexOf(link.road);
    if (this.#road > 0) this.#climbLater();
    else this.#climbMs = CLIMB_MIN_MS;
  }

  /** Another merchant, another epoch, or numbers that went back: what we know is worth nothing. */
  #renumber({ merchant = this.#merchant, epoch, top }) {
    const isSame = merchant === (this.#merchant ?? merchant) && epoch === (this.#epoch ?? epoch) &&
      !(this.cursor?.seq > top);
    this.#merchant = merchant;
    this.#epoch = epoch;
    if (isSame) return;
    this.cursor = null;
    for (const set of [this.open, this.#acks, this.#ahead]) set.clear();
    this.#missed = [];
    this.#io.tell("reset", {});
  }

  /** What was acked while nobody listened here is no longer open.  False: there are open ones that
   * were never told. */
  #knowsOpen(link, { open, open_from: from }) {
    const isOpen = new Set(open);
    const upTo = link.after?.seq ?? 0;
    this.#gone((seq) => seq <= upTo && !isOpen.has(seq) && !(seq >= from));
    return open.every((seq) => this.open.has(seq) || seq > upTo);
  }

  #gone(isGone) {
    const seqs = [...this.open.keys()].filter(isGone);
    if (seqs.length > 0) this.#acked(seqs);
  }

  #toldUpTo(seq) {
    if (this.#isAhead) this.#gone((one) => one <= seq && !this.#ahead.has(one));
    if (this.#epoch !== undefined) this.cursor = { epoch: this.#epoch, seq };
    this.#isAhead = false;
    this.#ahead.clear();
    this.#changed();
  }

  #caughtUp(top) {
    this.#toldUpTo(top);
    for (const seq of this.#acks) if (!this.open.has(seq)) this.#acks.delete(seq);
    if (this.state === "connected") return; // of a poll, or of a higher road
    const events = this.#missed.filter((event) => this.#rings(event));
    this.#missed = [];
    this.#setState("connected");
    this.#io.tell("caught_up", { top });
    if (events.length > 0) this.#io.tell("ring", { events });
  }

  #take(event) {
    const { seq, epoch } = event;
    if (seq !== undefined) {
      if (epoch !== this.#epoch) this.#renumber(event);
      if (this.#isAhead ? this.#ahead.has(seq) : seq <= this.cursor?.seq) return;
      if (this.#isAhead) this.#ahead.add(seq);
      else this.cursor = { epoch, seq };
      this.#changed();
      if (this.open.has(seq)) return;
    }
    this.#show(event);
  }

  #show(event) {
    const isOpen = event.acked === undefined;
    if (isOpen && event.seq !== undefined) this.open.set(event.seq, event);
    if (this.open.size > OPEN_MAX) this.open.delete(this.open.keys().next().value);
    this.#io.tell("event", event);
    if (!isOpen) return;
    if (this.state === "connected") this.#io.tell("ring", { events: [event] });
    else this.#missed.push(event);
    if (this.#missed.length > OPEN_MAX) this.#missed.shift();
  }

  #rings({ seq }) {
    return seq === undefined || this.open.has(seq) && !this.#acks.has(seq);
  }

  #acked(seqs, by) {
    for (const set of [this.open, this.#acks]) for (const seq of seqs) set.delete(seq);
    this.#changed();
    this.#io.tell("acked", { acked: seqs, by });
  }

  // --- acks, and what is kept ---

  #sendAcks(seqs) {
    const link = this.#link;
    this.#clear("ack");
    if (this.#acks.size === 0) return;
    this.#later("ack", () => this.#sendAcks([...this.#acks]), ACK_AGAIN_MS);
    if (!link?.welcomedAt) return; // after the next welcome
    for (let i = 0; i < seqs.length; i += ACKS_MAX) {
      const ack = seqs.slice(i, i + ACKS_MAX);
      if (link.say) link.say({ ack });
      else this.#postAck(link, ack);
    }
  }

  async #postAck(link, ack) {
    try {
      await this.#request(link, "ack", {}, { method: "POST", body: JSON.stringify({ ack }) });
      this.#gone((seq) => ack.includes(seq));
    } catch { /* it is said again */ }
  }

  #takeUp({ merchant, epoch, seq, open, acks }) {
    this.#merchant = merchant;
    this.#epoch = epoch;
    this.cursor = { epoch, seq };
    this.#acks = new Set(acks);
    for (const event of open) this.#show(event);
  }

  #changed() {
    if (!this.#timers.save) this.#later("save", () => this.#save(), SAVE_MS);
  }

  #save() {
    const open = [...this.open.values()];
    if (!this.cursor) return;
    this.#io.save({ merchant: this.#merchant, ...this.cursor, open, acks: [...this.#acks] });
  }

  // --- small things ---

  #setState(state, code) {
    this.state = state;
    this.code = code;
    this.#io.tell("state", { state, code });
  }

  #later(name, call, ms) {
    this.#clear(name);
    this.#timers[name] = setTimeout(() => {
      this.#timers[name] = undefined;
      call();
    }, ms);
  }

  #clear(...names) {
    for (const name of names) {
      clearTimeout(this.#timers[name]);
      this.#timers[name] = undefined;
    }
  }
}

/** Between the line and the tabs, each {post(message)}: in the SharedWorker, or in the page itself
 * for that page alone. */
class Host {
  #platform;
  #line = null;
  #tabs = new Map(); // tab -> {audio, heardAt}
  #voice; // the tab that is to sound
  #waiting = new Set(); // for a token

  constructor(platform) {
    this.#platform = platform;
  }

  hear(tab, message) {
    const known = this.#tabs.get(tab);
    if (known) known.heardAt = Date.now();
    else if (message.do === "leave") return;
    else if (message.do !== "join") return void tab.post({ join: true }); // it was away for long
    switch (message.do) {
      case "join": this.#join(tab, message); break;
      case "leave": this.#leave(tab); break;
      case "ack": this.#line.ack(message.seqs); break;
      case "retry": this.#line.retry(message.isDoubtful); break;
      case "audio": known.audio = message.audio; this.#hearAgain(); break;
      case "token": this.#takeToken(message.token); break;
      default: // a pong
    }
  }

  #join(tab, { url, kept, audio }) {
    this.#line ??= new Line(url, {
      ...this.#platform,
      tell: (type, detail) => this.#tell(type, detail),
      save: (state) => this.#voice?.post({ save: state }),
      getToken: (refused) => this.#askToken(refused),
      getAudio: () => this.#audio(),
    });
    const line = this.#line;
    this.#tabs.set(tab, { audio, heardAt: Date.now() });
    tab.post({ snapshot: { state: line.state, code: line.code, open: [...line.open.values()],
      cursor: line.cursor } });
    this.#hearAgain();
    line.start(kept);
  }

  #leave(tab) {
    this.#tabs.delete(tab);
    if (this.#tabs.size === 0) this.#line.stop();
    this.#hearAgain();
  }

  /** Which tab sounds: that which has so far, unless it cannot and another one can. */
  #hearAgain() {
    const tabs = [...this.#tabs.keys()];
    const canSound = (tab) => this.#tabs.get(tab)?.audio === "armed";
    const old = this.#voice;
    if (!canSound(old)) this.#voice = tabs.find(canSound) ?? (this.#tabs.has(old) ? old : tabs[0]);
    this.#line.sendAudio();
    if (this.#voice === old) return;
    old?.post({ voice: false });
    this.#voice?.post({ voice: true });
    const events = this.#line.ringing();
    if (events.length > 0) this.#tell("ring", { events });
  }

  /** One tab that can sound is enough to be heard. */
  #audio() {
    const all = [...this.#tabs.values()].map(({ audio }) => audio);
    return ["armed", "blocked"].find((audio) => all.includes(audio));
  }

  #tell(type, detail) {
    const message = { type, detail, cursor: this.#line.cursor };
    if (type === "ring") this.#voice?.post(message);
    else for (const tab of [...this.#tabs.keys()]) tab.post(message);
  }

  #askToken(refused) {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      for (const tab of [...this.#tabs.keys()]) tab.post({ ask: "token", refused });
    });
  }

  /** The first tab's answer counts. */
  #takeToken(token) {
    for (const resolve of this.#waiting) resolve(token);
    this.#waiting.clear();
  }

  /** Tabs that crashed or are frozen can neither show nor sound. */
  ping() {
    for (const [tab, { heardAt }] of [...this.#tabs]) {
      if (Date.now() - heardAt > 2.5 * PING_MS) this.#leave(tab);
      else tab.post({ ping: true });
    }
  }
}

/* This file is the SharedWorker's script too. */
if (scope.SharedWorkerGlobalScope && scope instanceof scope.SharedWorkerGlobalScope) {
  const host = new Host(platformOf({}));
  setInterval(() => host.ping(), PING_MS);
  scope.onconnect = ({ ports: [port] }) => {
    const tab = { post: (message) => port.postMessage(message) };
    port.onmessage = ({ data }) => host.hear(tab, data);
    port.postMessage({});
  };
}

/** @param {OrderbellOptions} options */
function platformOf({ WebSocket = scope.WebSocket, fetch, random = Math.random }) {
  const canStream = typeof scope.fetch === "function" && typeof TextDecoder === "function";
  if (fetch === undefined && canStream) fetch = (...how) => scope.fetch(...how);
  return { WebSocket, fetch, random };
}

export class Orderbell {
  #url;
  #options;
  #storage;
  #key;
  #listeners = new Map();
  #isOn = false; // start() was called, stop() was not
  /** @type {OrderbellState} */
  #state = "stopped";
  /** @type {OrderbellCursor | null} */
  #cursor = null;
  #audio;
  #isVoice = false;
  #hasShown = false;
  #post = null; // to the host

  /**
   * @param {string} url where the WebSocket is: …/ws/{sid}; a page may leave out its own origin
   * @param {OrderbellOptions} [options]
   */
  constructor(url, options = {}) {
    const absolute = scope.location ? new URL(url, scope.location.href).href : url;
    this.#url = absolute.replace(/^http/, "ws");
    this.#options = options;
    this.#storage = options.storage === undefined ? ownStorage() : options.storage;
    this.#key = `orderbell ${this.#url.replace(/[^/?]*(\?|$)/, "$1")}`;
    this.#watch();
  }

  /** @returns {OrderbellState} */
  get state() {
    return this.#state;
  }

  /** Up to where all has been told; null before that is known.
   * @returns {OrderbellCursor | null} */
  get cursor() {
    return this.#cursor;
  }

  /** Whether this tab is the one that is to sound. */
  get isVoice() {
    return this.#isVoice;
  }

  /** @param {string} type @param {(e: {type: string, detail: any}) => void} listener */
  addEventListener(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
  }

  /** @param {string} type @param {(e: {type: string, detail: any}) => void} listener */
  removeEventListener(type, listener) {
    this.#listeners.get(type)?.delete(listener);
  }

  /** Connects, and stays connected.  Also after the server refused, once a person has acted. */
  start() {
    if (this.#state !== "stopped") return;
    this.#isOn = true;
    this.#state = "connecting";
    this.#post ??= this.#openWorker() ?? this.#openOwn();
    this.#join();
  }

  /** This tab hears no more; others may. */
  stop() {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#post({ do: "leave" });
    this.#setState("stopped");
  }

  /** Connects anew, as after another token; for all tabs. */
  restart() {
    if (this.#state === "stopped") this.start();
    else this.retryNow(true);
  }

  /** Waits no longer for the next try.  In a page that happens by itself (online, pageshow,
   * visibilitychange); a mini-program calls it when it is shown. */
  retryNow(isDoubtful = false) {
    if (this.#isOn) this.#post({ do: "retry", isDoubtful });
  }

  /** Says whether the person can be reached by ear: the server is told, and the "ring"s go to a tab
   * that can sound.
   * @param {"armed" | "blocked"} audio */
  sendAudio(audio) {
    if (audio === this.#audio) return;
    this.#audio = audio;
    if (this.#isOn) this.#post({ do: "audio", audio });
  }

  /** Says that a person has seen these events, by their seqs: again and again, over reloads too,
   * until the server has kept it, which "acked" tells.
   * @param {number[]} seqs */
  ack(seqs) {
    if (!this.#isOn) return;
    const kept = this.#kept(); // the page may end before anything else is done
    if (kept?.epoch === this.#cursor?.epoch) this.#keep({ ...kept, acks: [...kept.acks, ...seqs] });
    this.#post({ do: "ack", seqs });
  }

  // --- the host: a worker's, or our own ---

  #openOwn() {
    const host = new Host(platformOf(this.#options));
    const tab = { post: (message) => this.#hear(message) };
    return (message) => host.hear(tab, message);
  }

  #openWorker() {
    const { worker = this.#url.replace(/^ws/, "http").replace(/ws\/[^/]*$/, "console/orderbell.js"),
      WebSocket } = this.#options;
    if (!scope.SharedWorker || !worker || WebSocket) return null;
    let port;
    try {
      const options = { type: "module", name: `orderbell 1 ${this.#url}` };
      port = new SharedWorker(worker, /** @type {any} */ (options)).port;
    } catch {
      return null; // another origin's, or forbidden
    }
    // Where it does not come up (an old browser, a file that is not there), we do without.
    const timer = setTimeout(() => {
      port.onmessage = null;
      port.postMessage({ do: "leave" });
      this.#post = this.#openOwn();
      if (this.#isOn) this.#join();
    }, WORKER_MS);
    port.onmessage = ({ data }) => {
      clearTimeout(timer);
      this.#hear(data);
    };
    return (message) => port.postMessage(message);
  }

  #join() {
    this.#post({ do: "join", url: this.#url, kept: this.#kept(), audio: this.#audio });
  }

  #hear({ ask, refused, ping, save, voice, join, snapshot, type, detail, cursor }) {
    if (ask) this.#answer(refused);
    if (ping) this.#post({ do: "pong" });
    if (save) this.#keep(save);
    if (voice !== undefined) this.#isVoice = voice;
    if (!this.#isOn) return;
    if (join) this.#join();
    if (snapshot) this.#take(snapshot);
    if (!type) return;
    this.#cursor = cursor;
    if (type === "state") this.#setState(detail.state, detail.code);
    else this.#tell(type, detail);
  }

  async #answer(refused) {
    let token;
    try {
      token = await this.#options.getToken?.(refused);
    } catch {
      token = null;
    }
    this.#post({ do: "token", token });
  }

  /** A tab that comes, or comes back. */
  #take({ state, code, open, cursor }) {
    this.#cursor = cursor;
    if (this.#hasShown) this.#tell("reset", {});
    for (const event of open) this.#tell("event", event);
    if (state === "stopped") return;
    this.#setState(state, code);
    if (state === "connected") this.#tell("caught_up", { top: cursor?.seq });
  }

  // --- the page's life ---

  #watch() {
    const on = (name, call) => scope.addEventListener?.(name, (e) => this.#isOn && call(e));
    on("online", () => this.retryNow());
    on("offline", () => this.retryNow(true));
    on("pagehide", () => this.#post({ do: "leave" }));
    on("pageshow", ({ persisted }) => {
      if (persisted) this.#join();
    });
    on("focus", () => this.retryNow());
    scope.document?.addEventListener("visibilitychange", () => {
      if (!scope.document.hidden) this.retryNow();
    });
  }

  // --- storage ---

  #kept() {
    try {
      const kept = JSON.parse(this.#storage.getItem(this.#key));
      const isWhole = kept.epoch && kept.seq >= 0 && Array.isArray(kept.open) && Array.isArray(kept.acks);
      return isWhole ? kept : null;
    } catch {
      return null;
    }
  }

  #keep(state) {
    const text = JSON.stringify(state);
    try {
      this.#storage?.setItem(this.#key, text.length > SAVE_MAX ? "" : text);
    } catch { /* full, or forbidden */ }
  }

  // --- listeners ---

  #setState(state, code) {
    this.#state = state;
    this.#tell("state", { state, code });
  }

  /** A listener that throws keeps nobody else from hearing. */
  #tell(type, detail) {
    if (type === "event") this.#hasShown = true;
    for (const listener of [...this.#listeners.get(type) ?? []]) {
      try {
        listener({ type, detail });
      } catch (error) {
        setTimeout(() => { throw error; });
      }
    }
  }
}

function ownStorage() {
  try {
    return scope.localStorage ?? null;
  } catch {
    return null;
  }
}
