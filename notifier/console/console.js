// The merchant's page: what nobody has seen is a card and rings until somebody has; what was seen
// today is a list.  All text is shown as text, never as HTML.
import { amountOf, brief, button, content, drawAge, drawCard, icon, itemsOf, kindOf, make, numberOf, put,
  timeOf } from "./card.js";
import { Orderbell } from "./orderbell.js";
import { change, keep, load, set, socketUrl, t, terminalName } from "./settings.js";
import { Sound } from "./sound.js";

const UNDO_MS = 5000;
const OFFLINE_ALARM_MS = 10000;
const ALARM_AGAIN_MS = 20000;
const LEVELS = [0.35, 0.5, 0.7, 1]; // of the volume, from one round to the next
const REPEATS_S = [0, 10, 15, 30, 60];
const CARDS_STEP = 200; // cards at once
const DAY_MAX = 300; // lines of the day's list
const TEXT_MAX = 400; // characters of a line of it that are kept
const WORK_MS = 6; // for building cards, before the browser may breathe

const $ = (id) => document.getElementById(id);

function choose(what) {
  change(what);
  keep("settings", set);
  apply();
}

/* --- who this is --- */

// The fragment never leaves the browser, but it is nothing for the address bar and the history.
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  takeToken.token = token;
  keep("token", token);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

takeToken();
const bell = new Orderbell(socketUrl(), { getToken: () => load("token") ?? takeToken.token });
const sound = new Sound(() => soundChanged());

/* --- events: an entry is {key, event, kind, number, acking?, card?, notice?} --- */

const entries = new Map(); // un-acked ones, the oldest first
let day = (load("day") ?? []).filter(isToday); // seen ones, the newest first
let filter = "all";
let nCards = CARDS_STEP;
let nLive = 0;
let nMissed = 0; // came while the page was hidden without sound
let popped = null; // the entry that the popup is about

const keyOf = ({ seq, epoch }) => (seq === undefined ? `live ${++nLive}` : `${epoch}:${seq}`);
function isToday({ at }) {
  return new Date(at).toDateString() === new Date().toDateString();
}

function dateOf(at) {
  const date = new Date(at ?? Date.now());
  return Number.isNaN(date.getTime()) ? new Date() : date;
}

function take(event) {
  event = { ...event, content: String(event.content ?? ""), at: dateOf(event.at).toISOString() };
  const entry = { key: keyOf(event), event, kind: kindOf(event), number: numberOf(event) };
  if (event.acked !== undefined) {
    addToDay(entry, event.acked);
    return;
  }
  if (entries.has(entry.key)) return;
  entries.set(entry.key, entry);
  if (bell.state === "connected") popped = entry;
  if (document.hidden && !sound.isHeard) nMissed++;
  drawSoon();
}

function addToDay({ event, key }, by) {
  if (!isToday(event)) return;
  const { type, at, amount, currency } = event;
  const content = event.content.slice(0, TEXT_MAX);
  const known = day.find((line) => line.key === key); // a reload may tell it again
  day = [known ?? { key, type, at, content, amount, currency, by, seen: new Date().toISOString() },
    ...day.filter((line) => line !== known)].slice(0, DAY_MAX);
  drawSoon();
  clearTimeout(addToDay.timer);
  addToDay.timer = setTimeout(() => keep("day", day), 500);
}

function waiting() {
  return [...entries.values()].filter(({ acking }) => !acking);
}

const on = { see, undo, isConnected: () => bell.state === "connected" };

/* --- seen: undoable for 5 s, then it is sent, then it is kept --- */

function see(list) {
  for (const entry of list) {
    if (entry.acking) continue;
    entry.acking = setTimeout(() => send([entry]), UNDO_MS);
    drawCard(entry, on);
    entry.notice?.close();
  }
  announce(t.acking);
  ringOn();
  drawSoon();
}

function undo(entry) {
  clearTimeout(entry.acking);
  entry.acking = entry.isSent = undefined;
  drawCard(entry, on);
  ringOn();
  drawSoon();
}

function send(list) {
  for (const entry of list) {
    entry.isSent = true;
    if (entry.event.seq === undefined) remove(entry);
    else drawCard(entry, on);
  }
  const seqs = list.map(({ event }) => event.seq).filter((seq) => seq !== undefined);
  if (seqs.length > 0) bell.ack(seqs);
}

function remove(entry, by) {
  clearTimeout(entry.acking);
  entry.notice?.close();
  entries.delete(entry.key);
  addToDay(entry, by);
}

