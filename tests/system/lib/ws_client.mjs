// ws_client.mjs URL OPTIONS - a terminal made of Node's `ws`.
// OPTIONS: JSON {v1, headers, hello}.  Prints a JSON object a line: {kind: "open" | "frame" |
// "refused" | "error" | "close", …}.  Ends when its input does, or with the connection.
import { createRequire } from "node:module";

const WebSocket = createRequire(import.meta.url)("ws"); // an import would not look at NODE_PATH

const [url, optionsText] = process.argv.slice(2);
const { v1, headers, hello } = JSON.parse(optionsText);
const socket = new WebSocket(url, v1 ? ["orderbell.v1"] : [], { headers });

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

socket.on("open", () => {
  print({ kind: "open", subprotocol: socket.protocol });
  if (hello) socket.send(JSON.stringify(hello));
});
socket.on("message", (data, isBinary) => {
  print({ kind: "frame", text: data.toString(isBinary ? "base64" : "utf8"), isBinary });
});
socket.on("unexpected-response", (request, response) => {
  print({ kind: "refused", status: response.statusCode });
  request.destroy();
  process.exit(0);
});
socket.on("error", (error) => print({ kind: "error", message: String(error) }));
socket.on("close", (code) => {
  print({ kind: "close", code });
  process.stdin.destroy();
});

process.stdin.resume();
process.stdin.on("end", () => socket.close());
