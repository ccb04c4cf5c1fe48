// Draw on photographs: the pivotal region, the patch that a person points at, the patches that answer
// it, and the patches that differ most.

/** @import { AttentionMap } from "../lib/models.js" */

/** @typedef {[x: number, y: number, width: number, height: number]} Rectangle in CSS pixels */

const DARK = "12 15 18";
const VEIL = 0.52; // opacity
const PIVOTAL = "#2fe0d0";
const ANSWER = "255 180 58";
const DIFFERENCE = "255 110 200";
const BEST = 3; // patches that get a frame
const CLEAR = 0.1; // of a difference: below it lie copies, by DeiT-Ti

/**
 * Where the picture lies in its frame, in CSS pixels, for object-fit `cover` or `contain`.
 * @param {HTMLImageElement} image
 */
function pictureRect(image) {
  const { clientWidth, clientHeight, naturalWidth, naturalHeight } = image;
  const fit = getComputedStyle(image).objectFit === "cover" ? Math.max : Math.min;
  const scale = fit(clientWidth / naturalWidth, clientHeight / naturalHeight) || 0;
  const [width, height] = [naturalWidth * scale, naturalHeight * scale];
  return { left: (clientWidth - width) / 2, top: (clientHeight - height) / 2, width, height };
}

/** The grid of patches over an image, in CSS pixels. */
export class PatchGrid {
  /**
   * @param {HTMLImageElement} image
   * @param {Pick<AttentionMap, "rows" | "columns" | "box">} map
   */
  constructor(image, { rows, columns, box }) {
    const picture = pictureRect(image);
    const [left, top, right, bottom] = box;
    this.rows = rows;
    this.columns = columns;
    this.left = picture.left + left * picture.width;
    this.top = picture.top + top * picture.height;
    this.patchWidth = ((right - left) * picture.width) / columns;
    this.patchHeight = ((bottom - top) * picture.height) / rows;
  }

  /**
   * The place of a patch, in whole pixels: they leave no seams.
   * @param {number} index
   * @returns {Rectangle}
   */
  cell(index) {
    const [column, row] = [index % this.columns, Math.floor(index / this.columns)];
    const x = Math.round(this.left + column * this.patchWidth);
    const y = Math.round(this.top + row * this.patchHeight);
    const right = Math.round(this.left + (column + 1) * this.patchWidth);
    const bottom = Math.round(this.top + (row + 1) * this.patchHeight);
    return [x, y, right - x, bottom - y];
  }

  /**
   * The index of the patch at a point, or null.
   * @param {number} x
   * @param {number} y
   */
  at(x, y) {
    const column = Math.floor((x - this.left) / this.patchWidth);
    const row = Math.floor((y - this.top) / this.patchHeight);
    const isInside = column >= 0 && row >= 0 && column < this.columns && row < this.rows;
    return isInside ? row * this.columns + column : null;
  }
}

/** @param {HTMLImageElement} image */
const canvasOf = (image) => image.parentElement?.querySelector("canvas");

/**
 * A clean canvas over the image, and its context in CSS pixels.
 * @param {HTMLImageElement} image
 */
function contextOver(image) {
  const canvas = canvasOf(image) ?? document.createElement("canvas");
  if (!canvas.parentElement) image.parentElement?.append(canvas);
  const ratio = Math.min(devicePixelRatio, 2);
  canvas.width = Math.round(image.clientWidth * ratio);
  canvas.height = Math.round(image.clientHeight * ratio);
  canvas.setAttribute("aria-hidden", "true");
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(ratio, ratio);
  return context;
}

/** @param {HTMLImageElement} image */
export const wipe = (image) => canvasOf(image)?.remove();

/**
 * Veil what is outside the pivotal region, and draw its outline.
 * @param {HTMLImageElement} image
 * @param {AttentionMap} map
 */
