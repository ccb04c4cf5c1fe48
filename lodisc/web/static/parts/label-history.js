// What has been done to the labels, newest first.
import { el, find, shown } from "../lib/dom.js";

const MOST = 12;

function ago(time) {
  const minutes = Math.floor((Date.now() - new Date(time)) / 60_000);
  if (!(minutes >= 1)) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h`;
  return new Date(time).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

export function showHistory(history, { undo, redo }) {
  const items = history
    .slice(0, MOST)
    .map((action) =>
      el(
        "li",
        { class: action.undone ? "undone" : null },
        el("span", {}, shown(action.text)),
        el("time", { datetime: action.time }, action.undone ? "undone" : ago(action.time)),
      ),
    );
  find(".past").replaceChildren(
    ...(items.length
      ? items
      : [el("li", { class: "quiet" }, "Nothing yet. What you do here can be undone.")]),
  );
  find("#undo").disabled = !undo;
  find("#redo").disabled = !redo;
  find("#undo").title = undo ? shown(undo) : "";
  find("#redo").title = redo ? shown(redo) : "";
}
