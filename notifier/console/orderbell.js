/**
 * orderbell.js - hears of a merchant's events over orderbell.v1 (orderbell-protocol).
 * An ES module without dependencies and without DOM: pages, tills and mini-programs use it alike.
 *
 *   const bell = new Orderbell("wss://shop.example/ws/till-1", { getToken: () => token });
 *   bell.addEventListener("event", (e) => show(e.detail));
 *   bell.start();
 *
 * Events dispatched, each with `detail`:
 *   event      {type, orderId, content, seq?, epoch?, at?, acked?}: something to show, once
 *   state      {state, code?}: "connecting" | "connected" | "offline" | "stopped"
 *   caught_up  {top}: what was missed has been told
 *   acked      {acked: [seq], by}: somebody has seen these
 */

export const SUBPROTOCOL = "orderbell.v1";

/** Close codes after which a person must act: the protocol was broken, or there is no right. */
const FINAL_CODES = new Set([4400, 4401, 4403]);

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20000;
const SEEN_MAX = 2000;

/** Full jitter: anywhere between at once and min(cap, base * 2^n). */
export function backoffMs(failures, random = Math.random) {
  return random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures);
}

export class Orderbell extends EventTarget {
  /**
   * @param {string} url where the WebSocket is: …/ws/{sid}
   * @param {object} [options]
   * @param {() => (string | undefined | Promise<string | undefined>)} [options.getToken] asked for
   *   before each hello
   * @param {() => string} [options.getAudio] "armed" or "blocked": can the person be reached by ear?
   * @param {{epoch: string, seq: number} | null} [options.cursor] what was seen before
   * @param {typeof WebSocket} [options.WebSocket] for tests and for other platforms
   */
  constructor(url, options = {}) {
    super();
    this.url = url;
    this.options = options;
    /** The last event seen; keep it to go on after a reload. */
    this.cursor = options.cursor ?? null;
    this.state = "stopped";
    this.failures = 0;
    this.seen = new Set();
    this.socket = null;
    this.timer = null;
    this.silence = null;
    this.heartbeatMs = 0;
  }

  start() {
    if (this.state === "stopped") this.connect();
  }

  stop() {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close(1000);
    this.setState("stopped");
  }

  /** The network or the person is back: do not wait any longer. */
  retryNow() {
    if (this.state !== "offline") return;
    clearTimeout(this.timer);
    this.connect();
  }

  /** Tells the server whether the person can be reached by ear. */
  sendAudio(audio) {
    if (this.state === "connected") this.send({ audio });
  }

  /** @private */
  send(frame) {
    if (this.socket && this.socket.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  /** @private */
  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @private */
  setState(state, code) {
    this.state = state;
    this.tell("state", { state, code });
  }

  /** @private */
  connect() {
    const Socket = this.options.WebSocket ?? WebSocket;
    let socket;
    this.setState("connecting");
    try {
      socket = new Socket(this.url, SUBPROTOCOL);
    } catch {
      this.lost(null, 0);
      return;
    }
    this.socket = socket;
    socket.onopen = () => this.hello(socket);
    socket.onmessage = (message) => this.receive(socket, message.data);
    socket.onclose = (close) => this.lost(socket, close.code);
    this.expectSound(socket, 15000);
  }

  /** A connection that has been silent for too long is dead, whatever the browser believes.
   * @private */
  expectSound(socket, withinMs) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      if (socket !== this.socket) return;
      socket.onclose = null;
      socket.close();
      this.lost(socket, 1006);
    }, withinMs);
  }

  /** @private */
  async hello(socket) {
    const hello = { hello: 1 };
    let token;
    try {
      token = await this.options.getToken?.();
    } catch {
      token = undefined;
    }
    if (socket !== this.socket) return;
    if (token) hello.token = token;
    if (this.cursor) hello.after = this.cursor;
    const audio = this.options.getAudio?.();
    if (audio) hello.audio = audio;
    this.send(hello);
  }

  /** @private */
  receive(socket, text) {
    if (socket !== this.socket) return;
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    this.expectSound(socket, this.heartbeatMs ? 2.4 * this.heartbeatMs : 60000);
    if (frame.welcome) this.welcome(frame);
    else if ("caught_up" in frame) this.tell("caught_up", { top: frame.caught_up });
    else if (Array.isArray(frame.acked)) this.tell("acked", { acked: frame.acked, by: frame.by });
    else if (typeof frame.type === "number") this.take(frame);
    // Other frames belong to a later version.
  }

  /** @private */
  welcome(frame) {
    this.failures = 0;
    this.heartbeatMs = 1000 * (frame.heartbeat ?? 25);
    this.epoch = frame.epoch;
    this.setState("connected");
  }

  /** @private */
  take(frame) {
    if (frame.seq !== undefined) {
      const key = `${frame.epoch}:${frame.seq}`;
      if (this.seen.has(key)) return;
      this.seen.add(key);
      if (this.seen.size > SEEN_MAX) this.seen.delete(this.seen.values().next().value);
      this.cursor = { epoch: frame.epoch, seq: frame.seq };
    }
    this.tell("event", frame);
  }

  /** @private */
  lost(socket, code) {
    if (socket !== this.socket) return;
    clearTimeout(this.silence);
    this.socket = null;
    if (FINAL_CODES.has(code)) {
      this.setState("stopped", code);
      return;
    }
    this.setState("offline", code);
    this.timer = setTimeout(() => this.connect(), backoffMs(this.failures));
    this.failures += 1;
  }
}
