// The bar at the foot of a page: how many photographs are selected, and what to do with them.
import { find, findOptional, isShortcut } from "../lib/dom.js";
import { number } from "../lib/text.js";
import { labelField } from "./label-field.js";

export class SelectionBar {
  /**
   * @param {HTMLElement} home what the keys act on: L there goes to the field, and Esc back
   * @param {{ onLabel: (name: string | null) => void, onClear: () => void }} events a null name
   *   removes the labels
   * @param {string} draft the name under which a label that is being typed is stored
   */
  constructor(home, { onLabel, onClear }, draft) {
    this.bar = find("#actions");
    const field = labelField(find("#name", HTMLFormElement), onLabel, draft);
    findOptional("#unlabel")?.addEventListener("click", () => onLabel(null));
    find("#clear").addEventListener("click", onClear);
    home.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() !== "l" || isShortcut(event) || this.bar.hidden) return;
      event.preventDefault();
      field.focus();
    });
    field.addEventListener("keydown", (event) => event.key === "Escape" && home.focus());
  }

  /** @param {number} count how many photographs are selected */
  show(count) {
    this.bar.hidden = count === 0;
    document.body.classList.toggle("acting", count > 0);
    find("#selected").textContent = `${number(count)} selected`;
  }
}
