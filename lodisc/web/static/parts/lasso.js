// The line that a person draws around photographs on the map, as it is seen while it is drawn.
import { find } from "../lib/dom.js";

/** @import { Corner } from "../lib/polygon.js" */

const SPACING = 4; // pixels between two corners

export class Lasso {
  /** @type {Corner[]} in pixels; empty while nothing is drawn */
  #corners = [];
  /** Whether what it goes around is taken out of the selection. */
  takesAway = false;

  constructor() {
    this.line = find(".lasso polygon", SVGPolygonElement);
  }

  get isOpen() {
    return this.#corners.length > 0;
  }

  /**
   * @param {Corner} corner
   * @param {{ takesAway: boolean }} options
   */
  begin(corner, { takesAway }) {
    this.#corners = [corner];
    this.takesAway = takesAway;
  }

  /** @param {Corner} corner */
  extend([x, y]) {
    const [lastX, lastY] = this.#corners[this.#corners.length - 1];
    if (Math.hypot(x - lastX, y - lastY) < SPACING) return;
    this.#corners.push([x, y]);
    this.line.setAttribute("points", this.#corners.join(" "));
  }

  /** Take the line away; its corners. */
  end() {
    const corners = this.#corners;
    this.#corners = [];
    this.line.removeAttribute("points");
    return corners;
  }
}