/* --- ringing: until all is seen, louder from round to round --- */

let round = 0;
let endWait = () => {};

function ring(list) {
  for (const { key, kind, number, event: { voice, language } } of list) {
    if (entries.get(key)?.acking) continue;
    const reads = set.speaks && list.length === 1;
    sound.say({ kind, level: LEVELS[round], number: reads ? number?.slice(-4) : null, voice, language });
  }
  ringOn();
}

function ringOn() {
  endWait();
  if (waiting().length === 0) {
    round = 0;
    if (!alarm.isOn) sound.hush();
    return;
  }
  if (set.repeatS > 0) endWait = sound.after(set.repeatS * 1000, ringAgain);
}

function ringAgain() {
  const list = waiting();
  if (!bell.isVoice || sound.isBusy) return ringOn();
  round = Math.min(round + 1, LEVELS.length - 1);
  list.reverse();
  ring([1, 2, 3].map((kind) => list.find((entry) => entry.kind === kind)).filter(Boolean));
  return undefined;
}

/* --- a connection that is lost can be heard --- */

const alarm = { isOn: false, since: 0, end() {} };

function watchConnection() {
  const isLost = bell.state !== "connected" && bell.state !== "catching_up"; // refused is deaf as well
  if (isLost === alarm.since > 0) return;
  alarm.since = isLost ? Date.now() : 0;
  alarm.isOn = false;
  alarm.end();
  if (isLost) alarm.end = sound.after(OFFLINE_ALARM_MS, soundAlarm);
}

function soundAlarm() {
  alarm.isOn = true;
  sound.say({ kind: "offline", level: 1 });
  alarm.end = sound.after(ALARM_AGAIN_MS, soundAlarm);
  say();
}

/* --- shift, sound, wake lock --- */

let wakeLock = null;

async function stayAwake() {
  if (!set.isOnShift || document.hidden || wakeLock || !navigator.wakeLock) return;
  try {
    wakeLock = await navigator.wakeLock.request("screen");
    wakeLock.onrelease = () => { wakeLock = null; };
  } catch { /* a low battery, say */ }
}

function startShift() {
  choose({ isOnShift: true, isMuted: false });
  sound.arm();
  sound.say({ kind: 3, level: LEVELS[0] });
  stayAwake();
  if (window.Notification?.permission === "default" && isSecureContext) {
    Notification.requestPermission().then(say);
  }
}

function endShift() {
  choose({ isOnShift: false });
  sound.disarm();
  wakeLock?.release();
}

function soundChanged() {
  bell.sendAudio(sound.isHeard ? "armed" : "blocked");
  if (sound.isHeard) {
    if (alarm.since) alarm.end();
    if (alarm.since) alarm.end = sound.after(OFFLINE_ALARM_MS - (Date.now() - alarm.since), soundAlarm);
    if (bell.isVoice) ring(waiting().slice(-1));
  }
  say();
}

// A reload has silenced the page: it tries by itself, and at the first touch.
function rearm() {
  if (set.isOnShift && !sound.isOn) sound.arm();
}

/* --- what the page says of itself --- */

function pageState() {
  if (bell.state === "stopped") return "refused";
  if (bell.state === "offline" || pageState.wasOffline && bell.state === "connecting") return "offline";
  if (bell.state !== "connected") return bell.state;
  if (sound.isHeard) return "connected";
  return document.hidden ? "hidden" : "muted";
}

// Each state's mark in the title, and the bell's colour and what is drawn over it in the favicon.
const CROSS = '<circle cx="23" cy="23" r="9" fill="#fff"/><path stroke="#b3261e" stroke-width="4" d="M19 19l8 8m0-8l-8 8"/>';
const SLASH = '<path stroke="#fff" stroke-width="8" d="M3 3l26 26"/><path stroke="#b3261e" stroke-width="4" d="M3 3l26 26"/>';
const LOOKS = {
  connected: ["", "#d9480f", ""],
  waiting: ["", "#d9480f", '<circle cx="24" cy="8" r="7" fill="#b0125b" stroke="#fff" stroke-width="2"/>'],
  connecting: ["… ", "#8a939c", ""],
  catching_up: ["… ", "#20599c", ""],
  muted: ["🔇 ", "#8a939c", SLASH],
  hidden: ["🔕 ", "#b3261e", SLASH],
  offline: ["⚠ ", "#b3261e", CROSS],
  refused: ["⛔ ", "#555", '<path stroke="#b3261e" stroke-width="7" d="M3 25h26"/>'],
};
const BELL = "M16 3a2 2 0 0 1 2 2v1a9 9 0 0 1 7 9v6l3 4H4l3-4v-6a9 9 0 0 1 7-9V5a2 2 0 0 1 2-2zm-4 24h8a4 4 0 0 1-8 0z";

