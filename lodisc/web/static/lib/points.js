// Many points on the unit square, sorted into cells: it is quick to find the nearest point, or all
// points in a rectangle.

const CELLS = 128; // along each side

/** @param {number} value */
const cellOf = (value) => Math.max(0, Math.min(CELLS - 1, Math.floor(value * CELLS)));

export class Points {
  /**
   * @param {number[]} x
   * @param {number[]} y
   */
  constructor(x, y) {
    this.x = Float32Array.from(x);
    this.y = Float32Array.from(y);
    const cells = x.map((_, index) => cellOf(this.y[index]) * CELLS + cellOf(this.x[index]));
    /** Where each cell starts in `order`. */
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    for (const cell of cells) this.starts[cell + 1] += 1;
    for (let cell = 0; cell < CELLS * CELLS; cell += 1) this.starts[cell + 1] += this.starts[cell];
    /** The indices of the points, cell by cell. */
    this.order = new Uint32Array(cells.length);
    const next = this.starts.slice();
    cells.forEach((cell, index) => (this.order[next[cell]++] = index));
  }

  get length() {
    return this.x.length;
  }

  /**
   * The indices of the points in a rectangle.
   * @param {number} left
   * @param {number} top
   * @param {number} right
   * @param {number} bottom
   */
  *within(left, top, right, bottom) {
    for (let row = cellOf(top); row <= cellOf(bottom); row += 1) {
      const end = this.starts[row * CELLS + cellOf(right) + 1];
      for (let at = this.starts[row * CELLS + cellOf(left)]; at < end; at += 1) {
        const index = this.order[at];
        const [x, y] = [this.x[index], this.y[index]];
        if (x >= left && x <= right && y >= top && y <= bottom) yield index;
      }
    }
  }

  /**
   * The index of the nearest point within `reach` that passes the filter, or null.
   * @param {number} x
   * @param {number} y
   * @param {number} reach
   * @param {(index: number) => boolean} [filter]
   */
  nearest(x, y, reach, filter = () => true) {
    let best = /** @type {number | null} */ (null);
    let least = reach * reach;
    for (const index of this.within(x - reach, y - reach, x + reach, y + reach)) {
      const distance = (this.x[index] - x) ** 2 + (this.y[index] - y) ** 2;
      if (distance <= least && filter(index)) [best, least] = [index, distance];
    }
    return best;
  }
}
