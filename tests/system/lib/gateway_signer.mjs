// gateway_signer.mjs - plays the payment gateways, with libraries that are not ours.
// Reads a JSON object a line, {make, …}, and answers each with one: what was made, or {error}.
//   libraries   which of them are there
//   wechatpay   a notification: {keyFile, serial, timestamp, nonce, apiKey, event, transaction}
//   alipay      a notification: {keyFile, fields}
//   webhook     a signature: {library, secret | keyFile, id, timestamp, body}
//   judge       what the gateway's own library says of {gateway, headers, body, …}: {good}
import crypto from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import readline from "node:readline";

const require = createRequire(import.meta.url); // an import would not look at NODE_PATH
const names = ["wechatpay-axios-plugin", "alipay-sdk", "standardwebhooks", "svix"];
const libraries = {};
for (const name of names) {
  try {
    libraries[name] = require(name);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
  }
}

const keys = new Map();
function privateKey(file) {
  if (!keys.has(file)) keys.set(file, crypto.createPrivateKey(fs.readFileSync(file)));
  return keys.get(file);
}

function publicKey(file) {
  return crypto.createPublicKey(privateKey(file));
}

function wechatpay({ keyFile, serial, timestamp, nonce, apiKey, event, transaction, resource }) {
  const { Rsa, Aes, Formatter } = libraries["wechatpay-axios-plugin"];
  const sealed = {
    original_type: "transaction", algorithm: "AEAD_AES_256_GCM", associated_data: "transaction",
    nonce: "fdasflkja484", ...resource,
  };
  sealed.ciphertext ??= Aes.AesGcm.encrypt(
    JSON.stringify(transaction), apiKey, sealed.nonce, sealed.associated_data);
  const body = JSON.stringify({
    create_time: "2026-11-22T10:00:00+08:00", resource_type: "encrypt-resource",
    event_type: "TRANSACTION.SUCCESS", summary: "支付成功", ...event, resource: sealed,
  });
  const signature = Rsa.sign(Formatter.response(timestamp, nonce, body), privateKey(keyFile));
  return {
    body,
    ciphertext: sealed.ciphertext,
    headers: {
      "Content-Type": "application/json", "Wechatpay-Timestamp": timestamp,
      "Wechatpay-Nonce": nonce, "Wechatpay-Serial": serial, "Wechatpay-Signature": signature,
      "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    },
  };
}

// What a merchant's server does who uses the library.
function judgeWechatpay({ headers, body, keyFile, apiKey }) {
  const { Rsa, Aes, Formatter } = libraries["wechatpay-axios-plugin"];
  const text = Formatter.response(
    headers["Wechatpay-Timestamp"], headers["Wechatpay-Nonce"], body);
  try {
    if (!Rsa.verify(text, headers["Wechatpay-Signature"] ?? "", publicKey(keyFile))) return false;
    const { resource } = JSON.parse(body);
    JSON.parse(Aes.AesGcm.decrypt(
      resource.ciphertext, apiKey, resource.nonce, resource.associated_data));
    return true;
  } catch {
    return false;
  }
}

function alipay({ keyFile, fields }) {
  const signed = Object.keys(fields).filter((name) => name !== "sign_type").sort();
  const text = signed.map((name) => `${name}=${fields[name]}`).join("&");
  const sign = crypto.sign("RSA-SHA256", Buffer.from(text), privateKey(keyFile))
    .toString("base64");
  return {
    headers: { "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" },
    body: new URLSearchParams({ ...fields, sign }).toString(),
  };
}

function judgeAlipay({ body, keyFile }) {
  const { AlipaySdk } = libraries["alipay-sdk"];
  const pem = privateKey(keyFile).export({ type: "pkcs8", format: "pem" });
  const sdk = new AlipaySdk({
    appId: "1", keyType: "PKCS8", privateKey: pem,
    alipayPublicKey: publicKey(keyFile).export({ type: "spki", format: "pem" }),
  });
  return sdk.checkNotifySignV2(Object.fromEntries(new URLSearchParams(body)));
}

function webhook({ library, secret, keyFile, id, timestamp, body }) {
  if (library === "v1a") {
    const content = Buffer.from(`${id}.${timestamp}.${body}`);
    return { signature: `v1a,${crypto.sign(null, content, privateKey(keyFile)).toString("base64")}` };
  }
  const { Webhook } = libraries[library];
  return { signature: new Webhook(secret).sign(id, new Date(timestamp * 1000), body) };
}

function judgeWebhook({ library, secret, headers, body }) {
  const { Webhook } = libraries[library];
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

const judges = { wechatpay: judgeWechatpay, alipay: judgeAlipay, webhook: judgeWebhook };
const makers = {
  libraries: () => ({ names: Object.keys(libraries) }),
  wechatpay,
  alipay,
  webhook,
  judge: (request) => ({ good: judges[request.gateway](request) }),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer;
  try {
    const request = JSON.parse(line);
    answer = makers[request.make](request);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
