// How often the suggested names are right, measured by cross-validation, with its interval.
import { find, svg } from "../lib/dom.js";
import { percent, photographs } from "../lib/text.js";

/** @import { Names } from "../lib/models.js" */

const NO_REASON = "Label a few photographs of two kinds or more to see this.";
const MIDDLE = 11; // of the drawing's height, in pixels

/**
 * Show the accuracy, or why there is none.
 * @param {Names} names
 */
export function showAccuracy({ accuracy, reason }) {
  const card = find(".accuracy");
  card.classList.remove("stale");
  find(".estimate", HTMLElement, card).hidden = !accuracy;
  find(".reason", HTMLElement, card).textContent = accuracy ? "" : (reason ?? NO_REASON);
  find(".reason", HTMLElement, card).hidden = Boolean(accuracy);
  if (!accuracy) return;
  const { value, low, high, n, near_duplicates: twins } = accuracy;
  /** @param {number} share */
  const end = (share) => (high - low < 0.02 ? `${(100 * share).toFixed(1)}%` : percent(share));
  find(".value span", HTMLElement, card).textContent = `${(100 * value).toFixed(0)}%`;
  const interval = `Between ${end(low)} and ${end(high)} with 95% confidence`;
  const caution = twins
    ? ` Near-duplicates with the same label give ${photographs(twins)} away: the percentage may be too high.`
    : "";
  find(".interval-words", HTMLElement, card).textContent =
    `${interval}, cross-validated on ${photographs(n)} with a label.${caution}`;
  find("svg", SVGElement, card).replaceChildren(
    svg("line", { class: "rail", x1: "0%", x2: "100%", y1: MIDDLE, y2: MIDDLE }),
    svg("line", {
      class: "interval",
      x1: `${100 * low}%`,
      x2: `${100 * high}%`,
      y1: MIDDLE,
      y2: MIDDLE,
    }),
    svg("circle", { class: "dot", cx: `${100 * value}%`, cy: MIDDLE, r: 6 }),
  );
}
