// A closed line around part of the map, which may cross itself.

/** @typedef {[x: number, y: number]} Corner */

export class Polygon {
  /** @param {Corner[]} corners at least one */
  constructor(corners) {
    this.corners = corners;
    const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
    /**
     * The smallest rectangle around it.
     * @type {[left: number, top: number, right: number, bottom: number]}
     */
    this.box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }

  /**
   * Whether the line goes around a place: what it encloses twice is inside, too.
   * @param {number} x
   * @param {number} y
   */
  contains(x, y) {
    let turns = 0;
    let [fromX, fromY] = this.corners[this.corners.length - 1];
    for (const [toX, toY] of this.corners) {
      const isDownwards = fromY <= y && y < toY;
      const isUpwards = toY <= y && y < fromY;
      if (isDownwards || isUpwards) {
        const crossing = fromX + ((y - fromY) / (toY - fromY)) * (toX - fromX);
        if (crossing > x) turns += isDownwards ? 1 : -1;
      }
      [fromX, fromY] = [toX, toY];
    }
    return turns !== 0;
  }
}
