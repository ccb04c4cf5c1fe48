// Many points on the unit square, and quickly the nearest to a place or all within a rectangle.

const CELLS = 128;
const cellOf = (value) => Math.max(0, Math.min(CELLS - 1, Math.floor(value * CELLS)));

export class Points {
  constructor(x, y) {
    Object.assign(this, { x: Float32Array.from(x), y: Float32Array.from(y) });
    const places = Array.from(
      x,
      (_, index) => cellOf(this.y[index]) * CELLS + cellOf(this.x[index]),
    );
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    for (const place of places) this.starts[place + 1] += 1;
    for (let cell = 0; cell < CELLS * CELLS; cell += 1) this.starts[cell + 1] += this.starts[cell];
    this.order = new Uint32Array(places.length);
    const next = this.starts.slice();
    places.forEach((place, index) => (this.order[next[place]++] = index));
  }

  get length() {
    return this.x.length;
  }

  /** The indices of the points in a rectangle. */
  *within(left, top, right, bottom) {
    for (let row = cellOf(top); row <= cellOf(bottom); row += 1) {
      for (
        let at = this.starts[row * CELLS + cellOf(left)];
        at < this.starts[row * CELLS + cellOf(right) + 1];
        at += 1
      ) {
        const index = this.order[at];
        if (
          this.x[index] >= left &&
          this.x[index] <= right &&
          this.y[index] >= top &&
          this.y[index] <= bottom
        )
          yield index;
      }
    }
  }

  /** The index of the nearest point not further away than `reach` for which `counts` holds, or null. */
  nearest(x, y, reach, counts = () => true) {
    let [best, least] = [null, reach * reach];
    for (const index of this.within(x - reach, y - reach, x + reach, y + reach)) {
      const distance = (this.x[index] - x) ** 2 + (this.y[index] - y) ** 2;
      if (distance <= least && counts(index)) [best, least] = [index, distance];
    }
    return best;
  }
}