function banner(state) {
  const b = t.banners;
  if (state === "refused") return [b[code] ?? "", t.again, () => bell.start()];
  if (state === "offline") return [b.offline(since()), t.again, () => bell.retryNow(true)];
  if (nMissed > 0 && !document.hidden) return [b.missed(nMissed), t.ok, () => { nMissed = 0; say(); }];
  if (state === "muted" && set.isOnShift && !sound.isOn) return [b.silent, t.unmute, () => sound.arm()];
  if (state === "muted" && set.isOnShift) return [b.muted, t.unmute, unmute];
  return [""];
}

function since() {
  return alarm.isOn ? `(${timeOf(alarm.since)})` : "";
}

function unmute() {
  choose({ isMuted: false, volume: set.volume || 1 });
  sound.arm();
}

let code; // why the server refused, while it does
let press = () => {};

function say() {
  pageState.wasOffline = bell.state === "offline" || pageState.wasOffline && bell.state === "connecting";
  const state = pageState();
  const [text, action, call] = banner(state);
  const n = waiting().length;
  const [mark, colour, over] = LOOKS[state === "connected" && n ? "waiting" : state];

  document.body.dataset.state = state;
  put($("state"), t.states[state]);
  put($("empty"), entries.size ? t.nothing
    : t.empty[state === "connected" ? "rings"
      : { connected: "silent", catching_up: "coming" }[bell.state] ?? "away"]);
  put($("banner").firstElementChild, text);
  $("banner").hidden = !text;
  put($("again"), action ?? "");
  press = call;
  const title = `${mark}${n ? `(${n}) ` : ""}orderbell`;
  if (document.title !== title) document.title = title;
  // Drawn here: when the server is gone it could not be had from there.
  const icon = `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="${colour}" d="${BELL}"/>${over}</svg>`)}`;
  if ($("icon").href !== icon) $("icon").href = icon;
  $("shift").hidden = set.isOnShift;
  const isSilent = !sound.isHeard;
  $("mute").firstElementChild.firstElementChild.setAttribute("href", isSilent ? "#i-mute" : "#i-sound");
  name($("mute"), isSilent ? t.unmuteIt : t.mute);
  $("mute").disabled = !set.isOnShift;
  $("end").hidden = !set.isOnShift;
  const permission = !isSecureContext || !window.Notification ? "plain" : Notification.permission;
  put($("hint"), permission === "plain" ? t.plain : permission === "denied" ? t.denied : "");
  put($("shift-hint"), permission === "plain" ? `${t.startHint} ${t.plain}` : t.startHint);
  $("notify").hidden = permission !== "default";
}

function name(element, text) {
  element.title = text;
  element.setAttribute("aria-label", text);
}

function announce(text) {
  $("announcer").textContent = text;
}

/** The settings, in the page. */
function apply() {
  sound.language = set.language;
  sound.volume = set.isMuted ? 0 : set.volume;
  if (sound.volume === 0) sound.hush();
  sound.load();
  document.documentElement.lang = set.language;
  document.documentElement.dataset.theme = set.theme;
  for (const element of document.querySelectorAll("[data-text]")) put(element, t[element.dataset.text]);
  for (const element of document.querySelectorAll("[data-name]")) name(element, t[element.dataset.name]);
  $("search").placeholder = t.search;
  put($("terminal"), `${t.terminal} ${terminalName()}`);
  put($("start"), t.start);
  put($("notify"), t.notify);
  options($("theme"), ["auto", "light", "dark"], (theme) => t.themes[theme], set.theme);
  options($("repeat"), REPEATS_S, t.repeats, set.repeatS);
  $("language").value = set.language;
  $("volume").value = set.volume;
  $("speak").checked = set.speaks;
  $("keys").checked = set.keys;
  $("keys-help").hidden = !set.keys;
  $("filter").replaceChildren(...Object.keys(t.filters).map((kind) => {
    const chip = button(t.filters[kind], () => { filter = kind; nCards = CARDS_STEP; apply(); });
    chip.setAttribute("aria-pressed", String(filter === kind));
    return chip;
  }));
  for (const entry of entries.values()) entry.card = undefined;
  $("cards").replaceChildren();
  bell.sendAudio(sound.isHeard ? "armed" : "blocked");
  drawSoon();
}

function options(select, values, text, chosen) {
  select.replaceChildren(...values.map((value) => new Option(text(value), value, false, value === chosen)));
}

/* --- drawing --- */

function wanted(list) {
  const words = $("search").value.trim().toLowerCase();
  return list.filter(({ event, ...line }) => {
    const { type, content: text, items } = event ?? line;
    const all = [text, ...itemsOf({ items }).map(({ name }) => name)];
    return (filter === "all" || filter === `k${kindOf({ type })}`) &&
      (!words || all.some((one) => one.toLowerCase().includes(words)));
  });
}

let isDrawing = false;

function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  const { port1, port2 } = new MessageChannel(); // a hidden page's timers are late
  port1.onmessage = () => {
    isDrawing = false;
    port1.close();
    draw();
  };
  port2.postMessage(0);
}

function draw() {
  const all = wanted([...entries.values()]).reverse();
  const shown = all.slice(0, nCards);
  const list = $("cards");
  const until = performance.now() + WORK_MS;
  const keys = new Set(shown.map(({ key }) => key));
  for (const card of [...list.children]) if (!keys.has(card.dataset.key)) leave(card);
  let at = list.firstElementChild;
  for (const entry of shown) {
    if (!entry.card) {
      if (performance.now() > until) {
        drawSoon();
        break;
      }
      drawCard(entry, on);
    }
    if (entry.card === at) at = at.nextElementSibling;
    else list.insertBefore(entry.card, at);
  }
  const n = waiting().length;
  put($("count"), String(n));
  put($("all"), t.all(n));
  $("all").hidden = n < 3;
  put($("more"), t.more(all.length - shown.length));
  $("more").hidden = all.length === shown.length;
  $("empty").hidden = all.length > 0;
  drawDay();
  drawPopup();
  say();
}

/** Where the focus was there it goes on to the neighbour. */
function leave(card) {
  const next = card.nextElementSibling ?? card.previousElementSibling;
  if (card.contains(document.activeElement)) (next?.querySelector("button") ?? $("search")).focus();
  card.remove();
}

let drawnDay = "";

function drawDay() {
  const lines = wanted(day.filter(isToday));
  const drawn = `${set.language} ${lines.map(({ key, seen }) => key + seen)}`;
  if (drawn === drawnDay) return;
  drawnDay = drawn;
  put($("day-count"), String(lines.length));
  $("day").replaceChildren(...lines.map((line) => {
    const entry = { event: line, number: numberOf(line) };
    const kind = kindOf(line);
    const sign = icon(kind);
    const row = make("li", "", sign, make("time", "", timeOf(line.at)), content(entry, ""),
      make("small", "", [amountOf(line), t.seenBy(timeOf(line.seen), line.by)].filter(Boolean).join(" · ")));
    row.dataset.kind = kind;
    sign.setAttribute("role", "img");
    sign.removeAttribute("aria-hidden");
    sign.setAttribute("aria-label", t.types[kind]);
    return row;
  }));
}

/* --- popup and notification --- */

function drawPopup() {
  if (popped && (popped.acking || !entries.has(popped.key))) popped = waiting().pop() ?? null;
  $("popup").hidden = !popped;
  if (!popped) return;
  const [title, text] = $("popup").querySelector("p").children;
  const n = waiting().length - 1;
  $("popup").dataset.kind = popped.kind;
  $("popup").querySelector("use").setAttribute("href", `#i-${popped.kind}`);
  put(title, t.types[popped.kind] + (n > 0 ? t.others(n) : ""));
  put(text, brief(popped, 120));
}

