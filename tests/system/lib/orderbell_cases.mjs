// orderbell_cases.mjs ORDERBELL_JS CASE - one case of the client library, with a socket and a clock
// of its own.  Each exported function is a case; its name is a sentence.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

/* --- a clock that goes when it is told to --- */

let nowMs = 1000000;
let timers = [];
let lastTimer = 0;
globalThis.setTimeout = (call, ms = 0) => {
  timers.push({ id: ++lastTimer, at: nowMs + ms, call });
  return lastTimer;
};
globalThis.clearTimeout = (id) => { timers = timers.filter((timer) => timer.id !== id); };
Date.now = () => nowMs;

function pass(ms) {
  const end = nowMs + ms;
  for (;;) {
    const due = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
    if (!due) break;
    timers = timers.filter((timer) => timer !== due);
    nowMs = Math.max(nowMs, due.at);
    due.call();
  }
  nowMs = end;
}

// Lets what awaits go on.
async function settle() {
  for (let i = 0; i < 10; i++) await null;
}

/* --- a socket whose other end is the case --- */

class Socket {
  static all = [];
  static get last() { return Socket.all.at(-1); }

  constructor(url, protocol) {
    Object.assign(this, { url, protocol, readyState: 0, sent: [], closedWith: undefined });
    Socket.all.push(this);
  }
  send(text) { this.sent.push(JSON.parse(text)); }
  close(code) { this.readyState = 3; this.closedWith = code ?? 1005; }

  async open() { this.readyState = 1; this.onopen?.(); await settle(); }
  says(...frames) { for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) }); }
  ends(code) { this.readyState = 3; this.onclose?.({ code }); }
}

const { Orderbell, backoffMs } = await import(pathToFileURL(process.argv[2]));

function make(options = {}) {
  const bell = new Orderbell("wss://shop.example/ws/till-1",
    { WebSocket: Socket, random: () => 0.5, ...options });
  const told = { event: [], state: [], caught_up: [], acked: [] };
  for (const type of Object.keys(told)) {
    bell.addEventListener(type, (e) => told[type].push(e.detail));
  }
  return { bell, told, states: () => told.state.map((s) => s.state) };
}

const event = (seq, epoch = "e1") => ({ type: 1, orderId: seq, content: `订单号:${seq}`, seq, epoch,
  at: "2026-11-22T10:00:00.123Z" });
const welcome = (top, more) => ({ welcome: 1, merchant: 1, epoch: "e1", top, recovered: true,
  open: [], heartbeat: 25, ...more });

async function connected(options, top = 0, more = {}) {
  const made = make(options);
  made.bell.start();
  await Socket.last.open();
  Socket.last.says(welcome(top, more), { caught_up: top });
  return made;
}

async function reconnect(bell) {
  const before = Socket.all.length;
  Socket.last.ends(1006);
  for (let i = 0; i < 20 && Socket.all.length === before; i++) pass(1000);
  assert.equal(Socket.all.length, before + 1);
  await Socket.last.open();
}

/* --- cases --- */

export async function it_offers_the_subprotocol_and_says_hello() {
  const { bell } = make({ getToken: async () => "t0ken", getAudio: () => "armed" });
  bell.start();
  assert.equal(Socket.last.url, "wss://shop.example/ws/till-1");
  assert.equal(Socket.last.protocol, "orderbell.v1");
  await Socket.last.open();
  assert.deepEqual(Socket.last.sent, [{ hello: 1, token: "t0ken", audio: "armed" }]);
}

export async function without_a_token_and_a_cursor_the_hello_has_none() {
  const { bell } = make({ getToken: () => { throw new Error("no storage"); } });
  bell.start();
  await Socket.last.open();
  assert.deepEqual(Socket.last.sent, [{ hello: 1 }]);
}

export async function it_tells_its_states() {
  const { bell, states } = await connected();
  Socket.last.ends(1006);
  bell.stop();
  assert.deepEqual(states(), ["connecting", "connected", "offline", "stopped"]);
}

