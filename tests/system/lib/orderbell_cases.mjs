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
async function settle(turns = 40) {
  for (let i = 0; i < turns; i++) await null;
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

/* --- a storage --- */

class Storage {
  kept = new Map();
  getItem(key) { return this.kept.get(key) ?? null; }
  setItem(key, text) { this.kept.set(key, text); }
}

const { Orderbell, backoffMs } = await import(pathToFileURL(process.argv[2]));

function make(options = {}) {
  const bell = new Orderbell("wss://shop.example/ws/till-1",
    { WebSocket: Socket, fetch: null, storage: new Storage(), random: () => 0.5, ...options });
  const told = { event: [], state: [], caught_up: [], acked: [], ring: [], reset: [] };
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
  const { bell } = make({ getToken: async () => "t0ken" });
  bell.sendAudio("armed");
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
  assert.deepEqual(states(), ["connecting", "catching_up", "connected", "offline", "stopped"]);
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

export async function what_was_told_and_is_open_is_kept_and_told_again_after_a_reload() {
  const storage = new Storage();
  const first = await connected({ storage });
  Socket.last.says(event(1), event(2), event(3), { acked: [2], by: "till-2" });
  pass(1000);
  first.bell.stop();
  const { bell, told } = make({ storage });
  bell.start();
  assert.deepEqual(told.event.map((e) => e.seq), [1, 3], "at once, also while there is no network");
  assert.deepEqual(told.ring, []);
  await Socket.last.open();
  assert.deepEqual(Socket.last.sent[0].after, { epoch: "e1", seq: 3 });
  Socket.last.says(welcome(4, { open: [1, 3] }), event(4), { caught_up: 4 });
  assert.deepEqual(told.event.map((e) => e.seq), [1, 3, 4]);
  assert.deepEqual(told.ring.map((r) => r.events.map((e) => e.seq)), [[1, 3, 4]]);
}

export async function what_was_acked_meanwhile_is_silent_after_a_reload() {
  const storage = new Storage();
  const first = await connected({ storage });
  Socket.last.says(event(1), event(2));
  first.bell.stop();
  const { bell, told } = make({ storage });
  bell.start();
  await Socket.last.open();
  Socket.last.says(welcome(3, { open: [] }), { ...event(3), acked: "till-2" }, { caught_up: 3 });
  assert.deepEqual(told.acked, [{ acked: [1, 2], by: undefined }]);
  assert.deepEqual(told.event.map((e) => e.seq), [1, 2, 3]);
  assert.deepEqual(told.ring, []);
}

export async function what_is_not_told_again_where_the_cursor_is_too_old_was_acked() {
  const { bell, told } = await connected();
  Socket.last.says(event(1), event(2), event(3));
  await reconnect(bell);
  Socket.last.says(welcome(9, { recovered: false }), event(2), event(8), { caught_up: 9 });
  assert.deepEqual(told.event.map((e) => e.seq), [1, 2, 3, 8]);
  assert.deepEqual(told.acked, [{ acked: [1, 3], by: undefined }]);
  assert.deepEqual(bell.cursor, { epoch: "e1", seq: 9 });
}

export async function of_more_open_ones_than_are_listed_those_we_know_count() {
  const storage = new Storage();
  const first = await connected({ storage });
  Socket.last.says(event(1), event(2), event(3));
  first.bell.stop();
  const { bell, told } = make({ storage });
  bell.start();
  await Socket.last.open();
  Socket.last.says(welcome(3, { open: [1], open_from: 3 }), { caught_up: 3 });
  assert.deepEqual(told.acked, [{ acked: [2], by: undefined }]);
  assert.deepEqual(told.ring[0].events.map((e) => e.seq), [1, 3]);
}

export async function open_ones_that_were_never_told_are_fetched() {
  const { bell, told } = await connected({}, 5);
  Socket.last.says(event(6));
  await reconnect(bell);
  Socket.last.says(welcome(6, { open: [2, 6] })); // 2: acked by mistake, and put back by the DBA
  pass(1000);
  await Socket.last.open();
  assert.deepEqual(Socket.last.sent, [{ hello: 1 }]);
  Socket.last.says(welcome(6, { recovered: false }), event(2), event(6), { caught_up: 6 });
  assert.deepEqual(told.event.map((e) => e.seq), [6, 2]);
  assert.equal(bell.state, "connected");
}

export async function what_is_too_much_to_keep_is_not_kept() {
  const storage = new Storage();
  const first = await connected({ storage });
  const long = "x".repeat(30000);
  for (let seq = 1; seq <= 20; seq++) Socket.last.says({ ...event(seq), content: long });
  first.bell.stop();
  const { bell } = make({ storage });
  bell.start();
  await Socket.last.open();
  assert.deepEqual(Socket.last.sent, [{ hello: 1 }]);
}

export async function a_storage_that_is_broken_or_forbidden_harms_nobody() {
  const lies = ["{", "[]", "null", '"x"', '{"epoch":1}', '{"epoch":"e","seq":1,"open":{},"acks":[]}'];
  for (const text of lies) {
    const { bell } = await connected({ storage: { getItem: () => text, setItem() {} } });
    assert.equal(bell.state, "connected");
    bell.stop();
  }
  const no = () => { throw new Error("forbidden"); };
  const { bell } = await connected({ storage: { getItem: no, setItem: no } });
  Socket.last.says(event(1));
  pass(1000);
  assert.equal(bell.state, "connected");
  await connected({ storage: null });
}

export async function another_merchant_starts_anew() {
  const storage = new Storage();
  const first = await connected({ storage });
  Socket.last.says(event(1));
  first.bell.stop();
  const { bell, told } = make({ storage });
  bell.start();
  await Socket.last.open();
  Socket.last.says(welcome(1, { merchant: 2, epoch: "e7", recovered: false }), event(1, "e7"),
    { caught_up: 1 });
  assert.equal(told.reset.length, 1);
  assert.deepEqual(told.event.map((e) => e.epoch), ["e1", "e7"]);
  assert.deepEqual(told.ring.map((r) => r.events.map((e) => e.epoch)), [["e7"]]);
  assert.deepEqual(bell.cursor, { epoch: "e7", seq: 1 });
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
    await settle();
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

export async function a_token_that_ended_is_replaced_by_a_fresh_one() {
  const asked = [];
  let token = "old";
  const { bell, states } = make({ getToken: async (refused) => {
    asked.push(refused);
    if (refused) token = "fresh";
    return token;
  } });
  bell.start();
  await Socket.last.open();
  Socket.last.says(welcome(0), { caught_up: 0 });
  Socket.last.ends(4401);
  await settle();
  pass(1000);
  await Socket.last.open();
  assert.equal(Socket.last.sent[0].token, "fresh");
  assert.deepEqual(asked, [false, true, false]);
  assert.ok(!states().includes("stopped"));
}

export async function the_same_token_again_is_no_reason_to_try_again() {
  const { bell, told } = make({ getToken: async () => "old" });
  bell.start();
  await Socket.last.open();
  const before = Socket.all.length;
  Socket.last.ends(4401);
  await settle();
  pass(100000);
  assert.equal(Socket.all.length, before);
  assert.deepEqual(told.state.at(-1), { state: "stopped", code: 4401 });
}

export async function where_a_fresh_token_cannot_be_had_now_it_tries_later() {
  const { bell } = make({ getToken: async (refused) => {
    if (refused) throw new Error("no network");
    return "old";
  } });
  bell.start();
  await Socket.last.open();
  Socket.last.ends(4401);
  await settle();
  assert.equal(bell.state, "offline");
  const before = Socket.all.length;
  pass(1000);
  assert.equal(Socket.all.length, before + 1);
}

export async function fresh_tokens_that_are_refused_too_are_not_tried_without_a_pause() {
  let n = 0;
  const { bell } = make({ random: () => 1, getToken: async () => `token ${++n}` });
  bell.start();
  for (const waitMs of [1000, 2000, 4000]) {
    const before = Socket.all.length;
    await Socket.last.open();
    Socket.last.ends(4401);
    await settle();
    pass(waitMs - 1);
    assert.equal(Socket.all.length, before);
    pass(1);
    assert.equal(Socket.all.length, before + 1);
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
  assert.deepEqual(states(), ["connecting", "catching_up", "connected"]);
  pass(60001);
  assert.deepEqual(states().slice(3), ["offline"]);
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
  const n = Socket.last.sent.length;
  bell.sendAudio("blocked");
  assert.equal(Socket.last.sent.length, n, "not again");
  Socket.last.ends(1006);
  bell.sendAudio("armed");
  pass(1000);
  await Socket.last.open();
  assert.equal(Socket.last.sent[0].audio, "armed");
}

/* --- rings --- */

export async function what_comes_live_rings_and_what_is_acked_does_not() {
  const { told } = await connected();
  Socket.last.says(event(1), { ...event(2), acked: "till-2" }, { type: 2, orderId: 5, content: "" });
  assert.deepEqual(told.ring.map((r) => r.events.map((e) => e.seq)), [[1], [undefined]]);
  assert.equal(told.event.length, 3);
}

export async function what_was_missed_rings_once_at_its_end() {
  const { bell, told } = await connected();
  await reconnect(bell);
  Socket.last.says(welcome(3), event(1), event(2), event(3));
  assert.deepEqual(told.ring, []);
  Socket.last.says({ acked: [2] }, { caught_up: 3 });
  assert.deepEqual(told.ring.map((r) => r.events.map((e) => e.seq)), [[1, 3]]);
}

export async function what_is_known_already_does_not_ring_again_after_a_reconnect() {
  const { bell, told } = await connected();
  Socket.last.says(event(1));
  await reconnect(bell);
  Socket.last.says(welcome(1, { open: [1] }), { caught_up: 1 });
  assert.equal(told.ring.length, 1);
}

/* --- acks --- */

export async function an_ack_is_said_again_until_it_is_kept() {
  const { bell } = await connected();
  Socket.last.says(event(1), event(2));
  bell.ack([1, 2]);
  assert.deepEqual(Socket.last.sent.at(-1), { ack: [1, 2] });
  const n = Socket.last.sent.length;
  Socket.last.says({ acked: [1], by: "till-1" });
  pass(20000);
  Socket.last.says({ heartbeat: 1 });
  assert.deepEqual(Socket.last.sent.slice(n), [{ ack: [2] }]);
  Socket.last.says({ acked: [2], by: "till-1" });
  pass(20000);
  Socket.last.says({ heartbeat: 1 });
  pass(20000);
  assert.equal(Socket.last.sent.length, n + 1);
}

export async function an_ack_without_a_connection_goes_with_the_next_one() {
  const storage = new Storage();
  const first = await connected({ storage });
  Socket.last.says(event(1), event(2));
  Socket.last.ends(1006);
  first.bell.ack([1]);
  pass(400);
  first.bell.stop();
  const { bell, told } = make({ storage }); // even of the next page
  bell.start();
  await Socket.last.open();
  Socket.last.says(welcome(2, { open: [1, 2] }));
  assert.deepEqual(Socket.last.sent.slice(1), [{ ack: [1] }]);
  Socket.last.says({ caught_up: 2 });
  assert.deepEqual(told.ring.map((r) => r.events.map((e) => e.seq)), [[2]], "what was acked is silent");
}

export async function many_acks_go_in_frames_that_the_server_takes() {
  const { bell } = await connected();
  const seqs = Array.from({ length: 1000 }, (_, i) => 9007199254000000 + i);
  bell.ack(seqs);
  const acks = Socket.last.sent.filter((frame) => frame.ack);
  assert.deepEqual(acks.flatMap((frame) => frame.ack), seqs);
  for (const frame of acks) assert.ok(JSON.stringify(frame).length < 8192);
}

/* --- the other roads: streams and polls of the case's --- */

class Http {
  asked = [];
  answer = () => { throw new TypeError("no network"); };
  fetch = async (url, how) => {
    const got = { url: new URL(url), ...how };
    this.asked.push(got);
    got.signal?.addEventListener("abort", () => got.say?.error(new Error("aborted")));
    return this.answer(got);
  };
  of(what) { return this.asked.filter(({ url }) => url.pathname.startsWith(`/${what}/`)); }
}

function streaming(got) {
  const body = new ReadableStream({ start(controller) { got.say = controller; } });
  return { ok: true, status: 200, body };
}

const bytes = (text) => new TextEncoder().encode(text);
const sse = (frame, name, id) =>
  `${id ? `id: ${id}\n` : ""}${name ? `event: ${name}\n` : ""}data: ${JSON.stringify(frame)}\n\n`;

// A WebSocket that is blocked, and what happens instead.
async function blocked(http, options = {}) {
  const made = make({ fetch: http.fetch, random: () => 0.5, ...options });
  made.bell.start();
  Socket.last.ends(1006);
  pass(1000);
  await settle();
  return made;
}

export async function where_the_websocket_is_blocked_a_stream_is_opened() {
  const http = new Http();
  http.answer = streaming;
  const { bell, told } = await blocked(http, { getToken: () => "t0ken" });
  const [{ url, headers, say }] = http.asked;
  assert.equal(url.href, "https://shop.example/events/till-1");
  assert.equal(headers.Authorization, "Bearer t0ken");
  const text = `retry: 5000\n\n${sse(welcome(2), "welcome")}${sse(event(1), "", "e1:1")}`;
  for (const byte of bytes(text)) say.enqueue(Uint8Array.of(byte)); // in whatever pieces
  await settle(400);
  say.enqueue(bytes(`${sse(event(2), "", "e1:2")}${sse({ caught_up: 2 }, "caught_up", "e1:2")}: \n\n` +
    `${sse(event(3))}${sse({ acked: [1], by: "till-2" }, "acked")}`));
  await settle();
  assert.deepEqual(told.event.map((e) => e.seq), [1, 2, 3]);
  assert.deepEqual(told.acked, [{ acked: [1], by: "till-2" }]);
  assert.deepEqual(bell.cursor, { epoch: "e1", seq: 3 });
  assert.equal(bell.state, "connected");
}

export async function on_a_stream_a_change_of_audio_is_said_by_another_one() {
  const http = new Http();
  http.answer = streaming;
  const { bell, told, states } = await blocked(http);
  const first = http.asked[0];
  first.say.enqueue(bytes(sse(welcome(0), "welcome") + sse({ caught_up: 0 }, "caught_up") + sse(event(1))));
  await settle();
  bell.sendAudio("armed");
  await settle();
  const [, second] = http.of("events");
  assert.equal(second.url.search, "?after=e1%3A1&audio=armed");
  assert.ok(!first.signal.aborted, "until the other one stands");
  second.say.enqueue(bytes(sse(welcome(1, { open: [1] }), "welcome") + sse({ caught_up: 1 }, "caught_up") +
    sse(event(2))));
  await settle();
  assert.ok(first.signal.aborted);
  assert.deepEqual(told.event.map((e) => e.seq), [1, 2]);
  assert.deepEqual(states().slice(-2), ["catching_up", "connected"]);
}

export async function a_stream_that_says_bye_is_opened_again_from_its_cursor() {
  const http = new Http();
  http.answer = streaming;
  const { bell } = await blocked(http);
  http.asked[0].say.enqueue(bytes(sse(welcome(0), "welcome") + sse({ caught_up: 0 }, "caught_up") +
    sse(event(1)) + sse({ code: 4003 }, "bye")));
  await settle();
  assert.equal(bell.state, "offline");
  pass(1000);
  await settle();
  assert.equal(http.asked[1].url.searchParams.get("after"), "e1:1");
}

export async function a_stream_that_is_not_authorised_stops_it() {
  const http = new Http();
  http.answer = () => ({ ok: false, status: 401 });
  const { told } = await blocked(http);
  assert.deepEqual(told.state.at(-1), { state: "stopped", code: 4401 });
}

export async function a_stream_that_is_silent_is_dead() {
  const http = new Http();
  http.answer = streaming;
  const { bell } = await blocked(http);
  http.asked[0].say.enqueue(bytes(sse(welcome(0), "welcome") + sse({ caught_up: 0 }, "caught_up")));
  await settle();
  pass(50000);
  http.asked[0].say.enqueue(bytes(": \n"));
  await settle();
  pass(50000);
  assert.equal(bell.state, "connected");
  pass(10001);
  assert.equal(bell.state, "offline");
}

export async function it_climbs_back_to_the_websocket_and_nothing_comes_twice() {
  const http = new Http();
  http.answer = streaming;
  const { bell, told, states } = await blocked(http);
  const { say, signal } = http.asked[0];
  say.enqueue(bytes(sse(welcome(1), "welcome") + sse(event(1)) + sse({ caught_up: 1 }, "caught_up")));
  await settle();
  const before = Socket.all.length;
  pass(2000);
  assert.equal(Socket.all.length, before + 1);
  Socket.last.ends(1006); // still blocked: the stream goes on
  say.enqueue(bytes(sse(event(2))));
  await settle();
  pass(4000);
  assert.equal(Socket.all.length, before + 2);
  await Socket.last.open();
  assert.deepEqual(Socket.last.sent[0].after, { epoch: "e1", seq: 2 });
  say.enqueue(bytes(sse(event(3))));
  await settle();
  Socket.last.says(welcome(4, { open: [1, 2] }), event(3), event(4), { caught_up: 4 }, event(5));
  assert.ok(signal.aborted);
  assert.deepEqual(told.event.map((e) => e.seq), [1, 2, 3, 4, 5]);
  assert.deepEqual(states(), ["connecting", "offline", "connecting", "catching_up", "connected"]);
  assert.equal(bell.state, "connected");
}

export async function the_tries_to_climb_become_rare() {
  const http = new Http();
  http.answer = streaming;
  await blocked(http);
  http.asked[0].say.enqueue(bytes(sse(welcome(0, { heartbeat: 3600 }), "welcome") +
    sse({ caught_up: 0 }, "caught_up")));
  await settle();
  const before = Socket.all.length;
  for (let minute = 0; minute < 60; minute++) {
    for (let s = 0; s < 60; s++) {
      pass(1000);
      if (Socket.last.readyState === 0) Socket.last.ends(1006);
    }
  }
  const n = Socket.all.length - before;
  assert.ok(n >= 10 && n <= 16, `${n} tries in an hour`);
}

function polled(events, cursor, more = {}) {
  const headers = new Map(Object.entries({ "Orderbell-Cursor": cursor, "Orderbell-Recovered": "yes",
    "Orderbell-Caught-Up": "yes", "Orderbell-Open": "", "Orderbell-Merchant": "1", ...more }));
  return { ok: true, status: 200, headers: { get: (name) => headers.get(name) ?? null },
    json: async () => events };
}

// The stream is blocked too.
async function polling(answers, options) {
  const http = new Http();
  http.answer = ({ url }) => {
    if (!url.pathname.startsWith("/poll/")) throw new TypeError("blocked");
    return answers.shift() ?? polled([], "e1:9");
  };
  const made = await blocked(http, options);
  pass(2000);
  await settle();
  return { http, ...made };
}

export async function where_streams_are_blocked_too_it_polls() {
  const { http, bell, told, states } = await polling([
    polled([event(3), event(7)], "e1:7", { "Orderbell-Recovered": "no", "Orderbell-Caught-Up": "no" }),
    polled([event(8)], "e1:8", { "Orderbell-Open": "3,7" }),
    polled([event(9), { ...event(10), acked: "till-2" }], "e1:10", { "Orderbell-Open": "7,8" }),
  ]);
  const polls = http.of("poll");
  assert.equal(polls[0].url.searchParams.get("after"), null);
  assert.equal(polls[0].url.searchParams.get("open"), "yes");
  assert.equal(polls[1].url.searchParams.get("after"), "e1:7", "at once: there was more");
  assert.deepEqual(told.ring.map((r) => r.events.map((e) => e.seq)), [[3, 7, 8]]);
  pass(2000);
  await settle();
  assert.deepEqual(told.event.map((e) => e.seq), [3, 7, 8, 9, 10]);
  assert.deepEqual(told.acked, [{ acked: [3], by: undefined }], "by somebody else");
  assert.deepEqual(told.ring.slice(1).map((r) => r.events.map((e) => e.seq)), [[9]]);
  assert.deepEqual(bell.cursor, { epoch: "e1", seq: 10 });
  assert.equal(bell.state, "connected");
  assert.equal(states().filter((state) => state === "connected").length, 1);
  assert.equal(told.caught_up.length, 1);
}

export async function a_poll_goes_on_every_two_seconds_or_so_and_ends_with_stop() {
  const { http, bell } = await polling([polled([], "e1:0")], { random: () => 0.5 });
  for (let i = 0; i < 10; i++) {
    pass(2000);
    if (Socket.last.readyState === 0) Socket.last.ends(1006);
    await settle();
  }
  const n = http.of("poll").length;
  assert.ok(n >= 10 && n <= 12, `${n} polls in 20 s`);
  bell.stop();
  pass(60000);
  await settle();
  assert.equal(http.of("poll").length, n);
}

export async function an_ack_beside_a_stream_or_poll_is_posted_until_it_is_kept() {
  const http = new Http();
  http.answer = streaming;
  const { bell, told } = await blocked(http, { getToken: () => "t0ken" });
  http.asked[0].say.enqueue(bytes(sse(welcome(0), "welcome") + sse({ caught_up: 0 }, "caught_up") +
    sse(event(1)) + sse(event(2))));
  await settle();
  http.answer = () => ({ ok: false, status: 503 });
  bell.ack([1]);
  await settle();
  assert.deepEqual(told.acked, []);
  http.answer = () => ({ ok: true, status: 200 });
  pass(20000);
  await settle();
  const [first, again] = http.of("ack");
  assert.equal(first.url.href, "https://shop.example/ack/till-1");
  assert.equal(first.method, "POST");
  assert.equal(first.headers.Authorization, "Bearer t0ken");
  assert.equal(again.body, '{"ack":[1]}');
  assert.deepEqual(told.acked, [{ acked: [1], by: undefined }]);
}

export async function when_nothing_gets_through_all_roads_are_tried_in_turn() {
  const http = new Http();
  const { bell, states } = make({ fetch: http.fetch, random: () => 1 });
  bell.start();
  const before = Socket.all.length;
  for (let i = 0; i < 100; i++) {
    if (Socket.last.readyState === 0) Socket.last.ends(1006);
    await settle();
    pass(1000);
  }
  assert.ok(Socket.all.length - before >= 2 && http.of("events").length >= 2 && http.of("poll").length >= 2);
  assert.ok(Socket.all.length - before + http.asked.length < 14, "the waits grow all the same");
  assert.ok(!states().includes("stopped"));
}

/* --- tabs --- */

export async function without_a_worker_that_answers_it_connects_by_itself() {
  const posted = [];
  globalThis.SharedWorker = class {
    constructor(url, options) {
      Object.assign(this, { url, options, port: { postMessage: (message) => posted.push(message) } });
      globalThis.SharedWorker.last = this;
    }
  };
  globalThis.WebSocket = Socket;
  const { bell, states } = make({ WebSocket: undefined });
  const before = Socket.all.length;
  bell.start();
  assert.equal(globalThis.SharedWorker.last.url, "https://shop.example/console/orderbell.js");
  assert.equal(posted[0].do, "join");
  pass(2999);
  assert.equal(Socket.all.length, before);
  pass(1);
  assert.equal(posted.at(-1).do, "leave");
  assert.equal(Socket.all.length, before + 1);
  await Socket.last.open();
  Socket.last.says(welcome(0), { caught_up: 0 });
  assert.equal(bell.state, "connected");
  assert.deepEqual(states(), ["connecting", "catching_up", "connected"]);
}

export async function where_workers_are_forbidden_it_connects_by_itself() {
  globalThis.SharedWorker = class { constructor() { throw new Error("forbidden"); } };
  globalThis.WebSocket = Socket;
  const { bell } = make({ WebSocket: undefined });
  bell.start();
  await Socket.last.open();
  Socket.last.says(welcome(0), { caught_up: 0 });
  assert.equal(bell.state, "connected");
}

// Not awaited: this module waits for itself otherwise.
let isDone = false;
import(import.meta.url).then((cases) => cases[process.argv[3]]()).then(() => { isDone = true; });
process.on("exit", (status) => {
  if (!isDone && status === 0) process.exitCode = 1;
});
