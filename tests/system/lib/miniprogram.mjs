// miniprogram.mjs FOLDER WS_URL - runs the mini-program's page in miniprogram-simulate, with sockets
// that are real.  FOLDER: the example with orderbell.js in it.  By a JSON object a line on its input:
//   {id, do: "read"}        result: {state, texts, details, played, kept}
//   {id, do: "tap", text}   the button of the card with that text
//   {id, do: "hide", awayMs} / {id, do: "show"}   into the background (with connections that are cut
//                           without a word, as WeChat does), and back
// Each is answered by a line {id, result} or {id, error}.  Ends when its input does.
import { createRequire } from "node:module";
import { join } from "node:path";

import { serve } from "./driver.mjs";

const require = createRequire(import.meta.url); // an import would not look at NODE_PATH
const WebSocket = require("ws");
const esbuild = require("esbuild");
const { JSDOM } = require("jsdom");

const [folder, url] = process.argv.slice(2);

// WeChat's DevTools compile modules and new syntax away; so does this, for the same Chrome.
for (const name of ["config.js", "lib/orderbell.js", "lib/wx-platform.js", "pages/bell/bell.js"]) {
  const file = join(folder, name);
  esbuild.buildSync({ entryPoints: [file], outfile: file, allowOverwrite: true, format: "cjs",
    target: "chrome53", logLevel: "error" });
}

const { window } = new JSDOM("<!doctype html><body></body>", { pretendToBeVisual: true });
Object.assign(globalThis, { window, document: window.document, Event: window.Event });
for (const name of ["HTMLElement", "Node", "Element", "CustomEvent"]) globalThis[name] = window[name];

// A mini-program has none of a browser's own.
const { setTimeout: later } = globalThis;
delete globalThis.WebSocket;
delete globalThis.fetch;

const sockets = [];
const storage = new Map([["token", ""]]);
const played = [];

// SocketTask as WeChat documents it, on ws.
function connectSocket({ url: asked, protocols, fail }) {
  const real = new URL(url);
  const socket = new WebSocket(asked.replace(/^wss:\/\/[^/]*/, `ws://${real.host}`) + real.search, protocols);
  const task = { socket, isCut: false };
  const on = (name, call) => socket.on(name, (...what) => { if (!task.isCut) call(...what); });
  sockets.push(task);
  socket.on("error", () => fail?.({ errMsg: "connectSocket:fail" }));
  return Object.assign(task, {
    onOpen: (call) => on("open", () => call({ header: {} })),
    onMessage: (call) => on("message", (data, isBinary) => call({ data: isBinary ? data : String(data) })),
    onClose: (call) => on("close", (code, reason) => call({ code, reason: String(reason) })),
    onError: (call) => on("error", (error) => call({ errMsg: String(error) })),
    send: ({ data }) => { if (!task.isCut) socket.send(data); },
    close: ({ code }) => socket.close(code),
  });
}

globalThis.wx = {
  connectSocket,
  getStorageSync: (key) => storage.get(key) ?? "",
  setStorageSync: (key, value) => storage.set(key, value),
  createInnerAudioContext: () => ({ src: "", play() { played.push(this.src); }, stop() {}, destroy() {} }),
  setKeepScreenOn() {},
  vibrateLong() {},
};

const simulate = require("miniprogram-simulate");
const page = simulate.render(simulate.load(join(folder, "pages/bell/bell"), { compiler: "simulate" }));
page.attach(window.document.body);
page.triggerPageLifeTime("show");

const verbs = {
  read: () => ({
    state: page.data.state,
    texts: [...page.dom.querySelectorAll(".main--content, .content")].map(({ textContent }) => textContent),
    details: [...page.dom.querySelectorAll(
      ".main--amount, .main--line, .amount, .line")].map(({ textContent }) => textContent),
    played,
    connections: sockets.length,
    kept: [...storage.keys()],
  }),
  tap({ text }) {
    const index = page.data.events.findIndex(({ content }) => content === text);
    page.querySelectorAll(".seen")[index].dispatchEvent("tap");
  },
  async hide({ awayMs }) {
    page.triggerPageLifeTime("hide");
    for (const task of sockets) task.isCut = true;
    await new Promise((resolve) => { later(resolve, awayMs); });
  },
  show: () => page.triggerPageLifeTime("show"),
};

serve(verbs, () => process.exit(0));
