/**
 * orderbell.js - hears of a merchant's events over orderbell.v1 (orderbell-protocol).
 * An ES module without dependencies and without DOM: pages, tills and mini-programs use it alike.
 *
 *   const bell = new Orderbell("wss://shop.example/ws/till-1", { getToken: () => token });
 *   bell.addEventListener("event", (e) => show(e.detail));
 *   bell.start();
 *
 * Told to listeners, each as {type, detail}:
 *   event      an OrderbellEvent: something to show, once
 *   state      {state, code?}: "connecting", "connected", "offline" (it will try again) or "stopped"
 *              (it will not: stop() was called, or the server refuses for good and `code` says why)
 *   caught_up  {top}: all that was missed has been told
 *   acked      {acked: [seq], by}: somebody has seen these
 *
 * @typedef {object} OrderbellEvent
 * @property {number} type 1 new order, 2 reminder, others are the shop's own
 * @property {number} [orderId]
 * @property {string} content text, never HTML
 * @property {number} [seq] counts the merchant's events; a live-only broadcast has none
 * @property {string} [epoch] changes when seqs may repeat
 * @property {string} [at] RFC 3339, UTC
 * @property {string} [acked] the terminal that has seen it already
 *
 * @typedef {{epoch: string, seq: number}} OrderbellCursor
 */

export const SUBPROTOCOL = "orderbell.v1";

/** Close codes after which a person must act: bad protocol, not authorised, forbidden. */
const FINAL_CODES = new Set([4400, 4401, 4403]);

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20000;
const STEADY_MS = 5000; // a connection that lasted this long was no failure
const OPEN_MS = 15000; // for the socket to open
const WELCOME_MS = 60000; // the server may be waiting for its database
const BEATS_MISSED_MAX = 2.4;

/** Full jitter: anywhere between at once and min(cap, base * 2^n). */
export function backoffMs(failures, random = Math.random) {
  return random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures);
}

export class Orderbell {
  #url;
  #options;
  #listeners = new Map();
  #state = "stopped";
  #socket = null;
  #failures = 0;
  #retryTimer; // while offline
  #silenceTimer; // while there is a socket
  #silentAfterMs; // how long this socket may say nothing
  #heardAt = 0;
  #connectedAt = 0;
  #epoch; // of the welcome
  #cursor;
  #isAhead = false; // events may come that do not move the cursor, until caught_up
  #ahead = new Set(); // those that came

  /**
   * @param {string} url where the WebSocket is: …/ws/{sid}
   * @param {object} [options]
   * @param {() => (string | undefined | Promise<string | undefined>)} [options.getToken] asked for
   *   before each hello
   * @param {() => string} [options.getAudio] "armed" or "blocked": can the person be reached by ear?
   * @param {OrderbellCursor} [options.cursor] what was seen before
   * @param {typeof WebSocket} [options.WebSocket] for tests and for other platforms
   * @param {() => number} [options.random] in place of Math.random, for tests
   */
  constructor(url, options = {}) {
    this.#url = url;
    this.#options = options;
    this.#cursor = options.cursor ?? null;
  }

  /** "connecting", "connected", "offline" or "stopped". */
  get state() {
    return this.#state;
  }

  /** Up to where all has been told; null before that is known.
   * @returns {OrderbellCursor | null} */
  get cursor() {
    return this.#cursor;
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
    this.#failures = 0;
    this.#connect();
  }

  stop() {
    this.#leave(1000);
    this.#setState("stopped");
  }