export function drawPivotal(image, map) {
  const context = contextOver(image);
  const grid = new PatchGrid(image, map);
  /** @type {(row: number, column: number) => boolean} */
  const isPivotal = (row, column) => map.pivotal[row]?.[column] ?? false;
  const outline = new Path2D();
  veil(context, image);
  for (let row = 0; row < map.rows; row += 1) {
    for (let column = 0; column < map.columns; column += 1) {
      if (!isPivotal(row, column)) continue;
      const [x, y, width, height] = grid.cell(row * map.columns + column);
      const [right, bottom] = [x + width, y + height];
      context.clearRect(x, y, width, height);
      if (!isPivotal(row - 1, column)) addLine(outline, [x, y], [right, y]);
      if (!isPivotal(row + 1, column)) addLine(outline, [x, bottom], [right, bottom]);
      if (!isPivotal(row, column - 1)) addLine(outline, [x, y], [x, bottom]);
      if (!isPivotal(row, column + 1)) addLine(outline, [right, y], [right, bottom]);
    }
  }
  stroke(context, outline, PIVOTAL, image.clientWidth > 200 ? 2 : 1.5);
}

/**
 * Frame the patch that a person points at.
 * @param {HTMLImageElement} image
 * @param {AttentionMap} map
 * @param {number} index
 */
export function drawPatch(image, map, index) {
  const context = contextOver(image);
  const frame = new Path2D();
  frame.rect(...new PatchGrid(image, map).cell(index));
  stroke(context, frame, `rgb(${ANSWER})`, 3);
}

/**
 * Light up each patch by how well it answers, and frame the best.
 * @param {HTMLImageElement} image
 * @param {AttentionMap} map
 * @param {number[]} scores of each patch
 */
export function drawAnswers(image, map, scores) {
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const strengths = scores.map((score) => (high > low ? (score - low) / (high - low) : 1));
  light(image, map, strengths, ANSWER);
}

/**
 * Light up each patch by how much it differs, and frame those that differ most.
 * @param {HTMLImageElement} image
 * @param {AttentionMap} map
 * @param {number[]} differences of each patch
 * @returns {boolean} whether any of them differs clearly; else none gets a frame
 */
export function drawDifferences(image, map, differences) {
  const most = Math.max(...differences);
  const strengths = differences.map((difference) => difference / Math.max(most, CLEAR));
  light(image, map, strengths, DIFFERENCE);
  return most >= CLEAR;
}

/**
 * Veil the image, less over patches of more strength, and frame the best if they have all of it.
 * @param {HTMLImageElement} image
 * @param {AttentionMap} map
 * @param {number[]} strengths of each patch, 0 to 1
 * @param {string} colour red, green and blue
 */
function light(image, map, strengths, colour) {
  const context = contextOver(image);
  const grid = new PatchGrid(image, map);
  veil(context, image);
  strengths.forEach((strength, index) => {
    const cell = grid.cell(index);
    context.clearRect(...cell);
    context.fillStyle = `rgb(${DARK} / ${VEIL * (1 - strength ** 2)})`;
    context.fillRect(...cell);
    context.fillStyle = `rgb(${colour} / ${0.5 * strength ** 5})`;
    context.fillRect(...cell);
  });
  const order = [...strengths.keys()].sort((a, b) => strengths[b] - strengths[a]);
  if (strengths[order[0]] < 1) return;
  const frames = new Path2D();
  for (const index of order.slice(0, BEST)) frames.rect(...grid.cell(index));
  stroke(context, frames, `rgb(${colour})`, 2);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLImageElement} image
 */
function veil(context, image) {
  const { left, top, width, height } = pictureRect(image);
  context.fillStyle = `rgb(${DARK} / ${VEIL})`;
  context.fillRect(left, top, width, height);
}

/**
 * @param {Path2D} path
 * @param {[x: number, y: number]} start
 * @param {[x: number, y: number]} end
 */
function addLine(path, start, end) {
  path.moveTo(...start);
  path.lineTo(...end);
}

/**
 * A line in a colour, with a dark edge.
 * @param {CanvasRenderingContext2D} context
 * @param {Path2D} path
 * @param {string} colour
 * @param {number} width
 */
function stroke(context, path, colour, width) {
  context.lineCap = "square";
  context.strokeStyle = `rgb(${DARK} / .75)`;
  context.lineWidth = width + 2;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}
