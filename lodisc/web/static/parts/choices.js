// The labels to choose from: those suggested for the photograph on the stage, and all in use. The
// digits give the suggested ones; while there are none, the first nine of all, in an order that
// stays.
import { el, find, findOptional } from "../lib/dom.js";
import { browserStorage } from "../lib/storage.js";
import { number, oneLine, percent } from "../lib/text.js";

/** @import { LabelCount, Suggestion } from "../lib/models.js" */

const ORDER = `lodisc:${document.documentElement.dataset.collection}:order`;
const MOST_DIGITS = 9;

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
  /** @param {(label: string) => unknown} onChoice called after a click */
  constructor(onChoice) {
    this.list = find("#labels");
    this.suggestionBox = find("#suggestions");
    this.onChoice = onChoice;
    this.order = readOrder();
    /** @type {Map<string, number>} */
    this.counts = new Map();
    /** @type {Suggestion[]} */
    this.suggestions = [];
    /** @type {string | null} the label of the photograph on the stage */
    this.current = null;
  }

  /**
   * Take over the labels and counts of the server. Labels that are here stay in their places, new
   * ones come behind.
   * @param {LabelCount[]} labels
   */
  show(labels) {
    this.counts = new Map(labels.map(({ label, count }) => [label, count]));
    const former = this.order.filter((label) => this.counts.has(label));
    const added = [...this.counts.keys()].filter((label) => !this.order.includes(label));
    this.order = [...former, ...added];
    this.draw();
  }

  /**
   * Show what is suggested for the photograph on the stage, and mark its label.
   * @param {string | null} current
   * @param {Suggestion[]} suggestions
   */
  showFor(current, suggestions) {
    const hadDigits = this.#hasDigits;
    this.current = current;
    if (JSON.stringify(suggestions) === JSON.stringify(this.suggestions)) return this.#mark();
    this.suggestions = suggestions;
    this.suggestionBox.hidden = suggestions.length === 0;
    const buttons = suggestions.map(({ label, confidence }, index) =>
      this.#button(label, String(index + 1), percent(confidence)),
    );
    find("ol", HTMLElement, this.suggestionBox).replaceChildren(...buttons);
    if (hadDigits === this.#hasDigits) this.#mark();
    else this.draw();
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

  /** Whether the digits give labels of the list, as none are suggested. */
  get #hasDigits() {
    return this.suggestions.length === 0;
  }

  /**
   * The label of a digit, or undefined.
   * @param {number} digit
   */
  digit(digit) {
    return this.#hasDigits ? this.order[digit - 1] : this.suggestions[digit - 1]?.label;
  }

  draw() {
    browserStorage.write(ORDER, JSON.stringify(this.order));
    const buttons = this.order.map((label, index) => {
      const digit = this.#hasDigits && index < MOST_DIGITS ? String(index + 1) : "";
      return this.#button(label, digit, number(this.counts.get(label) ?? 0));
    });
    this.list.replaceChildren(...buttons);
    find("#no-labels").hidden = buttons.length > 0;
    this.#mark();
  }

  /**
   * @param {string} label
   * @param {string} digit
   * @param {string} figure
   */
  #button(label, digit, figure) {
    const button = el(
      "button",
      { type: "button", title: oneLine(label), click: () => this.onChoice(label) },
      el("kbd", { hidden: !digit }, digit),
      el("span", { class: "text" }, oneLine(label)),
      el("span", { class: "count" }, figure),
    );
    return el("li", {}, button);
  }

  #mark() {
    this.order.forEach((label, index) =>
      this.#buttonAt(index)?.classList.toggle("current", label === this.current),
    );
  }

  /**
   * Let the button of this label light up for a moment.
   * @param {string} label
   */
  flash(label) {
    this.#buttonAt(this.order.indexOf(label))?.classList.add("flash");
  }

  /** @param {number} index */
  #buttonAt(index) {
    const item = this.list.children[index];
    return item ? findOptional("button", HTMLButtonElement, item) : null;
  }
}
