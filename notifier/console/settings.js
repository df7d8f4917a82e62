// What is kept in the browser: how the person wants the page, and which terminal it is.
import { texts } from "./texts.js";

/* Storage may be forbidden (a private window), then things are asked again. */

export function load(key) {
  try { return JSON.parse(localStorage.getItem(`orderbell.${key}`)); } catch { return null; }
}

export function keep(key, value) {
  try { localStorage.setItem(`orderbell.${key}`, JSON.stringify(value)); } catch { /* not kept */ }
}

export const set = {
  language: navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en",
  theme: "auto", volume: 1, isMuted: false, repeatS: 15, speaks: true, keys: true, isOnShift: false,
  ...load("settings"),
};
/** The words of the language that is set. */
export let t = texts[set.language] ?? texts.en;

export function change(what) {
  Object.assign(set, what);
  t = texts[set.language] ?? texts.en;
}

export function terminalName() {
  let name = load("sid");
  if (/^[A-Za-z0-9._-]{1,64}$/.test(name ?? "")) return name;
  name = `web-${Array.from(crypto.getRandomValues(new Uint8Array(6)),
    (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  keep("sid", name);
  return name;
}

export function socketUrl() {
  const merchant = new URLSearchParams(location.search).get("merchant");
  const url = new URL(`../ws/${terminalName()}`, location.href);
  url.hash = url.search = "";
  if (merchant !== null) url.searchParams.set("merchant", merchant);
  return url.href;
}