  /** The network or the person is back (online, pageshow, visibilitychange): wait no longer, and
   * do not trust a connection that has missed a heartbeat meanwhile. */
  retryNow() {
    const isStale = this.#socket && Date.now() - this.#heardAt > this.#silentAfterMs;
    if (isStale) this.#leave();
    if (isStale || this.#state === "offline") {
      clearTimeout(this.#retryTimer);
      this.#connect();
    }
  }

  /** Tells the server whether the person can be reached by ear: "armed" or "blocked". */
  sendAudio(audio) {
    if (this.#state === "connected") this.#send({ audio });
  }

  /** Says that a person has seen these events, by their seqs.  All terminals of the merchant are told
   * ("acked") once that is kept.  False: not connected, say it again later. */
  ack(seqs) {
    if (this.#state !== "connected") return false;
    this.#send({ ack: seqs });
    return true;
  }

  // --- the connection ---

  #connect() {
    const Socket = this.#options.WebSocket ?? WebSocket;
    this.#connectedAt = 0;
    this.#setState("connecting");
    if (this.#state !== "connecting") return; // a listener stopped us
    const socket = new Socket(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    socket.onopen = () => this.#hello(socket);
    socket.onmessage = (message) => this.#receive(socket, message.data);
    socket.onclose = (close) => this.#lost(socket, close.code);
    socket.onerror = () => {}; // a close follows
    this.#expectSound(socket, OPEN_MS);
  }

  async #hello(socket) {
    const hello = { hello: 1 };
    this.#expectSound(socket, WELCOME_MS);
    let token;
    try {
      token = await this.#options.getToken?.();
    } catch {
      // without one: the server says what it thinks of that
    }
    if (socket !== this.#socket) return;
    const audio = this.#options.getAudio?.();
    if (token) hello.token = token;
    if (this.#cursor) hello.after = this.#cursor;
    if (audio) hello.audio = audio;
    this.#send(hello);
  }

  #send(frame) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  /** A connection that is silent for too long is dead, whatever the browser believes. */
  #expectSound(socket, withinMs) {
    clearTimeout(this.#silenceTimer);
    this.#heardAt = Date.now();
    this.#silentAfterMs = withinMs;
    this.#silenceTimer = setTimeout(() => {
      if (socket !== this.#socket) return;
      this.#leave();
      this.#retryLater(1006);
    }, withinMs);
  }

  /** Ends the socket without hearing of it again. */
  #leave(code) {
    const socket = this.#socket;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  #lost(socket, code) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#silenceTimer);
    this.#socket = null;
    if (FINAL_CODES.has(code)) this.#setState("stopped", code);
    else this.#retryLater(code);
  }

  #retryLater(code) {
    const wasSteady = this.#connectedAt && Date.now() - this.#connectedAt > STEADY_MS;
    this.#failures = wasSteady ? 0 : this.#failures + 1;
    const waitMs = backoffMs(this.#failures, this.#options.random);
    this.#retryTimer = setTimeout(() => this.#connect(), waitMs);
    this.#setState("offline", code);
  }

  // --- what the server says ---

  #receive(socket, text) {
    if (socket !== this.#socket) return;
    this.#expectSound(socket, this.#silentAfterMs);
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame === null || typeof frame !== "object") return;
    if (frame.welcome) this.#welcome(socket, frame);
    else if (typeof frame.caught_up === "number") this.#caughtUp(frame.caught_up);
    else if (Array.isArray(frame.acked)) this.#tell("acked", { acked: frame.acked, by: frame.by });
    else if (typeof frame.type === "number") this.#take(frame);
    // Heartbeats, and frames of a later version, have done their work by coming.
  }

  #welcome(socket, frame) {
    this.#connectedAt = Date.now();
    this.#epoch = frame.epoch;
    // What is not told from the cursor on starts with the open ones: only caught_up, at its end,
    // says that nothing is missing below.
    this.#isAhead = !this.#cursor || frame.recovered !== true;
    if (this.#cursor?.epoch !== frame.epoch || this.#cursor.seq > frame.top) this.#cursor = null;
    if (frame.heartbeat > 0) this.#expectSound(socket, BEATS_MISSED_MAX * 1000 * frame.heartbeat);
    this.#setState("connected");
  }

  #caughtUp(top) {
    if (this.#epoch !== undefined) this.#cursor = { epoch: this.#epoch, seq: top };
    this.#isAhead = false;
    this.#ahead.clear();
    this.#tell("caught_up", { top });
  }

  #take(event) {
    if (event.seq !== undefined) {
      if (this.#wasTold(event)) return;
      if (this.#isAhead) this.#ahead.add(`${event.epoch}:${event.seq}`);
      else this.#cursor = { epoch: event.epoch, seq: event.seq };
    }
    this.#tell("event", event);
  }

  #wasTold({ epoch, seq }) {
    return (epoch === this.#cursor?.epoch && seq <= this.#cursor.seq) ||
      this.#ahead.has(`${epoch}:${seq}`);
  }

  // --- listeners ---

  #setState(state, code) {
    this.#state = state;
    this.#tell("state", { state, code });
  }

  /** A listener that throws keeps nobody else from hearing. */
  #tell(type, detail) {
    for (const listener of [...this.#listeners.get(type) ?? []]) {
      try {
        listener({ type, detail });
      } catch (error) {
        setTimeout(() => { throw error; });
      }
    }
  }
}
