// Giving labels, taking them back and bringing them back again, the same on every page.
import { post } from "../lib/api.js";
import { photographs, shown } from "../lib/dom.js";
import { complain, hush, say } from "../lib/notices.js";
import { put, sentWithin, takeBack, unsettled } from "../lib/outbox.js";

const PATIENCE = 1500;
const listeners = [];

/** Be told after every change of labels that the server has taken; it is `known` where they are those of a call of `label`. */
export const onLabels = (listener) => listeners.push(listener);

const changed = (how) => listeners.forEach((listener) => listener(how));

/** Label `ids` or a whole `group` of the `grouping` that was seen, or with null take their labels away; true when the server has it. */
export async function label(name, { ids, group, grouping, count = ids?.length, quietly = false }) {
  const what =
    name === null
      ? `Taking the label off ${photographs(count)}`
      : `“${shown(name)}” for ${photographs(count)}`;
  hush(); // an “Undo” there would not mean this one
  const answer = await put({
    path: "/api/labels",
    body: ids ? { ids, label: name } : { group, grouping, label: name },
    words: what,
  });
  if (answer === null) return false;
  const named = name === null ? "without a label now" : `labelled “${shown(name)}”`;
  if (!quietly) offer(answer, named);
  changed({ known: answer.changed !== undefined });
  return true;
}

/** Say what was done, unless another tab knows, with a way back where nothing else is on its way. */
function offer({ changed: count }, done) {
  if (count !== undefined)
    say(`${photographs(count)} ${done}.`, { actions: unsettled() ? [] : [["Undo", undo]] });
}

/** Label every unlabelled photograph of which the features are at least this sure. */
export async function accept(confidence) {
  const answer = await put({
    path: "/api/names/accept",
    body: { confidence },
    words: `Accepting the names from ${Math.round(100 * confidence)}% on`,
  });
  if (answer === null) return;
  offer(answer, "named");
  changed({ known: false });
}

async function turn(path, done, nothing) {
  hush();
  if (unsettled()) {
    const words = path.endsWith("undo") ? await takeBack() : null;
    if (words) return say(`${words} was taken back before it was sent.`);
    if (!(await sentWithin(PATIENCE)))
      return say("Please wait until what was typed has reached the server.");
  }
  try {
    const answer = await post(path);
    const text = answer.undone;
    const back = path.endsWith("undo") ? ["Redo", redo] : ["Undo", undo];
    say(text ? `${done}: ${shown(text)}.` : nothing, { actions: text ? [back] : [] });
    if (text) changed({ known: false });
  } catch (error) {
    complain(error);
  }
}

export const undo = () => turn("/api/labels/undo", "Undone", "There is nothing to undo.");
export const redo = () => turn("/api/labels/redo", "Redone", "There is nothing to redo.");
