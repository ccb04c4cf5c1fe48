// How well the features name what has no label yet, as told by cross-validation, and accepting what they are sure of.
import { find, number, percent, photographs } from "../lib/dom.js";

const svg = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

/** Show the figure with its interval drawn, or why there is none. */
export function showAccuracy({ accuracy, reason }) {
  const card = find(".accuracy");
  find(".told", card).hidden = !accuracy;
  find(".reason", card).textContent = accuracy
    ? ""
    : (reason ?? "Label a few photographs of two kinds or more; then it can be told.");
  find(".reason", card).hidden = Boolean(accuracy);
  if (!accuracy) return;
  const { value, low, high, n } = accuracy;
  const ends = (share) => (high - low < 0.02 ? `${(100 * share).toFixed(1)}%` : percent(share));
  find(".value span", card).textContent = `${(100 * value).toFixed(0)}%`;
  find(".interval-words", card).textContent =
    `Between ${ends(low)} and ${ends(high)} with 95% confidence, cross-validated on ${photographs(n)} with a label.`;
  find("svg", card).replaceChildren(
    svg("line", { class: "rail", x1: "0%", x2: "100%", y1: 11, y2: 11 }),
    svg("line", { class: "interval", x1: `${100 * low}%`, x2: `${100 * high}%`, y1: 11, y2: 11 }),
    svg("circle", { class: "dot", cx: `${100 * value}%`, cy: 11, r: 6 }),
  );
}

/** Keep the slider of confidences and its button in step with how many names there are. */
export class Acceptance {
  constructor(accepted) {
    this.above = [];
    this.slider = find("#confidence");
    this.button = find("#accept");
    this.slider.addEventListener("input", () => this.draw());
    this.button.addEventListener("click", () => accepted(Number(this.slider.value) / 100));
  }

  show(above) {
    this.above = above;
    this.draw();
  }

  draw() {
    const confidence = Number(this.slider.value) / 100;
    const at = [...this.above].sort(
      (one, other) =>
        Math.abs(one.confidence - confidence) - Math.abs(other.confidence - confidence),
    )[0];
    const count = at?.count ?? 0;
    find("#from").textContent = `${this.slider.value}%`;
    this.slider.disabled = this.above.length === 0;
    this.button.disabled = count === 0;
    this.button.textContent = count
      ? `Accept ${number(count)} name${count === 1 ? "" : "s"}`
      : "No names to accept";
  }
}
