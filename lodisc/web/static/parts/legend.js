// Colours for groups or labels, and the legend that explains and filters them.
import { el, find, number, shown } from "../lib/dom.js";

const NONE = "";
const GOLDEN = 137.508;
const dark = matchMedia("(prefers-color-scheme: dark)");

/** A colour for the n-th kind: hues far apart, and three lightnesses in turn. */
function colour(order) {
  const [light, chroma] = [
    [0.58, 0.15],
    [0.7, 0.13],
    [0.48, 0.12],
  ][order % 3];
  return `oklch(${light + (dark.matches ? 0.14 : 0)} ${chroma} ${(190 + order * GOLDEN) % 360})`;
}

const grey = () => (dark.matches ? "#5a616a" : "#b4b7bb");

/** The kinds of all points, most frequent first: `kinds` with name, count and colour, and `kind` of each point. */
export function kindsOf(values, nameOf) {
  const counts = new Map();
  for (const value of values) counts.set(value ?? NONE, (counts.get(value ?? NONE) ?? 0) + 1);
  const order = [...counts.keys()].sort(
    (one, other) => (one === NONE) - (other === NONE) || counts.get(other) - counts.get(one),
  );
  const place = new Map(order.map((value, index) => [value, index]));
  const kinds = order.map((value, index) => ({
    name: nameOf(value === NONE ? null : value),
    count: counts.get(value),
    colour: value === NONE ? grey() : colour(index),
    none: value === NONE,
  }));
  return { kinds, kind: Uint32Array.from(values, (value) => place.get(value ?? NONE)) };
}

/** Show the kinds; `lit(index or null)` is told of the one that a person points at, or has chosen. */
export function showLegend(kinds, lit) {
  let chosen = null;
  const list = find(".legend ul");
  const buttons = kinds.map((kind, index) => {
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    dot.setAttribute("viewBox", "0 0 10 10");
    const circle = dot.appendChild(
      document.createElementNS("http://www.w3.org/2000/svg", "circle"),
    );
    for (const [name, value] of Object.entries({ cx: 5, cy: 5, r: 5, fill: kind.colour }))
      circle.setAttribute(name, value);
    const choose = () => {
      chosen = chosen === index ? null : index;
      buttons.forEach((button, at) => button.setAttribute("aria-pressed", at === chosen));
      lit(chosen);
    };
    return el(
      "button",
      {
        type: "button",
        "aria-pressed": "false",
        title: shown(kind.name),
        click: choose,
        pointerenter: () => lit(index),
        pointerleave: () => lit(chosen),
        focus: () => lit(index),
        blur: () => lit(chosen),
      },
      dot,
      el("span", { class: "text" }, shown(kind.name)),
      el("span", { class: "count" }, number(kind.count)),
    );
  });
  list.replaceChildren(...buttons.map((button) => el("li", {}, button)));
}
