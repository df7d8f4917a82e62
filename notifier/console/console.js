// The merchant's page: each event is a card, and a sound once the person has started the shift
// (a browser plays nothing before a click).  All text is shown as text, never as HTML.
import { Orderbell } from "./orderbell.js";

const CARDS_MAX = 200;

const texts = {
  "zh-CN": {
    connecting: "正在连接…",
    connected: "已连接",
    offline: "连接中断，正在重试…",
    stopped: "已停止",
    4400: "协议错误，连接已停止",
    4401: "未授权：请用新的链接打开本页",
    4403: "没有权限：请联系管理员",
    again: "重试",
    start: "开始营业",
    silent: "声音未打开：请点击“开始营业”",
    armed: "声音已打开",
    empty: "暂无新消息",
    older: (n) => `另有 ${n} 条较早的消息未显示`,
    terminal: "终端",
    dismiss: "关闭",
    language: "English",
    types: { 1: "来单提醒", 2: "客户催单" },
    other: "通知",
  },
  en: {
    connecting: "Connecting…",
    connected: "Connected",
    offline: "Connection lost, trying again…",
    stopped: "Stopped",
    4400: "Protocol error, not connected",
    4401: "Not authorised: open this page by a new link",
    4403: "Forbidden: ask who runs this",
    again: "Try again",
    start: "Start shift",
    silent: "Sound is off: press “Start shift”",
    armed: "Sound is on",
    empty: "Nothing yet",
    older: (n) => `${n} older ones are not shown`,
    terminal: "Terminal",
    dismiss: "Dismiss",
    language: "中文",
    types: { 1: "New order", 2: "Customer reminds" },
    other: "Notice",
  },
};

const $ = (id) => document.getElementById(id);

// Storage may be forbidden (a private window): then things are asked again.
function keep(storage, key, value) {
  try { window[storage].setItem(key, value); } catch { /* not kept */ }
}

function kept(storage, key) {
  try { return window[storage].getItem(key); } catch { return null; }
}

let language = kept("localStorage", "orderbell.language")
  ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en");
let code; // why the server refused, while it does
let nOlder = 0; // cards that had to go
let isLive = false; // all that was missed has been told
let missedType; // of what has been told while it was not

/* --- who this is --- */

function terminalName() {
  const name = kept("localStorage", "orderbell.sid");
  if (/^[A-Za-z0-9._-]{1,64}$/.test(name ?? "")) return name;
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  const fresh = `web-${Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("")}`;
  keep("localStorage", "orderbell.sid", fresh);
  return fresh;
}

// The fragment never leaves the browser, but it is nothing for the address bar and the history.
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  keep("sessionStorage", "orderbell.token", token);
  history.replaceState(null, "", location.pathname + location.search);
  getToken.token = token;
  return true;
}

function getToken() {
  return getToken.token ?? kept("sessionStorage", "orderbell.token") ?? undefined;
}

const sid = terminalName();

