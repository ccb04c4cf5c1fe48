// Short messages at the foot of the window: one that goes by itself, and others that stay until they are settled.
import { el, find } from "./dom.js";

const STAY = 7000;
const standing = new Map();
let passing = null;
let timer = 0;

const place = () =>
  find(".notices") ??
  document.body.appendChild(el("div", { class: "notices", role: "status", "aria-live": "polite" }));

function build(text, { kind = "", actions = [] }) {
  const buttons = actions.map(([name, act]) => el("button", { type: "button", click: act }, name));
  return el("div", { class: `notice ${kind}` }, el("p", {}, text), ...buttons);
}

/** Say something in passing; `actions` are pairs of a button's name and what it does. */
export function say(text, { actions = [], kind = "" } = {}) {
  hush();
  passing = build(text, {
    kind,
    actions: actions.map(([name, act]) => [name, () => (hush(), act())]),
  });
  place().append(passing);
  const start = () => (timer = setTimeout(hush, kind === "bad" ? 2 * STAY : STAY));
  passing.addEventListener("pointerenter", () => clearTimeout(timer));
  passing.addEventListener("pointerleave", start);
  passing.addEventListener("focusin", () => clearTimeout(timer));
  start();
}

export function hush() {
  clearTimeout(timer);
  passing?.remove();
  passing = null;
}

/** Show, change or (with null) take away the message of this name, which stays until then. */
export function stand(name, text, options = {}) {
  const old = standing.get(name);
  if (text === null) {
    old?.remove();
    standing.delete(name);
    return;
  }
  const now = build(text, options);
  const held = old?.contains(document.activeElement);
  if (old) old.replaceWith(now);
  else place().append(now);
  if (held) now.querySelector("button")?.focus();
  standing.set(name, now);
}

/** Say what went wrong in its own words. */
export const complain = (error) => {
  if (error.name !== "AbortError") say(error.message, { kind: "bad" });
};
