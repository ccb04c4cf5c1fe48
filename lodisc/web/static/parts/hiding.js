// Hide photographs, and show them again.
import { dismiss, notify } from "../lib/notices.js";
import { countUnsent, enqueue } from "../lib/outbox.js";
import { photographs } from "../lib/text.js";
import { announce } from "./labelling.js";

/** @param {string[]} ids */
export const hide = (ids) => setHidden(ids, true);

/** @param {string[]} ids */
export const showAgain = (ids) => setHidden(ids, false);

/** Hide all but the best of each set of near-duplicates. */
export async function hideDuplicates() {
  const words = "Hiding all but one of each set";
  dismiss();
  const answer = await enqueue({ path: "/api/hidden/duplicates", body: {}, words });
  if (answer === null) return;
  if (answer.ids) offerOpposite(answer.ids.length, answer.ids, true);
  await announce(false);
}

/**
 * @param {string[]} ids
 * @param {boolean} hidden
 */
async function setHidden(ids, hidden) {
  const count = photographs(ids.length);
  const words = hidden ? `Hiding ${count}` : `Showing ${count} again`;
  dismiss(); // an “Undo” there would not mean this
  const answer = await enqueue({ path: "/api/hidden", body: { ids, hidden }, words });
  if (answer === null) return;
  if (answer.changed !== undefined) offerOpposite(answer.changed, ids, hidden);
  await announce(false);
}

/**
 * Tell what was done, with a button that undoes it where nothing else waits to be sent.
 * @param {number} count
 * @param {string[]} ids
 * @param {boolean} hidden
 */
function offerOpposite(count, ids, hidden) {
  const outcome = hidden ? "hidden" : "shown again";
  notify(`${photographs(count)} ${outcome}.`, {
    actions: countUnsent() ? [] : [["Undo", () => setHidden(ids, !hidden)]],
  });
}
