// driver.mjs - what the programs that drive a browser for the tests have in common: commands are
// JSON objects, a line each, {id, do, …}; each is answered by a line {id, result} or {id, error}.
import { createInterface } from "node:readline";

export function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Does what is asked for until the input ends, then what `end` says.  `comment(command)` is added
 * to errors. */
export function serve(verbs, end, comment = () => "") {
  const input = createInterface({ input: process.stdin });
  input.on("line", async (line) => {
    const { id, ...command } = JSON.parse(line);
    try {
      print({ id, result: await verbs[command.do](command) });
    } catch (error) {
      print({ id, error: String(error) + comment(command) });
    }
  });
  input.on("close", end);
}

/** The verb "wait": until an expression in the page is true. */
export function waitBy(evaluate) {
  return async ({ page, script, withinMs }) => {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const value = await evaluate({ page, script });
      if (value) return value;
      if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  };
}

/** A WebSocket to a browser, as a function call(method, params, more): what it answers, or an error.
 * `tell(message)` gets all that is no answer. */
export async function connectTo(WebSocket, address, tell = () => {}) {
  const socket = new WebSocket(address, { maxPayload: 0 });
  const waiting = new Map();
  let lastCall = 0;
  await new Promise((resolve) => { socket.on("open", resolve); });
  socket.on("message", (text) => {
    const { id, result, error, ...more } = JSON.parse(text);
    const call = waiting.get(id);
    waiting.delete(id);
    if (!call) tell(more);
    else if (error) call.reject(new Error(error.message ?? `${error}: ${more.message}`));
    else call.resolve(result);
  });
  return (method, params = {}, more = {}) => {
    socket.send(JSON.stringify({ id: ++lastCall, method, params, ...more }));
    return new Promise((resolve, reject) => { waiting.set(lastCall, { resolve, reject }); });
  };
}

/** What a browser says on its standard error that matches, or an error with all it said. */
export function said(browser, what) {
  return new Promise((resolve, reject) => {
    let text = "";
    browser.stderr.on("data", (more) => {
      text += more;
      const found = what.exec(text);
      if (found) resolve(found[1]);
    });
    browser.on("exit", () => reject(new Error(text)));
  });
}
