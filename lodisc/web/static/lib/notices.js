// Short messages at the foot of the window: one goes away by itself, pinned ones stay.
import { isAbort } from "./api.js";
import { el, findOptional } from "./dom.js";

/** @typedef {[name: string, act: () => unknown]} Action a button of a notice */
/** @typedef {{ kind?: "" | "bad" | "waiting", actions?: Action[] }} Options */

const DURATION = 7000; // milliseconds

/** @type {Map<string, HTMLElement>} */
const pinned = new Map();
/** @type {HTMLElement | null} */
let passing = null;
let timer = 0;

const holder = () =>
  findOptional(".notices") ??
  document.body.appendChild(el("div", { class: "notices", role: "status", "aria-live": "polite" }));

/**
 * @param {string} text
 * @param {Options} options
 */
function build(text, { kind = "", actions = [] }) {
  const buttons = actions.map(([name, act]) => el("button", { type: "button", click: act }, name));
  return el("div", { class: `notice ${kind}` }, el("p", {}, text), ...buttons);
}

/**
 * Show a message that goes away by itself.
 * @param {string} text
 * @param {Options} [options]
 */
export function notify(text, { actions = [], kind = "" } = {}) {
  dismiss();
  /** @type {(action: Action) => Action} */
  const dismissing = ([name, act]) => [name, () => (dismiss(), act())];
  passing = build(text, { kind, actions: actions.map(dismissing) });
  holder().append(passing);
  const start = () => (timer = setTimeout(dismiss, kind === "bad" ? 2 * DURATION : DURATION));
  passing.addEventListener("pointerenter", () => clearTimeout(timer));
  passing.addEventListener("pointerleave", start);
  passing.addEventListener("focusin", () => clearTimeout(timer));
  start();
}

/** Take the passing message away. */
export function dismiss() {
  clearTimeout(timer);
  passing?.remove();
  passing = null;
}

/**
 * Show or change the message of this name, which stays; null takes it away.
 * @param {string} name
 * @param {string | null} text
 * @param {Options} [options]
 */
export function pin(name, text, options = {}) {
  const former = pinned.get(name);
  if (text === null) {
    former?.remove();
    pinned.delete(name);
    return;
  }
  const notice = build(text, options);
  const hadFocus = former?.contains(document.activeElement);
  if (former) former.replaceWith(notice);
  else holder().append(notice);
  if (hadFocus) notice.querySelector("button")?.focus();
  pinned.set(name, notice);
}

/**
 * The message of an error.
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Show what went wrong.
 * @param {unknown} error
 */
export function notifyError(error) {
  if (!isAbort(error)) notify(messageOf(error), { kind: "bad" });
}