export async function each_event_is_told_once() {
  const { bell, told } = await connected();
  Socket.last.says(event(1), event(2), event(2), event(1), event(3));
  await reconnect(bell);
  Socket.last.says(welcome(3), event(2), event(3), { caught_up: 3 }, event(4), event(4));
  assert.deepEqual(told.event.map((e) => e.seq), [1, 2, 3, 4]);
}

export async function a_broadcast_without_a_seq_is_told_each_time() {
  const { told, bell } = await connected();
  const broadcast = { type: 2, orderId: 5, content: "hello" };
  Socket.last.says(broadcast, broadcast);
  assert.deepEqual(told.event, [broadcast, broadcast]);
  assert.deepEqual(bell.cursor, { epoch: "e1", seq: 0 });
}

export async function the_cursor_follows_the_events_and_goes_into_the_next_hello() {
  const { bell } = await connected({}, 40);
  Socket.last.says(event(41), event(42));
  assert.deepEqual(bell.cursor, { epoch: "e1", seq: 42 });
  await reconnect(bell);
  assert.deepEqual(Socket.last.sent, [{ hello: 1, after: { epoch: "e1", seq: 42 } }]);
}

export async function a_cursor_that_was_kept_goes_into_the_first_hello() {
  const { bell } = make({ cursor: { epoch: "e1", seq: 7 } });
  bell.start();
  await Socket.last.open();
  assert.deepEqual(Socket.last.sent[0].after, { epoch: "e1", seq: 7 });
}

export async function open_events_before_caught_up_do_not_move_the_cursor() {
  const { bell, told } = make();
  bell.start();
  await Socket.last.open();
  Socket.last.says(welcome(44, { recovered: false }), event(3), event(40));
  assert.equal(bell.cursor, null);
  await reconnect(bell); // all of it again: 41 to 44 are still to come
  assert.deepEqual(Socket.last.sent, [{ hello: 1 }]);
  Socket.last.says(welcome(44, { recovered: false }), event(3), event(40), event(44),
    { caught_up: 44 });
  assert.deepEqual(told.event.map((e) => e.seq), [3, 40, 44]);
  assert.deepEqual(bell.cursor, { epoch: "e1", seq: 44 });
  assert.deepEqual(told.caught_up, [{ top: 44 }]);
}

export async function while_it_recovers_the_cursor_moves_with_each_event() {
  const { bell } = await connected({}, 41);
  await reconnect(bell);
  Socket.last.says(welcome(44), event(42));
  assert.deepEqual(bell.cursor, { epoch: "e1", seq: 42 });
}

export async function another_epoch_starts_anew() {
  const { bell, told } = await connected({}, 5);
  Socket.last.says(event(6));
  await reconnect(bell);
  Socket.last.says(welcome(1, { epoch: "e2", recovered: false }), event(1, "e2"), { caught_up: 1 },
    event(2, "e2"));
  assert.deepEqual(told.event.map((e) => [e.epoch, e.seq]), [["e1", 6], ["e2", 1], ["e2", 2]]);
  assert.deepEqual(bell.cursor, { epoch: "e2", seq: 2 });
}

export async function numbers_that_went_back_within_an_epoch_are_told_again() {
  const { bell, told } = await connected({}, 0);
  Socket.last.says(event(1), event(2), event(3));
  await reconnect(bell);
  Socket.last.says(welcome(1, { recovered: false }), event(1), { caught_up: 1 }, event(2));
  assert.deepEqual(told.event.map((e) => e.seq), [1, 2, 3, 1, 2]);
  assert.deepEqual(bell.cursor, { epoch: "e1", seq: 2 });
}

export async function a_server_that_never_replays_is_tolerated() {
  const { bell, told } = await connected({}, 5, { recovered: false });
  Socket.last.says(event(6));
  await reconnect(bell);
  Socket.last.says(welcome(8, { recovered: false }), { caught_up: 8 }, event(9));
  assert.deepEqual(told.event.map((e) => e.seq), [6, 9]);
}

