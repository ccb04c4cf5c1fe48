// The labels in use, in an order that stays: the first nine have a digit.
import { el, find, findOptional } from "../lib/dom.js";
import { browserStorage } from "../lib/storage.js";
import { number, oneLine } from "../lib/text.js";

/** @import { LabelCount } from "../lib/models.js" */

const ORDER = `lodisc:${document.documentElement.dataset.collection}:order`;

/** @returns {string[]} */
function readOrder() {
  try {
    const order = JSON.parse(browserStorage.read(ORDER) ?? "[]");
    return Array.isArray(order) ? order.filter((label) => typeof label === "string") : [];
  } catch {
    return [];
  }
}

export class Choices {
  /**
   * @param {HTMLElement} list
   * @param {(label: string) => unknown} onChoice called after a click
   */
  constructor(list, onChoice) {
    this.list = list;
    this.onChoice = onChoice;
    this.order = readOrder();
    /** @type {Map<string, number>} */
    this.counts = new Map();
  }

  /**
   * Take over the labels and counts of the server. Labels that are here keep their digits, new ones
   * come behind.
   * @param {LabelCount[]} labels
   * @param {string | null} [current] the label of the photograph on the stage
   */
  show(labels, current = null) {
    this.counts = new Map(labels.map(({ label, count }) => [label, count]));
    const former = this.order.filter((label) => this.counts.has(label));
    const added = [...this.counts.keys()].filter((label) => !this.order.includes(label));
    this.order = [...former, ...added];
    this.draw(current);
  }

  /**
   * Count a label that was just given, perhaps for the first time.
   * @param {string} label
   * @param {number} increase
   */
  count(label, increase) {
    if (!this.order.includes(label)) this.order.push(label);
    this.counts.set(label, (this.counts.get(label) ?? 0) + increase);
  }

  /**
   * The label of a digit, or undefined.
   * @param {number} digit
   */
  digit(digit) {
    return this.order[digit - 1];
  }

  /** @param {string | null} [current] */
  draw(current = null) {
    browserStorage.write(ORDER, JSON.stringify(this.order));
    const buttons = this.order.map((label, index) =>
      el(
        "button",
        { type: "button", title: oneLine(label), click: () => this.onChoice(label) },
        el("kbd", {}, index < 9 ? String(index + 1) : "·"),
        el("span", { class: "text" }, oneLine(label)),
        el("span", { class: "count" }, number(this.counts.get(label) ?? 0)),
      ),
    );
    this.list.replaceChildren(...buttons.map((button) => el("li", {}, button)));
    find("#no-labels").hidden = buttons.length > 0;
    this.mark(current);
  }

  /**
   * Mark the label of the photograph on the stage.
   * @param {string | null} current
   */
  mark(current) {
    this.order.forEach((label, index) =>
      this.#button(index)?.classList.toggle("current", label === current),
    );
  }

  /**
   * Let the button of this label light up for a moment.
   * @param {string} label
   */
  flash(label) {
    this.#button(this.order.indexOf(label))?.classList.add("flash");
  }

  /** @param {number} index */
  #button(index) {
    const item = this.list.children[index];
    return item ? findOptional("button", HTMLButtonElement, item) : null;
  }
}
