// Which photographs on the map are selected.
import { Polygon } from "../lib/polygon.js";

/** @import { Corner } from "../lib/polygon.js" */
/** @import { MapView } from "./map-view.js" */

export class MapSelection {
  /** Whether a drag draws a lasso, and a click selects. */
  isActive = false;

  /**
   * @param {MapView} view
   * @param {() => void} onChange
   */
  constructor(view, onChange) {
    this.view = view;
    this.onChange = onChange;
  }

  get #indices() {
    return this.view.scene.selection;
  }

  get size() {
    return this.#indices.size;
  }

  /** The ids of the selected photographs. */
  get ids() {
    return Array.from(this.#indices, (index) => this.view.scene.ids[index]);
  }

  /** Whether a click selects: as long as something is selected, it would be lost otherwise. */
  get takesClicks() {
    return this.isActive || this.size > 0;
  }

  /** @param {number} index */
  has(index) {
    return this.#indices.has(index);
  }

  /** @param {boolean} isActive */
  activate(isActive) {
    this.isActive = isActive;
    this.#update();
  }

  /** @param {number} index */
  toggle(index) {
    if (!this.#indices.delete(index)) this.#indices.add(index);
    this.#update();
  }

  /**
   * Add what lies within a line on the screen and is lit up, or take it away.
   * @param {Corner[]} corners in pixels
   * @param {{ takesAway: boolean }} options
   */
  surround(corners, { takesAway }) {
    const { camera } = this.view;
    for (const index of this.view.within(new Polygon(corners.map((at) => camera.toMap(...at))))) {
      if (takesAway) this.#indices.delete(index);
      else this.#indices.add(index);
    }
    this.#update();
  }

  clear() {
    this.#indices.clear();
    this.#update();
  }

  /**
   * Select these again, of which some may have left the map.
   * @param {string[]} ids
   */
  restore(ids) {
    const selectedIds = new Set(ids);
    this.#indices.clear();
    this.view.scene.ids.forEach((id, index) => selectedIds.has(id) && this.#indices.add(index));
    this.#update();
  }

  #update() {
    this.view.drawSoon();
    this.onChange();
  }
}