export async function acks_of_others_are_told() {
  const { told } = await connected();
  Socket.last.says({ acked: [1, 2], by: "till-2" });
  assert.deepEqual(told.acked, [{ acked: [1, 2], by: "till-2" }]);
}

export async function unknown_frames_are_ignored() {
  const { bell, told } = await connected();
  Socket.last.says({ heartbeat: 1 }, { dance: 1 }, {}, null, 5, "text", [], [1], true,
    { type: "1" });
  Socket.last.onmessage({ data: "not JSON" });
  Socket.last.onmessage({ data: "" });
  assert.equal(bell.state, "connected");
  assert.deepEqual(told.event, []);
}

export async function a_refusal_stops_it_until_a_person_acts() {
  for (const code of [4400, 4401, 4403]) {
    const { bell, told } = make();
    bell.start();
    await Socket.last.open();
    Socket.last.ends(code);
    assert.deepEqual(told.state.at(-1), { state: "stopped", code });
    const before = Socket.all.length;
    bell.retryNow();
    pass(100000);
    assert.equal(Socket.all.length, before);
    bell.start();
    assert.equal(Socket.all.length, before + 1);
    bell.stop();
  }
}

export async function any_other_end_is_tried_again() {
  for (const code of [1000, 1001, 1006, 1011, 1013, 4001, 4002, 4003]) {
    const { bell, told } = await connected();
    const before = Socket.all.length;
    Socket.last.ends(code);
    assert.deepEqual(told.state.at(-1), { state: "offline", code });
    pass(1000);
    assert.equal(Socket.all.length, before + 1);
    bell.stop();
  }
}

export async function the_wait_is_full_jitter_up_to_20_seconds() {
  assert.equal(backoffMs(0, () => 1), 500);
  assert.equal(backoffMs(3, () => 1), 4000);
  assert.equal(backoffMs(6, () => 1), 20000);
  assert.equal(backoffMs(5000, () => 1), 20000);
  assert.equal(backoffMs(9, () => 0), 0);
  assert.equal(backoffMs(2, () => 0.25), 500);
}

export async function each_failure_in_a_row_doubles_the_wait() {
  const { bell } = make({ random: () => 1 });
  bell.start();
  for (const waitMs of [1000, 2000, 4000, 8000, 16000, 20000, 20000]) {
    const before = Socket.all.length;
    Socket.last.ends(1006);
    pass(waitMs - 1);
    assert.equal(Socket.all.length, before);
    pass(1);
    assert.equal(Socket.all.length, before + 1);
  }
  await Socket.last.open();
  Socket.last.says(welcome(0), { caught_up: 0 });
  pass(6000); // it held: the next failure is a first one
  const before = Socket.all.length;
  Socket.last.ends(1006);
  pass(500);
  assert.equal(Socket.all.length, before + 1);
}

export async function a_server_that_welcomes_and_ends_at_once_is_not_hammered() {
  const { bell } = make({ random: () => 1 });
  bell.start();
  for (let i = 0; i < 6; i++) {
    await Socket.last.open();
    Socket.last.says(welcome(0), { caught_up: 0 });
    Socket.last.ends(4003);
    pass(20000);
  }
  const before = Socket.all.length;
  Socket.last.ends(1006);
  pass(10000);
  assert.equal(Socket.all.length, before);
}

export async function retryNow_does_not_wait() {
  const { bell } = await connected({ random: () => 1 });
  Socket.last.ends(1006);
  const before = Socket.all.length;
  bell.retryNow();
  assert.equal(Socket.all.length, before + 1);
  pass(12000); // and the timer that ran before does not connect once more
  assert.equal(Socket.all.length, before + 1);
}

export async function retryNow_leaves_a_good_connection_alone() {
  const { bell } = await connected();
  const before = Socket.all.length;
  pass(20000);
  bell.retryNow();
  assert.equal(Socket.all.length, before);
}

