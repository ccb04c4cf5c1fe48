// The legend of the map: it names the kinds, counts them, and lights one up.
import { el, find, svg } from "../lib/dom.js";
import { number, oneLine } from "../lib/text.js";

/** @import { Kind } from "./map-kinds.js" */

export class Legend {
  /** @type {Kind[]} */
  #kinds = [];
  /** @type {number | null} the kind that is switched on */
  #current = null;

  /**
   * @param {(index: number | null) => void} onHighlight called with the kind that a person points
   *   at, else the one that is switched on, else null
   */
  constructor(onHighlight) {
    this.onHighlight = onHighlight;
    this.list = find(".legend ul");
  }

  /**
   * Show these kinds. The kind of the same name stays switched on, and has the focus still.
   * @param {Kind[]} kinds
   */
  show(kinds) {
    const buttons = [...this.list.querySelectorAll("button")];
    const focus = this.#inNew(kinds, buttons.indexOf(/** @type {any} */ (document.activeElement)));
    this.#current = this.#inNew(kinds, this.#current ?? -1);
    this.#kinds = kinds;
    this.list.replaceChildren(
      ...kinds.map((kind, index) => el("li", {}, this.#button(kind, index))),
    );
    this.#mark();
    if (focus !== null) this.list.querySelectorAll("button")[focus].focus();
    else this.onHighlight(this.#current);
  }

  /**
   * Where the kind at an index of the present ones is among new ones, or null.
   * @param {Kind[]} kinds
   * @param {number} index
   */
  #inNew(kinds, index) {
    const { name, isNone } = this.#kinds[index] ?? {};
    const place = kinds.findIndex((kind) => kind.name === name && kind.isNone === isNone);
    return place < 0 ? null : place;
  }

  /**
   * @param {Kind} kind
   * @param {number} index
   */
  #button({ name, count, colour }, index) {
    return el(
      "button",
      {
        type: "button",
        title: oneLine(name),
        click: () => this.#toggle(index),
        pointerenter: () => this.onHighlight(index),
        pointerleave: () => this.onHighlight(this.#current),
        focus: () => this.onHighlight(index),
        blur: () => this.onHighlight(this.#current),
      },
      svg("svg", { viewBox: "0 0 10 10" }, svg("circle", { cx: 5, cy: 5, r: 5, fill: colour })),
      el("span", { class: "text" }, oneLine(name)),
      el("span", { class: "count" }, number(count)),
    );
  }

  /** @param {number} index */
  #toggle(index) {
    this.#current = this.#current === index ? null : index;
    this.#mark();
    this.onHighlight(this.#current);
  }

  #mark() {
    this.list.querySelectorAll("button").forEach((button, index) => {
      button.setAttribute("aria-pressed", String(index === this.#current));
    });
  }
}
