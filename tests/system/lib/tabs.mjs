// tabs.mjs CHROMIUM [ARGUMENT...] - drives one headless Chromium whose pages are tabs of one window,
// so that all but the front one are hidden, as a person's are (Playwright keeps all of them visible,
// and switches off what browsers do to hidden ones).  By a JSON object a line on its input:
//   {id, do: "open", url}                     a tab, in front; result: its number
//   {id, do: "front" | "reload" | "close", page}
//   {id, do: "evaluate" | "wait", page, script, withinMs?}   an expression in the page
//   {id, do: "click", page, selector}
// Each is answered by a line {id, result} or {id, error}.  Ends when its input does.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { connectTo, said, serve, waitBy } from "./driver.mjs";

const WebSocket = createRequire(import.meta.url)("ws"); // an import would not look at NODE_PATH

const home = mkdtempSync(join(tmpdir(), "orderbell-tabs."));
const chromium = spawn(process.argv[2], [
  "--headless=new", "--remote-debugging-port=0", `--user-data-dir=${home}/profile`, "--lang=en",
  ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
  "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", ...process.argv.slice(3), "about:blank",
], { stdio: ["ignore", "ignore", "pipe"],
  env: { ...process.env, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home } });

const devtools = await connectTo(WebSocket, await said(chromium, /DevTools listening on (ws:\S+)/));
chromium.stderr.resume();
const tabs = []; // as devtools() wants them named
const targets = [];

async function evaluate({ page, script }) {
  const { result, exceptionDetails } = await devtools("Runtime.evaluate",
    { expression: script, awaitPromise: true, returnByValue: true }, tabs[page]);
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description);
  return result.value;
}

const verbs = {
  async open({ url }) {
    const { targetId } = await devtools("Target.createTarget", { url });
    const { sessionId } = await devtools("Target.attachToTarget", { targetId, flatten: true });
    tabs.push({ sessionId });
    targets.push(targetId);
    await devtools("Target.activateTarget", { targetId });
    await verbs.wait({ page: tabs.length - 1, withinMs: 20000,
      script: "document.readyState === 'complete' && location.href !== 'about:blank'" });
    return tabs.length - 1;
  },
  front: ({ page }) => devtools("Target.activateTarget", { targetId: targets[page] }),
  close: ({ page }) => devtools("Target.closeTarget", { targetId: targets[page] }).catch(() => {}),
  reload: ({ page }) => devtools("Page.reload", {}, tabs[page]),
  evaluate,
  wait: waitBy(evaluate),
  // As a person does: what follows may sound.
  async click({ page, selector }) {
    await devtools("Runtime.evaluate", { userGesture: true,
      expression: `document.querySelector(${JSON.stringify(selector)}).click()` }, tabs[page]);
  },
};

serve(verbs, async () => {
  chromium.removeAllListeners("exit");
  chromium.on("exit", () => {
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    process.exit(0);
  });
  await devtools("Browser.close");
});