export async function a_connection_that_slept_is_not_trusted() {
  const { bell } = await connected();
  const slept = Socket.last;
  nowMs += 3600000; // timers did not run
  bell.retryNow();
  assert.notEqual(Socket.last, slept);
  assert.equal(slept.readyState, 3);
  assert.equal(bell.state, "connecting");
}

export async function silence_of_more_than_two_heartbeats_is_the_end() {
  const { bell, states } = await connected({ random: () => 1 });
  for (let i = 0; i < 10; i++) {
    pass(25000);
    Socket.last.says({ heartbeat: 1 });
  }
  assert.deepEqual(states(), ["connecting", "connected"]);
  pass(60001);
  assert.deepEqual(states().slice(2), ["offline"]);
  assert.equal(Socket.last.readyState, 3);
  pass(20000);
  assert.equal(bell.state, "connecting");
}

export async function a_socket_that_does_not_open_is_given_up() {
  const { bell, states } = make();
  bell.start();
  pass(15001);
  assert.deepEqual(states().slice(0, 2), ["connecting", "offline"]);
}

export async function stop_is_for_good() {
  const { bell, told } = await connected();
  const socket = Socket.last;
  bell.stop();
  assert.equal(socket.closedWith, 1000);
  const before = Socket.all.length;
  bell.retryNow();
  pass(100000);
  socket.says(event(1));
  assert.equal(Socket.all.length, before);
  assert.deepEqual(told.event, []);
  assert.equal(timers.length, 0);
}

export async function stop_while_offline_ends_the_waiting() {
  const { bell } = await connected();
  Socket.last.ends(1006);
  bell.stop();
  const before = Socket.all.length;
  pass(100000);
  assert.equal(Socket.all.length, before);
}

export async function start_twice_is_one_connection() {
  const { bell } = make();
  const before = Socket.all.length;
  bell.start();
  bell.start();
  assert.equal(Socket.all.length, before + 1);
}

export async function what_an_old_socket_says_is_not_heard() {
  const { bell, told } = await connected();
  const old = Socket.last;
  const hear = old.onmessage;
  Socket.last.ends(1006);
  pass(20000);
  await Socket.last.open();
  hear({ data: JSON.stringify(event(1)) });
  assert.deepEqual(told.event, []);
  assert.equal(bell.state, "connecting");
}

export async function a_token_that_comes_too_late_is_not_sent() {
  let give;
  const { bell } = make({ getToken: () => new Promise((resolve) => { give = resolve; }) });
  bell.start();
  const first = Socket.last;
  await first.open();
  bell.stop();
  give("late");
  await settle();
  assert.deepEqual(first.sent, []);
}

export async function a_listener_that_throws_keeps_nobody_from_hearing() {
  const { bell, told } = make();
  bell.addEventListener("state", () => { throw new Error("mine"); });
  const heard = [];
  bell.addEventListener("state", (e) => heard.push(e.detail.state));
  bell.start();
  assert.deepEqual(heard, ["connecting"]);
  assert.equal(told.state.length, 1);
  assert.throws(() => pass(0), /mine/);
}

export async function a_listener_that_was_removed_hears_nothing() {
  const { bell } = make();
  const heard = [];
  const listener = (e) => heard.push(e);
  bell.addEventListener("state", listener);
  bell.removeEventListener("state", listener);
  bell.removeEventListener("event", listener);
  bell.start();
  assert.deepEqual(heard, []);
}

export async function audio_is_told_while_connected() {
  const { bell } = await connected();
  bell.sendAudio("blocked");
  assert.deepEqual(Socket.last.sent.at(-1), { audio: "blocked" });
  Socket.last.ends(1006);
  bell.sendAudio("armed"); // the next hello says it
}

// Not awaited: this module waits for itself otherwise.
let isDone = false;
import(import.meta.url).then((cases) => cases[process.argv[3]]()).then(() => { isDone = true; });
process.on("exit", (status) => {
  if (!isDone && status === 0) process.exitCode = 1;
});
