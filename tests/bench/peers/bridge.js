// bridge.js CHANNEL http|mqtt PORT - brings each NOTIFY to a broker on 127.0.0.1: by POST to nchan's
// publisher, or by MQTT's PUBLISH (QoS 0).  Prints {} once it listens.
"use strict";

const http = require("node:http");
const net = require("node:net");
const { Client } = require("pg");

const TOPIC = "merchant/1";

function mqttPacket(type, ...parts) {
	const body = Buffer.concat(parts);
	const length = [];
	let left = body.length;
	do {
		length.push((left & 127) | (left > 127 ? 128 : 0));
		left >>= 7;
	} while (left > 0);
	return Buffer.concat([Buffer.from([type, ...length]), body]);
}

function mqttText(text) {
	const bytes = Buffer.from(text);
	return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

// Each gives a function that publishes one event, in the order it is called.
const roads = {
	async mqtt(port) {
		const socket = net.connect(port, "127.0.0.1");
		socket.on("error", fail);
		socket.setNoDelay(true);
		socket.write(mqttPacket(0x10, mqttText("MQTT"), Buffer.from([4, 2, 0, 0]), mqttText("bridge")));
		await new Promise((resolve) => socket.once("data", resolve)); // CONNACK
		return (event) => socket.write(mqttPacket(0x30, mqttText(TOPIC), Buffer.from(event)));
	},
	async http(port) {
		const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
		const options = { agent, port, host: "127.0.0.1", path: "/pub", method: "POST" };
		return (event) => {
			const request = http.request(options, (answer) => answer.resume());
			request.on("error", fail);
			request.end(event);
		};
	},
};

function fail(error) {
	console.error(error);
	process.exit(1);
}

async function main(channel, road, port) {
	const publish = await roads[road](Number(port));
	const db = new Client();

	await db.connect();
	db.on("notification", (event) => publish(event.payload));
	await db.query(`listen ${db.escapeIdentifier(channel)}`);
	console.log("{}");
}

main(...process.argv.slice(2)).catch(fail);
