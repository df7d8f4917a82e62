// ws.js CHANNEL - what one writes in Node: each NOTIFY to all who are connected.
// Prints {"port":N} once it listens to both; PostgreSQL is where PGHOST and the like say.
"use strict";

const { WebSocketServer } = require("ws");
const { Client } = require("pg");

async function main(channel) {
	const db = new Client();
	const server = new WebSocketServer({
		host: "127.0.0.1",
		port: 0,
		backlog: 4096,
		perMessageDeflate: false,
	});

	await db.connect();
	db.on("notification", (event) => {
		for (const terminal of server.clients) {
			terminal.send(event.payload);
		}
	});
	await db.query(`listen ${db.escapeIdentifier(channel)}`);
	server.on("connection", (terminal) => terminal.on("error", () => terminal.terminate()));
	console.log(JSON.stringify({ port: server.address().port }));
}

main(process.argv[2]).catch((error) => {
	console.error(error);
	process.exit(1);
});
