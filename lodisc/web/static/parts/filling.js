// While photographs are still being read: how far that is, and more of them once they are there.
import { get } from "../lib/api.js";
import { findOptional } from "../lib/dom.js";
import { number } from "../lib/text.js";

const PERIOD = 2000; // milliseconds
const SCREEN = 60; // photographs; with fewer the page loads them by itself

const line = findOptional("#filling");
const countHere = Number(line?.dataset.photographs);

/** Whether a person is in the midst of something that loading the page again would undo. */
function isBusy() {
  const [active, selected] = [
    document.activeElement,
    document.querySelector("[aria-selected=true]"),
  ];
  const types = active instanceof HTMLInputElement || active instanceof HTMLTextAreaElement;
  return (
    types || selected !== null || scrollY > 10 || document.querySelector("dialog[open]") !== null
  );
}

async function update() {
  if (!line || document.hidden) return;
  let filling;
  try {
    filling = await get("/api/filling");
  } catch {
    return;
  }
  const more = (filling?.photographs ?? countHere) - countHere;
  const isOver = !filling || filling.phase === "finished";
  const isGrid = location.pathname === "/";
  if (more && isGrid && (countHere < SCREEN || isOver) && !isBusy()) return location.reload();
  if (isOver && !more) return line.remove();
  line.replaceChildren(isOver ? "All photographs are read." : filling.words);
  if (more) {
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = more > 0 ? `Show ${number(more)} more` : "Show what has changed";
    line.append(" ", link);
  }
}

if (line) setInterval(update, PERIOD);
