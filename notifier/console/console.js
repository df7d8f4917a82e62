// The merchant's page: each event is a card, and a sound once the person has started the shift
// (a browser plays nothing before a click).  All text is shown as text, never as HTML.
import { Orderbell } from "./orderbell.js";

const CARDS_MAX = 200;

const texts = {
  "zh-CN": {
    connecting: "正在连接…",
    connected: "已连接",
    offline: "连接中断，正在重试…",
    stopped: "未授权或协议错误，请重新打开页面",
    start: "开始营业（打开声音）",
    silent: "声音未打开：请点击“开始营业”",
    armed: "声音已打开",
    empty: "暂无新消息",
    terminal: "终端",
    language: "English",
    types: { 1: "来单提醒", 2: "催单" },
    other: "通知",
  },
  en: {
    connecting: "Connecting…",
    connected: "Connected",
    offline: "Connection lost, trying again…",
    stopped: "Not authorised: open the page anew",
    start: "Start shift (sound on)",
    silent: "Sound is off: press “Start shift”",
    armed: "Sound is on",
    empty: "Nothing yet",
    terminal: "Terminal",
    language: "中文",
    types: { 1: "New order", 2: "Customer reminds" },
    other: "Notice",
  },
};

const $ = (id) => document.getElementById(id);
const store = {
  get(key) {
    try { return localStorage.getItem(key); } catch { return null; }
  },
  set(key, value) {
    try { localStorage.setItem(key, value); } catch { /* a private window: it is asked again */ }
  },
};

let language = store.get("orderbell.language")
  ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en");
let state = "connecting";
let audio = null; // the AudioContext once armed

/* --- words --- */

function say() {
  const t = texts[language];
  document.documentElement.lang = language;
  $("state").textContent = t[state];
  $("state").dataset.state = state;
  $("start").textContent = t.start;
  $("sound").textContent = audio ? t.armed : t.silent;
  $("empty").textContent = t.empty;
  $("terminal").textContent = `${t.terminal}: ${sid}`;
  $("language").textContent = t.language;
  document.title = (state === "connected" ? "" : "⚠ ") + "orderbell";
  for (const card of $("cards").children) {
    card.querySelector("h2").textContent = t.types[card.dataset.type] ?? t.other;
  }
}

/* --- sound: two chimes that cannot be confused --- */

const tunes = { 1: [660, 880, 1100], 2: [880, 660, 880, 660] };
let quietAt = 0; // the AudioContext's time when all that is queued has sounded

function ring(type) {
  if (!audio || audio.state !== "running") return;
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

$("start").addEventListener("click", async () => {
  audio ??= new AudioContext();
  await audio.resume();
  $("start").hidden = true;
  bell.sendAudio("armed");
  say();
  ring(0);
});

/* --- cards --- */

function show(event) {
  const card = document.createElement("li");
  const title = document.createElement("h2");
  const content = document.createElement("p");
  const time = document.createElement("time");
  const at = event.at ? new Date(event.at) : new Date();

  card.dataset.type = String(event.type);
  if (event.seq !== undefined) card.dataset.seq = String(event.seq);
  title.textContent = texts[language].types[event.type] ?? texts[language].other;
  content.textContent = event.content;
  content.dir = "auto";
  time.dateTime = at.toISOString();
  time.textContent = at.toLocaleTimeString(language);
  card.append(title, content, time);
  $("cards").prepend(card);
  while ($("cards").children.length > CARDS_MAX) $("cards").lastChild.remove();
  $("empty").hidden = true;
}

/* --- the connection --- */

const query = new URLSearchParams(location.search);
const fragment = new URLSearchParams(location.hash.slice(1));
const token = fragment.get("token") ?? undefined;
let sid = store.get("orderbell.sid");
if (!sid) {
  sid = `web-${crypto.getRandomValues(new Uint32Array(2)).join("").slice(0, 12)}`;
  store.set("orderbell.sid", sid);
}
// A token is nothing for the address bar and the history.
if (token) history.replaceState(null, "", location.pathname + location.search);

const url = new URL(`/ws/${sid}`, location.href);
url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
url.hash = "";
if (query.has("merchant")) url.searchParams.set("merchant", query.get("merchant"));

const bell = new Orderbell(url.href, {
  getToken: () => token,
  getAudio: () => (audio ? "armed" : "blocked"),
});
bell.addEventListener("state", (e) => { state = e.detail.state; say(); });
bell.addEventListener("event", (e) => { show(e.detail); ring(e.detail.type); });

for (const name of ["online", "pageshow"]) addEventListener(name, () => bell.retryNow());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") bell.retryNow();
});
$("language").addEventListener("click", () => {
  language = language === "en" ? "zh-CN" : "en";
  store.set("orderbell.language", language);
  say();
});

say();
bell.start();
