// A card, and what it is made of.  All text is shown as text, never as HTML.
import { set, t } from "./settings.js";

const ITEMS_MAX = 8; // of a card; of the others it says how many there are
const TEXT_MAX = 100; // characters of an item or amount
const LATE_S = [180, 600]; // a card that waits this long gets another look

export const kindOf = ({ type }) => (type === 1 || type === 2 ? type : 3);
export const numberOf = ({ content }) => /^订单号[:：]\s*([\w-]{1,50})$/.exec(content)?.[1];
export const timeOf = (at) => new Date(at).toLocaleTimeString(set.language, { hour: "2-digit", minute: "2-digit" });

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

export function button(text, call) {
  const element = make("button", "", text);
  element.type = "button";
  element.addEventListener("click", call);
  return element;
}

export function icon(kind) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "use"));
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${kind}`);
  return svg;
}

/** The number with its end in bold, or the text. */
export function content({ event, number }, className) {
  const text = make("p", className);
  if (number) text.append(make("span", "", number.slice(0, -4)), make("b", "", number.slice(-4)));
  else text.textContent = event.content;
  text.dir = number ? "ltr" : "auto";
  return text;
}

/** The text, or its beginning, between two characters. */
function cut(text) {
  return text.length > TEXT_MAX ? `${[...text.slice(0, 2 * TEXT_MAX)].slice(0, TEXT_MAX).join("")}…` : text;
}

const moneys = new Map(); // to make one takes long

function moneyOf(currency, digits) {
  const key = `${set.language} ${currency} ${digits}`;
  if (!moneys.has(key)) {
    moneys.set(key, new Intl.NumberFormat(set.language,
      { style: "currency", currency, maximumFractionDigits: Math.max(2, digits) }));
  }
  return moneys.get(key);
}

/** As the language writes it where the currency is known, else as it came; "": there is none. */
export function amountOf({ amount, currency }) {
  if (typeof amount !== "string") return "";
  const [, digits] = /^-?\d{1,15}(?:\.(\d{0,8}?)0*)?$/.exec(amount) ?? [, null];
  if (digits === null || !currency) return cut(amount);
  try {
    return moneyOf(currency, digits?.length ?? 0).format(amount);
  } catch { // no such currency
    return cut(`${amount} ${currency}`);
  }
}

export function itemsOf({ items }) {
  return Array.isArray(items) ? items.filter((item) => typeof item?.name === "string") : [];
}

/** The list of what was ordered; null: nobody knows. */
function list(event) {
  const items = itemsOf(event);
  const lines = items.slice(0, ITEMS_MAX).map(({ name, quantity, note }) => {
    const line = make("li", "", make("bdi", "", cut(name)));
    if (typeof quantity === "number") line.append(make("b", "", ` × ${quantity}`));
    if (typeof note === "string") line.append(" ", make("small", "", make("bdi", "", cut(note))));
    return line;
  });
  const more = items.length - lines.length + (Number(event.items_more) || 0);
  if (more > 0) lines.push(make("li", "more", t.moreItems(more)));
  if (lines.length === 0) return null;
  const all = make("ul", "", ...lines);
  all.setAttribute("aria-label", t.items);
  return all;
}

/** What it is about in a line: the number or text, and the amount. */
export function brief({ event, number }, length) {
  return [number ?? event.content.slice(0, length), amountOf(event)].filter(Boolean).join(" · ");
}

/** The card of an entry, as it is now.  `on`: {see(entries), undo(entry), isConnected()} */
export function drawCard(entry, on) {
  const { event, kind, number, acking, isSent } = entry;
  const card = entry.card ?? make("li", "");
  const hadFocus = card.contains(document.activeElement);
  entry.card = card;
  card.dataset.kind = kind;
  card.dataset.key = entry.key;
  card.className = acking ? "seen" : "";
  const title = make("h3", "", icon(kind), t.types[kind]);
  const text = content(entry, number ? "number" : "text");
  entry.time = make("time", "");
  entry.time.dateTime = event.at;
  entry.time.title = new Date(event.at).toLocaleString(set.language);
  if (acking) {
    const how = isSent ? on.isConnected() ? t.sending : t.unsent : t.acking;
    const state = make("span", "how", icon("check"), how);
    card.replaceChildren(title, text, state);
    if (!isSent) card.append(make("i", "clock"), button(t.undo, () => on.undo(entry)));
  } else {
    const seen = button(t.seen, () => on.see([entry]));
    seen.className = "strong";
    seen.setAttribute("aria-label", `${t.seen}: ${t.types[kind]} ${brief(entry, 80)}`);
    card.replaceChildren(title, entry.time, text);
    if (event.content.length > 200 || event.content.split("\n").length > 6) {
      const long = button(t.long, () => put(long, card.classList.toggle("long") ? t.short : t.long));
      card.append(long);
    }
    const amount = amountOf(event);
    if (amount) card.append(make("p", "amount", make("span", "unseen", `${t.amount}: `), make("bdi", "", amount)));
    const items = list(event);
    if (items) card.append(items);
    card.append(seen);
    drawAge(entry);
  }
  if (hadFocus) card.querySelector("button")?.focus();
}

export function drawAge({ card, time, event }) {
  const s = Math.max(0, Math.floor((Date.now() - new Date(event.at)) / 1000));
  put(time, t.age(s));
  card.dataset.late = LATE_S.filter((late) => s >= late).length;
}
