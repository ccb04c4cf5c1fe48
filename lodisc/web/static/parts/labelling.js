// Label photographs, undo and redo: the same on every page.
import { get, post } from "../lib/api.js";
import { dismiss, notify, notifyError } from "../lib/notices.js";
import { countUnsent, enqueue, takeBack, waitUntilSent } from "../lib/outbox.js";
import { number, oneLine, photographs } from "../lib/text.js";

/** @import { Action } from "../lib/notices.js" */

/**
 * What a label goes to: photographs by their ids, or a whole group of the grouping that the person
 * saw.
 * @typedef {{ ids: string[] } | { group: number, grouping: string | null }} Target
 */
/** @typedef {(change: { isOwn: boolean }) => void} Listener */

const PATIENCE = 1500; // milliseconds
const PERIOD = 4000; // between two looks at what others have done
/** @type {Listener[]} */
const listeners = [];

/**
 * Call this after every change of labels, or of what is hidden, that the server has. A change
 * `isOwn` where a call of `label` asked for it.
 * @param {Listener} listener
 */
export const onLabels = (listener) => listeners.push(listener);

/** Of the labels and of what is hidden: what this page shows is at least as new. */
let version = document.documentElement.dataset.labels;

/** @returns {Promise<string | undefined>} undefined while the server is away */
const fetchVersion = () =>
  get("/api/labels/version").then(
    (answer) => answer.version,
    () => undefined,
  );

/**
 * Tell the listeners of a change that the server has.
 * @param {boolean} isOwn
 */
export async function announce(isOwn) {
  version = (await fetchVersion()) ?? version; // before the page asks for what there is now
  listeners.forEach((listener) => listener({ isOwn }));
}

/** Show what another page or program has done. */
async function watch() {
  if (document.hidden || !listeners.length || countUnsent()) return;
  const before = version;
  const now = await fetchVersion();
  if (now === undefined || now === before || version !== before) return;
  version = now;
  listeners.forEach((listener) => listener({ isOwn: false }));
}

setInterval(watch, PERIOD);

/**
 * Label photographs, or with null take their labels away. True where the server has it.
 * @param {string | null} name
 * @param {Target} target
 * @param {{ count: number, quietly?: boolean }} options how many photographs these are
 */
export async function label(name, target, { count, quietly = false }) {
  const words =
    name === null
      ? `Removing the label of ${photographs(count)}`
      : `“${oneLine(name)}” for ${photographs(count)}`;
  dismiss(); // an “Undo” there would not mean this one
  const answer = await enqueue({ path: "/api/labels", body: { ...target, label: name }, words });
  if (answer === null) return false;
  const have = answer.changed === 1 ? "has" : "have";
  const outcome = name === null ? `no longer ${have} a label` : `labelled “${oneLine(name)}”`;
  if (!quietly) offerUndo(answer.changed, outcome);
  announce(answer.changed !== undefined);
  return true;
}

/**
 * Rename labels, which makes them one, or with null remove them from all photographs. True where
 * the server has it.
 * @param {string[]} labels
 * @param {string | null} to
 */
export async function rename(labels, to) {
  const names = labels.map((name) => `“${oneLine(name)}”`).join(", ");
  const become = labels.length === 1 ? "becomes" : "become";
  const words = to === null ? `Removing ${names}` : `${names} ${become} “${oneLine(to)}”`;
  const answer = await enqueue({ path: "/api/labels/rename", body: { labels, to }, words });
  if (answer === null) return false;
  offerUndo(answer.changed, to === null ? "without this label" : `labelled “${oneLine(to)}”`);
  announce(false);
  return true;
}

/** Give photographs without a label the name of their folder. */
export async function adopt() {
  const words = "Folder names as labels";
  const answer = await enqueue({ path: "/api/labels/adopt", body: {}, words });
  if (answer === null) return;
  offerUndo(answer.changed, "labelled by their folders");
  announce(false);
}

/**
 * Accept the names of all unlabelled photographs from this confidence on.
 * @param {number} confidence
 */
export const acceptFrom = (confidence) =>
  accept({ confidence }, `Accepting the names from ${Math.round(100 * confidence)}% on`);

/**
 * Accept these names, by the ids of their photographs.
 * @param {Record<string, string>} names
 */
export const acceptNames = (names) =>
  accept({ names }, `Accepting the names of ${photographs(Object.keys(names).length)}`);

/**
 * Reject these names, by the ids of their photographs: they are not named so again.
 * @param {Record<string, string>} names
 */
export async function rejectNames(names) {
  const words = `Rejecting the names of ${photographs(Object.keys(names).length)}`;
  const answer = await enqueue({ path: "/api/names/reject", body: { names }, words });
  if (answer === null) return;
  offerUndo(answer.changed, "no longer called so");
  announce(false);
}

/**
 * @param {{ confidence: number } | { names: Record<string, string> }} body
 * @param {string} words
 */
async function accept(body, words) {
  const answer = await enqueue({ path: "/api/names/accept", body, words });
  if (answer === null) return;
  const { left = 0 } = answer;
  const has = left === 1 ? "has" : "have";
  const rest = left ? `; ${number(left)} ${has} a label or another name by now` : "";
  offerUndo(answer.changed, `named${rest}`);
  announce(false);
}

/**
 * Tell what was done, with a button that undoes it where nothing else waits to be sent.
 * @param {number | undefined} count undefined where another tab has the answer
 * @param {string} outcome
 */
function offerUndo(count, outcome) {
  if (count === undefined) return;
  notify(`${photographs(count)} ${outcome}.`, {
    actions: countUnsent() ? [] : [["Undo", undo]],
  });
}

/**
 * Ask the server to undo or redo, once it has everything that was typed.
 * @param {string} path
 * @param {{ title: string, nothing: string, opposite: Action }} words
 */
async function undoOrRedo(path, { title, nothing, opposite }) {
  if (countUnsent() && !(await waitUntilSent(PATIENCE))) {
    return notify("Please wait until the server has what you typed.");
  }
  try {
    const { undone } = await post(path);
    if (undone === null) return notify(nothing);
    notify(`${title}: ${oneLine(undone)}.`, { actions: [opposite] });
    announce(false);
  } catch (error) {
    notifyError(error);
  }
}

/** Undo the last action: in the outbox where it waits there, else on the server. */
export async function undo() {
  dismiss();
  const words = countUnsent() ? await takeBack() : null;
  if (words) return notify(`${words} was taken back before it was sent.`);
  await undoOrRedo("/api/labels/undo", {
    title: "Undone",
    nothing: "There is nothing to undo.",
    opposite: ["Redo", redo],
  });
}

export async function redo() {
  dismiss();
  await undoOrRedo("/api/labels/redo", {
    title: "Redone",
    nothing: "There is nothing to redo.",
    opposite: ["Undo", undo],
  });
}
