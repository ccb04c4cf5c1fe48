// A slider of confidences, a button that accepts all names from that confidence on, and a link to
// look through them.
import { find } from "../lib/dom.js";
import { number } from "../lib/text.js";

/** @import { CountAbove } from "../lib/models.js" */

export class Acceptance {
  /** @param {(confidence: number) => unknown} onAccept */
  constructor(onAccept) {
    /** @type {CountAbove[]} */
    this.counts = [];
    this.slider = find("#confidence", HTMLInputElement);
    this.button = find("#accept", HTMLButtonElement);
    this.link = find("#see", HTMLAnchorElement);
    this.slider.addEventListener("input", () => this.draw());
    this.button.addEventListener("click", () => onAccept(this.confidence));
  }

  get confidence() {
    return Number(this.slider.value) / 100;
  }

  /**
   * How many names there are from each confidence on.
   * @param {CountAbove[]} counts
   */
  show(counts) {
    this.counts = counts;
    this.draw();
  }

  draw() {
    /** @param {CountAbove} step */
    const distance = (step) => Math.abs(step.confidence - this.confidence);
    const nearest = [...this.counts].sort((a, b) => distance(a) - distance(b)).at(0);
    const count = nearest?.count ?? 0;
    find("#from").textContent = `${this.slider.value}%`;
    this.slider.disabled = this.counts.length === 0;
    this.link.hidden = count === 0;
    this.link.href = `/?state=named&above=${this.confidence}`;
    this.button.disabled = count === 0;
    this.button.textContent = count
      ? `Accept ${number(count)} name${count === 1 ? "" : "s"}`
      : "No names to accept";
  }
}
