// How many photographs are of kinds that have no label yet.
import { find } from "../lib/dom.js";
import { number, photographs } from "../lib/text.js";

/** @import { Names } from "../lib/models.js" */

/**
 * Show how many there are, or why that can't be told.
 * @param {Names} names
 */
export function showNewKinds({ new_kinds: { expected, likely, reason } }) {
  const count = Math.round(expected ?? 0);
  const words =
    `About ${photographs(count)} without a label ${count === 1 ? "is" : "are"} of none of these ` +
    `kinds; ${number(likely)} of them are likely so.`;
  find(".new-kinds").textContent = expected === null ? `${reason}.` : words;
  find("#show-new").hidden = likely === 0;
}
