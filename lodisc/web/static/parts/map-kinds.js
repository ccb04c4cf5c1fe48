// The kinds of photographs that a map tells apart by colour: groups, labels, folders, or how sure
// their names are.
import { percent } from "../lib/text.js";

/** @import { MapLayout } from "../lib/models.js" */

/** @typedef {{ name: string, count: number, colour: string, isNone: boolean }} Kind */
/** @typedef {"group" | "label" | "folder" | "confidence"} Column what the colours tell */
/** @typedef {{ kinds: Kind[], kind: Uint32Array }} Kinds all, and that of each point by index */
/**
 * @template T
 * @typedef {object} Scheme
 * @property {(value: T | null) => string} nameOf
 * @property {(value: T) => string} colourOf
 * @property {((a: T, b: T) => number)} [order] by default the most frequent first, then by name
 */

const GOLDEN_ANGLE = 137.508; // degrees
const TONES = [
  [0.55, 0.15],
  [0.62, 0.13],
  [0.46, 0.12],
]; // lightness, chroma
const STEPS = [0.9, 0.8, 0.7, 0.6, 0.5, 0]; // the least confidence of each
const LABELLED = STEPS.length;
const BY_NAME = new Intl.Collator("en", { numeric: true });
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Gives each value a colour of its own, which it keeps while others come and go. */
class Palette {
  /** @type {Map<unknown, number>} */
  #numbers = new Map();

  /**
   * Hues far apart, and three tones in turn.
   * @param {unknown} value
   */
  colourOf(value) {
    const n = this.#numbers.get(value) ?? this.#numbers.size;
    this.#numbers.set(value, n);
    const [lightness, chroma] = TONES[n % TONES.length];
    const hue = (190 + n * GOLDEN_ANGLE) % 360;
    return `oklch(${lightness + (dark.matches ? 0.17 : 0)} ${chroma} ${hue})`;
  }
}

const palettes = { group: new Palette(), label: new Palette(), folder: new Palette() };

const grey = () => (dark.matches ? "#7a828c" : "#85898f");

/**
 * One hue: the surer, the further from the colour of the paper. Labelled ones have another hue.
 * @param {number} step
 */
function colourOfStep(step) {
  if (step === LABELLED) return dark.matches ? "oklch(0.74 0.15 62)" : "oklch(0.6 0.15 55)";
  const lightness = dark.matches ? 0.92 - 0.08 * step : 0.28 + 0.07 * step;
  return `oklch(${lightness} 0.11 255)`;
}

/** @param {number | null} step */
function nameOfStep(step) {
  if (step === null) return "No name yet";
  if (step === LABELLED) return "Labelled";
  if (step === 0) return `${percent(STEPS[0])} and more`;
  const above = percent(STEPS[step - 1]);
  return STEPS[step] ? `${percent(STEPS[step])} to ${above}` : `Under ${above}`;
}

/**
 * @param {MapLayout} layout
 * @returns {(number | null)[]}
 */
const stepsOf = ({ label, confidence }) =>
  confidence.map((share, index) => {
    if (label[index] !== null) return LABELLED;
    return share === null ? null : STEPS.findIndex((least) => share >= least);
  });

/**
 * The kinds of all points, those without a value last.
 * @template {string | number} T
 * @param {(T | null)[]} values
 * @param {Scheme<T>} scheme
 * @returns {Kinds}
 */
function kindsOf(values, { nameOf, colourOf, order }) {
  /** @type {Map<T | null, number>} */
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  /** @type {(a: T, b: T) => number} */
  const byFrequency = (a, b) =>
    (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || BY_NAME.compare(String(a), String(b));
  const inOrder = [...counts.keys()].sort((a, b) =>
    a === null || b === null ? Number(a === null) - 1 : (order ?? byFrequency)(a, b),
  );
  const kinds = inOrder.map((value) => ({
    name: nameOf(value),
    count: counts.get(value) ?? 0,
    colour: value === null ? grey() : colourOf(value),
    isNone: value === null,
  }));
  const position = new Map(inOrder.map((value, index) => [value, index]));
  return { kinds, kind: Uint32Array.from(values, (value) => position.get(value) ?? 0) };
}

/** @type {(a: number, b: number) => number} */
const byNumber = (a, b) => a - b;

/**
 * The kinds that one column of the map tells apart.
 * @param {Column} column
 * @param {MapLayout} layout
 */
export function kindsBy(column, layout) {
  switch (column) {
    case "group":
      return kindsOf(layout.group, {
        nameOf: (value) => (value === null ? "No group" : `Group ${value}`),
        colourOf: (value) => palettes.group.colourOf(value),
        order: byNumber,
      });
    case "confidence":
      return kindsOf(stepsOf(layout), {
        nameOf: nameOfStep,
        colourOf: colourOfStep,
        order: byNumber,
      });
    default:
      return kindsOf(layout[column], {
        nameOf: (value) => value ?? `No ${column}`,
        colourOf: (value) => palettes[column].colourOf(value),
      });
  }
}
