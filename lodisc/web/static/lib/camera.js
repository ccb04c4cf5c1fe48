// Which part of the map one looks at: zoom and place, and how they move.

const MOST = 60;

export class Camera {
  /** `moved()` is told after every change. The map is the unit square, `pad` pixels are kept free around it. */
  constructor(moved) {
    Object.assign(this, {
      moved,
      width: 1,
      height: 1,
      zoom: 1,
      x: 0.5,
      y: 0.5,
      pads: [0, 0, 0, 0],
    });
  }

  resize(width, height, pads) {
    Object.assign(this, { width, height, pads });
    this.moved();
  }

  /** Pixels for the whole map at this zoom. */
  get scale() {
    const [top, right, bottom, left] = this.pads;
    return (
      Math.max(80, Math.min(this.width - left - right, this.height - top - bottom)) * this.zoom
    );
  }

  get middle() {
    const [top, right, bottom, left] = this.pads;
    return [left + (this.width - left - right) / 2, top + (this.height - top - bottom) / 2];
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.middle[0], (y - this.y) * this.scale + this.middle[1]];
  }

  toMap(px, py) {
    return [
      (px - this.middle[0]) / this.scale + this.x,
      (py - this.middle[1]) / this.scale + this.y,
    ];
  }

  pan(dx, dy) {
    this.x = Math.max(-0.1, Math.min(1.1, this.x - dx / this.scale));
    this.y = Math.max(-0.1, Math.min(1.1, this.y - dy / this.scale));
    this.moved();
  }

  /** Zoom by a factor; the point of the map below these pixels stays there. */
  zoomBy(factor, px = this.middle[0], py = this.middle[1]) {
    const [x, y] = this.toMap(px, py);
    this.zoom = Math.max(0.8, Math.min(MOST, this.zoom * factor));
    const [nowX, nowY] = this.toMap(px, py);
    this.x += x - nowX;
    this.y += y - nowY;
    this.pan(0, 0);
  }

  reset() {
    Object.assign(this, { zoom: 1, x: 0.5, y: 0.5 });
    this.moved();
  }
}