function focusCard(entry) {
  filter = "all";
  $("search").value = "";
  apply();
  draw();
  entry.card?.scrollIntoView({ block: "center" });
  entry.card?.querySelector("button")?.focus();
}

function notify(entry) {
  if (window.Notification?.permission !== "granted" || document.hasFocus()) return;
  try {
    const body = brief(entry, 200);
    entry.notice = new Notification(t.types[entry.kind],
      { body, tag: entry.key, lang: set.language, icon: "icon.svg", requireInteraction: true });
    entry.notice.onclick = () => {
      window.focus();
      focusCard(entry);
      entry.notice.close();
    };
  } catch { /* a phone's browser wants a service worker */ }
}

/* --- the connection --- */

bell.addEventListener("event", ({ detail }) => take(detail));
bell.addEventListener("ring", ({ detail: { events } }) => {
  const list = events.map(({ seq, epoch }) => (seq === undefined ? [...entries.values()].pop()
    : entries.get(`${epoch}:${seq}`))).filter(Boolean);
  const newest = list[list.length - 1];
  if (!newest) return;
  ring(list);
  popped = newest;
  notify(newest);
  announce(`${t.types[newest.kind]} ${brief(newest, 200)}`);
  drawSoon();
});
bell.addEventListener("acked", ({ detail: { acked, by } }) => {
  const seqs = new Set(acked);
  for (const entry of [...entries.values()]) if (seqs.has(entry.event.seq)) remove(entry, by);
  ringOn();
  drawSoon();
});
bell.addEventListener("reset", () => {
  for (const entry of entries.values()) clearTimeout(entry.acking);
  entries.clear();
  drawSoon();
});
bell.addEventListener("state", ({ detail }) => {
  code = detail.code;
  watchConnection();
  if (detail.state === "connected") sound.load();
  for (const entry of entries.values()) if (entry.isSent) drawCard(entry, on);
  say();
});

