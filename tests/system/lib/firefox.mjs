// firefox.mjs FIREFOX - drives one headless Firefox over WebDriver BiDi, by a JSON object a line on
// its input:
//   {id, do: "open", url}  result: the page's number
//   {id, do: "evaluate" | "wait", page, script, withinMs?}   an expression in the page
//   {id, do: "click", page, selector}  {id, do: "reload" | "errors" | "close", page}
// Each is answered by a line {id, result} or {id, error}.  Ends when its input does.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const WebSocket = createRequire(import.meta.url)("ws"); // an import would not look at NODE_PATH

const home = mkdtempSync(join(tmpdir(), "orderbell-firefox."));
const firefox = spawn(process.argv[2],
  ["--headless", "--no-remote", "--profile", home, "--remote-debugging-port=0"],
  { stdio: ["ignore", "ignore", "pipe"], env: { HOME: home, ...process.env } });
const address = await new Promise((resolve, reject) => {
  let said = "";
  firefox.stderr.on("data", (text) => {
    said += text;
    const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
    if (found) resolve(`${found[1]}/session`);
  });
  firefox.on("exit", () => reject(new Error(said)));
});
const socket = new WebSocket(address, { maxPayload: 0 });
await new Promise((resolve) => { socket.on("open", resolve); });

const waiting = new Map();
const errors = [];
let lastCall = 0;
socket.on("message", (text) => {
  const { id, result, error, message, method, params } = JSON.parse(text);
  if (method === "log.entryAdded" && params.level === "error") errors.push(params.text);
  const call = waiting.get(id);
  waiting.delete(id);
  if (error) call?.reject(new Error(`${error}: ${message}`));
  else call?.resolve(result);
});

function bidi(method, params = {}) {
  socket.send(JSON.stringify({ id: ++lastCall, method, params }));
  return new Promise((resolve, reject) => { waiting.set(lastCall, { resolve, reject }); });
}

async function evaluate({ page, script, userActivation = false }) {
  const { result, exceptionDetails } = await bidi("script.evaluate", { userActivation,
    expression: `JSON.stringify(${script})`, target: { context: page }, awaitPromise: true });
  if (exceptionDetails) throw new Error(exceptionDetails.text);
  return result.value === undefined ? undefined : JSON.parse(result.value);
}

const verbs = {
  async open({ url }) {
    const { context } = await bidi("browsingContext.create", { type: "tab" });
    await bidi("browsingContext.navigate", { context, url, wait: "complete" });
    return context;
  },
  reload: ({ page }) => bidi("browsingContext.reload", { context: page, wait: "complete" }),
  close: ({ page }) => bidi("browsingContext.close", { context: page }),
  errors: () => errors[0] ?? null,
  evaluate,
  async wait({ page, script, withinMs }) {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const value = await evaluate({ page, script });
      if (value) return value;
      if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  },
  // As a person does: what follows may sound.
  click: ({ page, selector }) => evaluate({ page, userActivation: true,
    script: `document.querySelector(${JSON.stringify(selector)}).click()` }),
};

await bidi("session.new", { capabilities: {} });
await bidi("session.subscribe", { events: ["log.entryAdded"] });

const input = createInterface({ input: process.stdin });
input.on("line", async (line) => {
  const { id, ...command } = JSON.parse(line);
  let answer;
  try {
    answer = { id, result: await verbs[command.do](command) };
  } catch (error) {
    answer = { id, error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
input.on("close", async () => {
  firefox.removeAllListeners("exit");
  firefox.on("exit", () => {
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    process.exit(0);
  });
  await bidi("browser.close");
});
