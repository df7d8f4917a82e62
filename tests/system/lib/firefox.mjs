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

import { connectTo, said, serve, waitBy } from "./driver.mjs";

const WebSocket = createRequire(import.meta.url)("ws"); // an import would not look at NODE_PATH

const home = mkdtempSync(join(tmpdir(), "orderbell-firefox."));
const firefox = spawn(process.argv[2],
  ["--headless", "--no-remote", "--profile", home, "--remote-debugging-port=0"],
  { stdio: ["ignore", "ignore", "pipe"], env: { HOME: home, ...process.env } });
const errors = [];
const address = await said(firefox, /WebDriver BiDi listening on (ws:\S+)/);
const bidi = await connectTo(WebSocket, `${address}/session`, ({ method, params }) => {
  if (method === "log.entryAdded" && params.level === "error") errors.push(params.text);
});
firefox.stderr.resume();

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
  wait: waitBy(evaluate),
  // As a person does: what follows may sound.
  click: ({ page, selector }) => evaluate({ page, userActivation: true,
    script: `document.querySelector(${JSON.stringify(selector)}).click()` }),
};

await bidi("session.new", { capabilities: {} });
await bidi("session.subscribe", { events: ["log.entryAdded"] });

serve(verbs, async () => {
  firefox.removeAllListeners("exit");
  firefox.on("exit", () => {
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    process.exit(0);
  });
  await bidi("browser.close");
});