/* --- the person --- */

const listen = (id, call, type = "click") => $(id).addEventListener(type, call);

listen("start", startShift);
listen("end", () => { endShift(); $("settings").close(); });
listen("again", () => press());
listen("mute", () => (sound.isHeard ? choose({ isMuted: true }) : unmute()));
listen("open-settings", () => $("settings").showModal());
listen("test", () => { sound.arm(); sound.say({ kind: 1, level: 1, number: set.speaks ? "1234" : null }); });
listen("notify", () => Notification.requestPermission().then(say));
listen("all", () => see(wanted(waiting())));
listen("more", () => { nCards += CARDS_STEP; draw(); });
listen("popup-seen", () => popped && see([popped]));
listen("popup-show", () => popped && focusCard(popped));
listen("popup-close", () => { popped = null; drawPopup(); });
listen("search", drawSoon, "input");
listen("volume", ({ target }) => choose({ volume: Number(target.value), isMuted: false }), "change");
listen("repeat", ({ target }) => { choose({ repeatS: Number(target.value) }); ringOn(); }, "change");
listen("theme", ({ target }) => choose({ theme: target.value }), "change");
listen("language", ({ target }) => choose({ language: target.value }), "change");
listen("speak", ({ target }) => choose({ speaks: target.checked }), "change");
listen("keys", ({ target }) => choose({ keys: target.checked }), "change");
// A tap anywhere on a card, but not the end of marking its text.
listen("cards", ({ target }) => {
  const entry = entries.get(target.closest("[data-key]")?.dataset.key);
  if (entry && !entry.acking && !target.closest("button") && getSelection().isCollapsed) see([entry]);
});

function step(by) {
  const buttons = [...$("cards").children].map((card) => card.querySelector("button.strong")).filter(Boolean);
  const at = buttons.indexOf(document.activeElement);
  buttons[at < 0 ? 0 : Math.min(Math.max(at + by, 0), buttons.length - 1)]?.focus();
}

const KEYS = {
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  u: () => [...entries.values()].filter(({ acking, isSent }) => acking && !isSent).slice(-1).forEach(undo),
  "/": () => $("search").focus(),
  m: () => $("mute").click(),
};

addEventListener("keydown", (pressed) => {
  const isTyping = pressed.target.closest?.("input, select, dialog") || pressed.ctrlKey || pressed.altKey || pressed.metaKey;
  if (!set.keys || isTyping || !KEYS[pressed.key]) return;
  pressed.preventDefault();
  KEYS[pressed.key]();
});
for (const type of ["pointerdown", "keydown"]) addEventListener(type, rearm, true);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) rearm();
  stayAwake();
  drawSoon();
});
// What was marked as seen is sent even if nobody waits for it.
addEventListener("pagehide", () => {
  send([...entries.values()].filter(({ acking, isSent }) => acking && !isSent));
  keep("day", day);
}, true);
addEventListener("hashchange", () => takeToken() && bell.restart());
addEventListener("storage", ({ key }) => { // another tab's settings are ours
  if (key !== "orderbell.settings") return;
  change(load("settings"));
  apply();
});
setInterval(() => {
  for (const entry of entries.values()) if (entry.card && !entry.acking) drawAge(entry);
}, 1000);

apply();
rearm();
stayAwake();
bell.start();
