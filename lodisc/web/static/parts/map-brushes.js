// Two brushes for the dots of a map: one draws them round, the other one draws very many at once.

/** @import { Camera } from "../lib/camera.js" */
/** @import { Points } from "../lib/points.js" */

/** @typedef {{ radius: number, colour: string, opacity: number }} Style radius in CSS pixels */

const MOST_PATHS = 10_000; // dots; more are drawn pixel by pixel, which takes a tenth of the time
/** @type {Map<string, number>} */
const pixels = new Map();

/**
 * A colour as a canvas stores it: four bytes as a number.
 * @param {string} colour
 * @param {number} opacity
 */
function pixelOf(colour, opacity) {
  const name = `${colour} ${opacity}`;
  let pixel = pixels.get(name);
  if (pixel === undefined) {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    Object.assign(context, { fillStyle: colour, globalAlpha: opacity });
    context.fillRect(0, 0, 1, 1);
    [pixel] = new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer);
    pixels.set(name, pixel);
  }
  return pixel;
}

class Brush {
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Points} points
   * @param {Camera} camera
   */
  constructor(context, points, camera) {
    this.context = context;
    this.points = points;
    this.scale = camera.scale;
    const [left, top] = camera.toScreen(0, 0);
    this.left = left;
    this.top = top;
  }
}

class PathBrush extends Brush {
  /**
   * @param {Iterable<number>} indices
   * @param {Style} style
   */
  dots(indices, { radius, colour, opacity }) {
    const { context, points, scale, left, top } = this;
    context.globalAlpha = opacity;
    context.fillStyle = colour;
    context.beginPath();
    for (const index of indices) {
      const [x, y] = [points.x[index] * scale + left, points.y[index] * scale + top];
      context.moveTo(x + radius, y);
      context.arc(x, y, radius, 0, 2 * Math.PI);
    }
    context.fill();
    context.globalAlpha = 1;
  }

  finish() {}
}

class PixelBrush extends Brush {
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Points} points
   * @param {Camera} camera
   */
  constructor(context, points, camera) {
    super(context, points, camera);
    this.image = context.createImageData(context.canvas.width, context.canvas.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  /**
   * @param {Iterable<number>} indices
   * @param {Style} style
   */
  dots(indices, { radius, colour, opacity }) {
    const { points, pixels, image } = this;
    const ratio = this.context.getTransform().a;
    const [scale, left, top] = [this.scale * ratio, this.left * ratio, this.top * ratio];
    const pixel = pixelOf(colour, opacity);
    const halves = halfWidths(radius * ratio);
    const reach = halves.length - 1;
    for (const index of indices) {
      const x = Math.round(points.x[index] * scale + left);
      const y = Math.round(points.y[index] * scale + top);
      const last = Math.min(image.height - 1, y + reach);
      for (let row = Math.max(0, y - reach); row <= last; row += 1) {
        const half = halves[Math.abs(row - y)];
        const start = row * image.width;
        const [from, to] = [Math.max(0, x - half), Math.min(image.width, x + half + 1)];
        for (let at = start + from; at < start + to; at += 1) pixels[at] = pixel;
      }
    }
  }

  /** Put all dots on the canvas, in place of what is there. */
  finish() {
    this.context.putImageData(this.image, 0, 0);
  }
}

/**
 * Of a disc of pixels, how far each row reaches to either side: the middle row first.
 * @param {number} radius in pixels
 */
const halfWidths = (radius) =>
  Array.from({ length: Math.floor(radius) + 1 }, (_, row) =>
    Math.floor(Math.sqrt(radius ** 2 - row ** 2)),
  );

/**
 * The brush for so many dots.
 * @param {number} count
 * @param {CanvasRenderingContext2D} context
 * @param {Points} points
 * @param {Camera} camera
 */
export const brushFor = (count, context, points, camera) =>
  new (count > MOST_PATHS ? PixelBrush : PathBrush)(context, points, camera);
