// The page of all labels: search them, rename them, make several one, remove them.
import {
  closest,
  find,
  findAll,
  findOptional,
  isShortcut,
  refresh,
  takesKeys,
} from "../lib/dom.js";
import { notifyError } from "../lib/notices.js";
import { number, oneLine, searchedForm } from "../lib/text.js";
import { labelField, suggestFromPage } from "../parts/label-field.js";
import { onLabels, redo, rename, undo } from "../parts/labelling.js";

class LabelsPage {
  /** @type {Set<string>} the labels that are selected */
  #selection = new Set();

  constructor() {
    this.search = find("#search", HTMLInputElement);
    this.field = labelField(find("#name", HTMLFormElement), (name) => this.#rename(name), "labels");
    this.search.addEventListener("input", () => this.#filter());
    find("main").addEventListener("change", (event) => this.#select(event));
    find("main").addEventListener("click", (event) => this.#begin(event));
    find("#remove").addEventListener("click", () => this.#rename(null));
    find("#clear").addEventListener("click", () => this.#clear());
    addEventListener("keydown", (event) => this.#press(event));
    onLabels(() => this.#reload());
    this.#show();
  }

  get #rows() {
    return findAll("#uses tbody tr");
  }

  /** Show the rows that hold what is searched for. */
  #filter() {
    const text = searchedForm(this.search.value.trim());
    for (const row of this.#rows) row.hidden = !searchedForm(labelOf(row)).includes(text);
    const none = findOptional("#no-match");
    if (none) none.hidden = this.#rows.some((row) => !row.hidden);
  }

  /** @param {Event} event */
  #select(event) {
    const row = closest(event, "tr");
    if (!(event.target instanceof HTMLInputElement) || !row) return;
    if (event.target.checked) this.#selection.add(labelOf(row));
    else this.#selection.delete(labelOf(row));
    this.#show();
  }

  /** @param {Event} event a click on the button that renames one label */
  #begin(event) {
    const row = closest(event, "[data-rename]") && closest(event, "tr");
    if (!row) return;
    this.#selection = new Set([labelOf(row)]);
    this.#show();
    this.field.value = labelOf(row);
    this.field.select();
    this.field.focus();
  }

  #clear() {
    this.#selection.clear();
    this.field.value = "";
    this.field.dispatchEvent(new Event("input")); // the draft goes, too
    this.#show();
  }

  /** Show the selection in the table and in the bar. */
  #show() {
    for (const row of this.#rows) {
      find("input", HTMLInputElement, row).checked = this.#selection.has(labelOf(row));
    }
    const { size } = this.#selection;
    find("#actions").hidden = size === 0;
    document.body.classList.toggle("acting", size > 0);
    const [label] = this.#selection;
    find("#selected").textContent = size === 1 ? oneLine(label) : `${number(size)} labels`;
    find("#rename").textContent = size > 1 ? "Make one label" : "Rename";
  }

  /** @param {string | null} name null removes the labels */
  async #rename(name) {
    const labels = [...this.#selection].filter((label) => label !== name);
    this.#clear();
    find("main").focus();
    if (labels.length) await rename(labels, name);
  }

  async #reload() {
    try {
      await refresh("#uses");
      const labels = new Set(this.#rows.map(labelOf));
      for (const label of this.#selection) if (!labels.has(label)) this.#selection.delete(label);
      suggestFromPage();
      this.#filter();
      this.#show();
    } catch (error) {
      notifyError(error);
    }
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const isInBar = event.target instanceof Node && find("#actions").contains(event.target);
    if (event.key === "Escape" && (isInBar || !takesKeys(event.target))) this.#clear();
    if (takesKeys(event.target)) return;
    if (event.key === "/" && !isShortcut(event)) {
      event.preventDefault();
      this.search.focus();
    } else if (isShortcut(event) && !event.altKey && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) redo();
      else undo();
    }
  }
}

/** @param {HTMLElement} row */
const labelOf = (row) => row.dataset.label ?? "";

suggestFromPage();
new LabelsPage();
