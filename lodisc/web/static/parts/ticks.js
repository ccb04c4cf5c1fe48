// The ticks on the tiles of a plain list: which photographs a label goes to as well.
import { closest, findAll } from "../lib/dom.js";

export class Ticks {
  /** @type {Set<string>} ids of photographs */
  ids = new Set();

  /**
   * @param {HTMLElement} around holds the list, which may be replaced
   * @param {() => void} onChange
   */
  constructor(around, onChange) {
    this.around = around;
    this.onChange = onChange;
    around.addEventListener("click", (event) => {
      const tick = closest(event, ".tick");
      if (tick) this.#toggle(closest(event, ".tile"));
    });
    around.addEventListener("keydown", (event) => {
      if (event.key !== " " || !closest(event, ".tile a")) return;
      event.preventDefault();
      this.#toggle(closest(event, ".tile"));
    });
  }

  /** @param {HTMLElement | null} tile */
  #toggle(tile) {
    const id = tile?.dataset.id;
    if (!id) return;
    if (!this.ids.delete(id)) this.ids.add(id);
    this.draw();
  }

  clear() {
    this.ids.clear();
    this.draw();
  }

  draw() {
    for (const tile of findAll(".tile", HTMLElement, this.around)) {
      const isTicked = this.ids.has(tile.dataset.id ?? "");
      tile.classList.toggle("selected", isTicked);
      tile.querySelector(".tick")?.setAttribute("aria-pressed", String(isTicked));
    }
    this.around.classList.toggle("selecting", this.ids.size > 0);
    this.onChange();
  }
}
