// browser.mjs CHROMIUM [ARGUMENT...] - drives one headless Chromium by a JSON object a line on its
// input:
//   {id, do: "open", url, context?, init?, grant?}   a page in a context of its own (context: its
//                                             options, grant: permissions); result: its number
//   {id, do: "open", url, beside}             one more page in the context of page `beside`
//   {id, do: "terminal", terminal, pageUrl, url, v1}   a WebSocket in a page of that origin; what
//                                             happens to it is told as {terminal, kind, …}
//   {id, do: "evaluate" | "wait", page, script, withinMs?}   an expression in the page
//   {id, do: "click" | "select" | "fill", page, selector, value?}  {id, do: "press", page, key}
//   {id, do: "watchTasks"}  {id, do: "longestTask", page}   since then: {wall, cpu} in ms
//   {id, do: "axe", page}                     what axe-core finds: [{id, impact, targets}]
//   {id, do: "screenshot", page, path}
//   {id, do: "offline", page, is}  {id, do: "reload" | "errors" | "close", page}  close with `alone`:
//                                             not the pages beside it
// Each is answered by a line {id, result} or {id, error}.  Ends when its input does.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { print, serve, waitBy } from "./driver.mjs";

const require = createRequire(import.meta.url); // an import would not look at NODE_PATH
const { chromium } = require("playwright-core");

const home = mkdtempSync(join(tmpdir(), "orderbell-browser."));
const browser = await chromium.launch({
  executablePath: process.argv[2],
  ignoreDefaultArgs: ["--mute-audio"], // there is an ear
  env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
  args: [
    ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", ...process.argv.slice(3),
  ],
});
const pages = new Map();
let lastPage = 0;

async function newPage({ url, context: how, init, grant, beside }) {
  const context = beside ? pages.get(beside).context() : await browser.newContext(how);
  if (grant) await context.grantPermissions(grant);
  if (init) await context.addInitScript(init);
  const page = await context.newPage();
  const number = ++lastPage;
  pages.set(number, page);
  page.on("pageerror", (error) => { page.lastError = String(error.stack); });
  await page.goto(url);
  return { number, page };
}

// Runs in the page: a terminal of the browser's own WebSocket.
function openTerminal({ url, v1 }) {
  const socket = v1 ? new WebSocket(url, "orderbell.v1") : new WebSocket(url);
  socket.onopen = () => {
    tellTest({ kind: "open", subprotocol: socket.protocol });
    if (v1) socket.send('{"hello":1}');
  };
  socket.onmessage = ({ data }) => tellTest({
    kind: "frame", text: String(data), isBinary: typeof data !== "string",
  });
  socket.onclose = ({ code }) => tellTest({ kind: "close", code });
}

// What the main thread of a page did, by Chromium's own trace.
const tracing = await browser.newBrowserCDPSession();
let traced = [];
tracing.on("Tracing.dataCollected", ({ value }) => traced.push(...value));

const verbs = {
  watchTasks() {
    traced = [];
    return tracing.send("Tracing.start", { transferMode: "ReportEvents",
      traceConfig: { includedCategories: ["toplevel", "blink.user_timing"] } });
  },
  async longestTask({ page }) {
    await pages.get(page).evaluate(() => performance.mark("orderbell-test"));
    const complete = new Promise((resolve) => { tracing.once("Tracing.tracingComplete", resolve); });
    await tracing.send("Tracing.end");
    await complete;
    const mark = traced.find(({ name }) => name === "orderbell-test"); // by its own thread
    const tasks = traced.filter(({ ph, name, pid, tid }) => ph === "X" && name.endsWith("RunTask") &&
      pid === mark.pid && tid === mark.tid);
    if (tasks.length === 0) throw new Error("the trace has no tasks");
    const { dur, tdur } = tasks.reduce((a, b) => ((a.tdur ?? 0) > (b.tdur ?? 0) ? a : b));
    return { wall: dur / 1000, cpu: tdur / 1000 };
  },
  async open(what) {
    return (await newPage(what)).number;
  },
  async terminal({ terminal, pageUrl, url, v1 }) {
    const { number, page } = await newPage({ url: pageUrl });
    await page.exposeFunction("tellTest", (line) => print({ terminal, ...line }));
    await page.evaluate(openTerminal, { url, v1 });
    return number;
  },
  evaluate: ({ page, script }) => pages.get(page).evaluate(script),
  // Not waitForFunction: inside the page its eval() is forbidden by the page's own policy.
  wait: waitBy(({ page, script }) => pages.get(page).evaluate(script)),
  click: ({ page, selector }) => pages.get(page).click(selector, { timeout: 20000 }),
  select: ({ page, selector, value }) => pages.get(page).selectOption(selector, value),
  fill: ({ page, selector, value }) => pages.get(page).fill(selector, value),
  press: ({ page, key }) => pages.get(page).keyboard.press(key),
  async axe({ page }) {
    await pages.get(page).evaluate(readFileSync(require.resolve("axe-core/axe.min.js"), "utf8"));
    const { violations } = await pages.get(page).evaluate(() => axe.run());
    return violations.map(({ id, impact, nodes }) =>
      ({ id, impact, targets: nodes.map(({ target, failureSummary }) => [target, failureSummary]) }));
  },
  async screenshot({ page, path }) {
    await pages.get(page).screenshot({ path });
  },
  async reload({ page }) {
    await pages.get(page).reload();
  },
  offline: ({ page, is }) => pages.get(page).context().setOffline(is),
  errors: ({ page }) => pages.get(page).lastError ?? null,
  async close({ page, alone }) {
    const closing = pages.get(page);
    pages.delete(page);
    await (alone ? closing : closing.context()).close();
  },
};

serve(verbs, async () => {
  await browser.close();
  rmSync(home, { recursive: true, force: true });
  process.exit(0);
}, ({ page }) => {
  const inPage = pages.get(page)?.lastError;
  return inPage ? `; in the page: ${inPage}` : "";
});
