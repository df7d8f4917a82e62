// browser.mjs CHROMIUM - drives one headless Chromium by a JSON object a line on its input:
//   {id, do: "open", url, locale?}            a page in a context of its own; result: its number
//   {id, do: "terminal", terminal, pageUrl, url, v1}   a WebSocket in a page of that origin; what
//                                             happens to it is told as {terminal, kind, …}
//   {id, do: "evaluate" | "wait", page, script, withinMs?}   an expression in the page
//   {id, do: "click", page, selector}  {id, do: "screenshot", page, path}
//   {id, do: "offline", page, is}      {id, do: "reload" | "close", page}
// Each is answered by a line {id, result} or {id, error}.  Ends when its input does.
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const { chromium } = createRequire(import.meta.url)("playwright-core");

const home = mkdtempSync(join(tmpdir(), "orderbell-browser."));
const browser = await chromium.launch({
  executablePath: process.argv[2],
  env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
  args: [
    ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
const pages = new Map();
let lastPage = 0;

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function newPage(url, how = {}) {
  const context = await browser.newContext(how);
  const page = await context.newPage();
  const number = ++lastPage;
  pages.set(number, page);
  page.on("pageerror", (error) => { page.lastError = String(error); });
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

const verbs = {
  async open({ url, locale }) {
    return (await newPage(url, { locale })).number;
  },
  async terminal({ terminal, pageUrl, url, v1 }) {
    const { number, page } = await newPage(pageUrl);
    await page.exposeFunction("tellTest", (line) => print({ terminal, ...line }));
    await page.evaluate(openTerminal, { url, v1 });
    return number;
  },
  evaluate: ({ page, script }) => pages.get(page).evaluate(script),
  // Not waitForFunction: inside the page its eval() is forbidden by the page's own policy.
  async wait({ page, script, withinMs }) {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const value = await pages.get(page).evaluate(script);
      if (value) return value;
      if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  },
  click: ({ page, selector }) => pages.get(page).click(selector, { timeout: 5000 }),
  async screenshot({ page, path }) {
    await pages.get(page).screenshot({ path });
  },
  async reload({ page }) {
    await pages.get(page).reload();
  },
  offline: ({ page, is }) => pages.get(page).context().setOffline(is),
  async close({ page }) {
    await pages.get(page).context().close();
    pages.delete(page);
  },
};

async function answer(line) {
  const command = JSON.parse(line);
  try {
    print({ id: command.id, result: await verbs[command.do](command) });
  } catch (error) {
    const inPage = pages.get(command.page)?.lastError;
    print({ id: command.id, error: String(error) + (inPage ? `; in the page: ${inPage}` : "") });
  }
}

const input = createInterface({ input: process.stdin });
input.on("line", answer);
input.on("close", async () => {
  await browser.close();
  rmSync(home, { recursive: true, force: true });
  process.exit(0);
});