function socketUrl() {
  const merchant = new URLSearchParams(location.search).get("merchant");
  const url = new URL(`../ws/${sid}`, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  if (merchant !== null) url.searchParams.set("merchant", merchant);
  return url.href;
}

/* --- words --- */

function say() {
  const t = texts[language];
  const isRefused = bell.state === "stopped" && code !== undefined;
  const sound = hasSound() ? "on" : "off";

  document.documentElement.lang = language;
  $("state").textContent = t[bell.state];
  $("state").dataset.state = bell.state;
  $("refused").hidden = !isRefused;
  $("refused").firstElementChild.textContent = t[code] ?? "";
  $("again").textContent = t.again;
  $("start").textContent = t.start;
  $("start").hidden = sound === "on";
  $("sound").textContent = sound === "on" ? t.armed : t.silent;
  $("sound").dataset.sound = sound;
  $("empty").textContent = t.empty;
  $("empty").hidden = $("cards").children.length > 0;
  $("older").textContent = t.older(nOlder);
  $("older").hidden = nOlder === 0;
  $("terminal").textContent = `${t.terminal}: ${sid}`;
  $("language").textContent = t.language;
  document.title = `${bell.state === "connected" ? "" : "⚠ "}orderbell`;
  for (const card of $("cards").children) nameCard(card);
}

function nameCard(card) {
  const t = texts[language];
  card.querySelector("h2").textContent = t.types[card.dataset.type] ?? t.other;
  card.querySelector("button").textContent = t.dismiss;
}

/* --- sound: chimes that cannot be confused --- */

const tunes = { 1: [660, 880, 1100], 2: [880, 660, 880, 660] };
let audio = null; // the AudioContext once there was a click
let quietAt = 0; // its time when all that is queued has sounded

function hasSound() {
  return audio?.state === "running";
}

function ring(type) {
  if (!hasSound()) return;
  let at = Math.max(audio.currentTime + 0.02, quietAt + 0.15);
  for (const hertz of tunes[type] ?? [520, 520]) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.5, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.28);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.3);
    at += 0.2;
  }
  quietAt = at;
  document.body.dataset.rung = String(Number(document.body.dataset.rung ?? 0) + 1);
}

async function arm() {
  if (!audio) {
    audio = new AudioContext();
    audio.addEventListener("statechange", () => {
      bell.sendAudio(hasSound() ? "armed" : "blocked");
      say();
    });
  }
  await audio.resume();
  ring(0);
  say();
}

/* --- cards --- */

function show(event) {
  const card = document.createElement("li");
  const title = document.createElement("h2");
  const content = document.createElement("p");
  const time = document.createElement("time");
  const dismiss = document.createElement("button");
  let at = new Date(event.at ?? Date.now());

  if (Number.isNaN(at.getTime())) at = new Date();
  card.dataset.type = String(event.type);
  if (event.seq !== undefined) card.dataset.seq = String(event.seq);
  content.textContent = String(event.content ?? "");
  content.dir = "auto";
  time.dateTime = at.toISOString();
  time.textContent = at.toLocaleTimeString(language);
  dismiss.type = "button";
  // Seen: gone from here, and, once the server has kept that, from the merchant's other terminals.
  dismiss.addEventListener("click", () => {
    if (event.seq !== undefined) bell.ack([event.seq]);
    card.remove();
    say();
  });
  card.append(title, content, time, dismiss);
  nameCard(card);
  $("cards").prepend(card);
  for (; $("cards").children.length > CARDS_MAX; nOlder++) $("cards").lastChild.remove();
  $("empty").hidden = true;
}

/* --- the connection --- */

takeToken();
const bell = new Orderbell(socketUrl(), {
  getToken,
  getAudio: () => (hasSound() ? "armed" : "blocked"),
});

bell.addEventListener("state", ({ detail }) => {
  code = detail.code;
  if (detail.state !== "connected") isLive = false;
  say();
});
// What was missed rings once, at its end, however much it is; what somebody has seen already neither
// shows nor rings.
bell.addEventListener("event", ({ detail }) => {
  if (detail.acked !== undefined) return;
  show(detail);
  if (isLive) ring(detail.type);
  else missedType = missedType === 1 ? 1 : detail.type;
});
bell.addEventListener("caught_up", () => {
  isLive = true;
  if (missedType !== undefined) ring(missedType);
  missedType = undefined;
});
bell.addEventListener("acked", ({ detail }) => {
  const seqs = new Set(detail.acked.map(String));
  for (const card of [...$("cards").children]) if (seqs.has(card.dataset.seq)) card.remove();
  say();
});

for (const name of ["online", "pageshow"]) addEventListener(name, () => bell.retryNow());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") bell.retryNow();
});
addEventListener("hashchange", () => {
  if (!takeToken()) return;
  bell.stop();
  bell.start();
});
$("start").addEventListener("click", arm);
$("again").addEventListener("click", () => bell.start());
$("language").addEventListener("click", () => {
  language = language === "en" ? "zh-CN" : "en";
  keep("localStorage", "orderbell.language", language);
  say();
});

say();
bell.start();
