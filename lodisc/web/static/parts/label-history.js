// The last actions on labels, newest first, and the buttons that undo and redo them.
import { el, find } from "../lib/dom.js";
import { oneLine } from "../lib/text.js";

/** @import { HistoryEntry, Labels } from "../lib/models.js" */

const MOST_ENTRIES = 12;

/**
 * How long ago a time was, in a word or two.
 * @param {string} time
 */
function age(time) {
  const minutes = Math.floor((Date.now() - new Date(time).getTime()) / 60_000);
  if (!(minutes >= 1)) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h`;
  return new Date(time).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

/**
 * The actions, those that say the same one after the other as one; its time is that of the newest.
 * @param {HistoryEntry[]} history
 */
function runsOf(history) {
  /** @type {(HistoryEntry & { times: number })[]} */
  const runs = [];
  for (const entry of history) {
    const last = runs.at(-1);
    if (last?.text === entry.text && last.undone === entry.undone) last.times += 1;
    else runs.push({ ...entry, times: 1 });
  }
  return runs;
}

/**
 * @param {HistoryEntry[]} history
 * @param {Labels} labels
 */
export function showHistory(history, { undo, redo }) {
  const items = runsOf(history)
    .slice(0, MOST_ENTRIES)
    .map(({ time, text, undone, times }) =>
      el(
        "li",
        { class: undone ? "undone" : null },
        el("span", {}, times > 1 ? `${times} × ${oneLine(text)}` : oneLine(text)),
        el("time", { datetime: time }, undone ? "undone" : age(time)),
      ),
    );
  const nothing = el("li", { class: "quiet" }, "Nothing yet. What you do here can be undone.");
  find(".past").replaceChildren(...(items.length ? items : [nothing]));
  showButton("#undo", undo);
  showButton("#redo", redo);
}

/**
 * @param {string} selector
 * @param {string | null} action what the button would do, in words
 */
function showButton(selector, action) {
  const button = find(selector, HTMLButtonElement);
  button.disabled = !action;
  button.title = action ? oneLine(action) : "";
}
