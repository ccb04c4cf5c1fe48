// Which part of the map is in view: zoom and centre, and how they move. The map is the unit square.

const [LEAST_ZOOM, MOST_ZOOM] = [0.8, 60];
const LEAST_SCALE = 80; // pixels

/** @typedef {[top: number, right: number, bottom: number, left: number]} Margins in pixels */

export class Camera {
  /** @param {() => void} onChange called after every change */
  constructor(onChange) {
    this.onChange = onChange;
    this.width = 1;
    this.height = 1;
    /** @type {Margins} */
    this.margins = [0, 0, 0, 0];
    this.zoom = 1;
    this.x = 0.5;
    this.y = 0.5;
  }

  /**
   * @param {number} width
   * @param {number} height
   * @param {Margins} margins
   */
  resize(width, height, margins) {
    Object.assign(this, { width, height, margins });
    this.onChange();
  }

  /** Pixels for the whole map at this zoom. */
  get scale() {
    const [top, right, bottom, left] = this.margins;
    const room = Math.min(this.width - left - right, this.height - top - bottom);
    return Math.max(LEAST_SCALE, room) * this.zoom;
  }

  /**
   * The middle of the view, in pixels.
   * @returns {[x: number, y: number]}
   */
  get middle() {
    const [top, right, bottom, left] = this.margins;
    return [left + (this.width - left - right) / 2, top + (this.height - top - bottom) / 2];
  }

  /**
   * @param {number} x
   * @param {number} y
   * @returns {[x: number, y: number]} in pixels
   */
  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.middle[0], (y - this.y) * this.scale + this.middle[1]];
  }

  /**
   * @param {number} px
   * @param {number} py
   * @returns {[x: number, y: number]} on the map
   */
  toMap(px, py) {
    const [middleX, middleY] = this.middle;
    return [(px - middleX) / this.scale + this.x, (py - middleY) / this.scale + this.y];
  }

  /**
   * @param {number} dx in pixels
   * @param {number} dy in pixels
   */
  pan(dx, dy) {
    this.x = Math.max(-0.1, Math.min(1.1, this.x - dx / this.scale));
    this.y = Math.max(-0.1, Math.min(1.1, this.y - dy / this.scale));
    this.onChange();
  }

  /**
   * Zoom by a factor; the point of the map below these pixels stays there.
   * @param {number} factor
   * @param {number} [px]
   * @param {number} [py]
   */
  zoomBy(factor, px = this.middle[0], py = this.middle[1]) {
    const [x, y] = this.toMap(px, py);
    this.zoom = Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, this.zoom * factor));
    const [newX, newY] = this.toMap(px, py);
    this.x += x - newX;
    this.y += y - newY;
    this.pan(0, 0);
  }

  reset() {
    Object.assign(this, { zoom: 1, x: 0.5, y: 0.5 });
    this.onChange();
  }
}
