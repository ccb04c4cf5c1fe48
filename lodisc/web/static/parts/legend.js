// Colours for groups or labels, and the legend that names them and lights them up.
import { el, find, svg } from "../lib/dom.js";
import { number, oneLine } from "../lib/text.js";

/** @typedef {{ name: string, count: number, colour: string, isNone: boolean }} Kind */

const GOLDEN_ANGLE = 137.508; // degrees
const TONES = [
  [0.58, 0.15],
  [0.7, 0.13],
  [0.48, 0.12],
]; // lightness, chroma
const BY_NAME = new Intl.Collator("en", { numeric: true });
const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * The colour of the n-th kind: hues far apart, and three tones in turn.
 * @param {number} n
 */
function colourOf(n) {
  const [lightness, chroma] = TONES[n % TONES.length];
  const hue = (190 + n * GOLDEN_ANGLE) % 360;
  return `oklch(${lightness + (dark.matches ? 0.14 : 0)} ${chroma} ${hue})`;
}

const grey = () => (dark.matches ? "#737b85" : "#8b9096");

/**
 * The kinds of all points, most frequent first, then by name, those without a value last; and the
 * kind of each point as an index of them.
 * @template {string | number} T
 * @param {(T | null)[]} values
 * @param {(value: T | null) => string} nameOf
 */
export function kindsOf(values, nameOf) {
  /** @type {Map<T | null, number>} */
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const order = [...counts.entries()].sort(
    ([a, countA], [b, countB]) =>
      Number(a === null) - Number(b === null) ||
      countB - countA ||
      BY_NAME.compare(String(a), String(b)),
  );
  /** @type {Kind[]} */
  const kinds = order.map(([value, count], index) => ({
    name: nameOf(value),
    count,
    colour: value === null ? grey() : colourOf(index),
    isNone: value === null,
  }));
  const position = new Map(order.map(([value], index) => [value, index]));
  return { kinds, kind: Uint32Array.from(values, (value) => position.get(value) ?? 0) };
}

/**
 * Show the kinds. `onHighlight` is called with the index of the kind that a person points at, else
 * of the kind that is switched on, else null.
 * @param {Kind[]} kinds
 * @param {(index: number | null) => void} onHighlight
 */
export function showLegend(kinds, onHighlight) {
  let current = /** @type {number | null} */ (null);
  const buttons = kinds.map((kind, index) => {
    const toggle = () => {
      current = current === index ? null : index;
      buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === current)));
      onHighlight(current);
    };
    return el(
      "button",
      {
        type: "button",
        "aria-pressed": "false",
        title: oneLine(kind.name),
        click: toggle,
        pointerenter: () => onHighlight(index),
        pointerleave: () => onHighlight(current),
        focus: () => onHighlight(index),
        blur: () => onHighlight(current),
      },
      svg(
        "svg",
        { viewBox: "0 0 10 10" },
        svg("circle", { cx: 5, cy: 5, r: 5, fill: kind.colour }),
      ),
      el("span", { class: "text" }, oneLine(kind.name)),
      el("span", { class: "count" }, number(kind.count)),
    );
  });
  find(".legend ul").replaceChildren(...buttons.map((button) => el("li", {}, button)));
}
