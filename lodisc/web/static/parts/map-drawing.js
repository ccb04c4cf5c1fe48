// Draw the map: points in the colour of their kind, and thumbnails where there is room for them.
import { thumbnailOf } from "./addresses.js";
import { brushFor } from "./map-brushes.js";

/** @import { Camera } from "../lib/camera.js" */
/** @import { Points } from "../lib/points.js" */
/** @import { Kind } from "./map-kinds.js" */

/**
 * @typedef {object} Scene
 * @property {Camera} camera
 * @property {Points} points
 * @property {string[]} ids of the photographs, one for each point
 * @property {Kind[]} kinds
 * @property {Uint32Array} kind of each point, an index of `kinds`
 * @property {number | null} highlight the kind that is lit up
 * @property {Set<number>} selection the points that are selected
 * @property {number | null} pointed the point with the ring
 * @property {boolean} hasCross whether a cross marks the middle
 */

const SIDE = 58; // of a thumbnail, in pixels
const RADIUS = 7; // of its corners
const MOST_POINTS = 900; // in view, for thumbnails to be drawn
const CLOSE_ZOOM = 30; // from here on thumbnails are drawn anyway
const MOST_THUMBNAILS = 260;
const MOST_CACHED = 600;
const [UNLIT, UNSELECTED] = [0.13, 0.4]; // opacity beside what is lit up, and what is selected
/** @type {Map<string, HTMLImageElement>} */
const cache = new Map();

/**
 * The thumbnail of a photograph, or null while it is on its way.
 * @param {string} id
 * @param {() => void} onLoad
 */
function imageOf(id, onLoad) {
  let image = cache.get(id);
  if (!image) {
    image = new Image();
    image.decoding = "async";
    image.addEventListener("load", onLoad);
    image.src = thumbnailOf(id);
    const [oldest] = cache.keys();
    if (cache.size >= MOST_CACHED && oldest) cache.delete(oldest);
  }
  cache.delete(id);
  cache.set(id, image);
  return image.complete && image.naturalWidth ? image : null;
}

/**
 * Draw all that the camera sees.
 * @param {HTMLCanvasElement} canvas
 * @param {Scene} scene
 * @param {() => void} redraw called when a thumbnail has come
 */
export function draw(canvas, scene, redraw) {
  const { camera, points, pointed } = scene;
  const context = cleanContext(canvas, camera);
  const [left, top] = camera.toMap(-SIDE, -SIDE);
  const [right, bottom] = camera.toMap(camera.width + SIDE, camera.height + SIDE);
  const visible = [...points.within(left, top, right, bottom)];
  drawPoints(context, visible, scene);
  if (visible.length <= MOST_POINTS || camera.zoom > CLOSE_ZOOM) {
    drawThumbnails(context, visible, scene, redraw);
  }
  if (pointed !== null) drawRing(context, placeOf(pointed, scene));
  if (scene.hasCross) drawCross(context, camera.middle);
}

/**
 * An empty canvas as large as the view, and its context in CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {Camera} camera
 */
function cleanContext(canvas, camera) {
  const ratio = Math.min(devicePixelRatio, 2);
  const [width, height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, camera.width, camera.height);
  return context;
}

/**
 * Where a point lies on the screen.
 * @param {number} index
 * @param {Scene} scene
 */
const placeOf = (index, { camera, points }) => camera.toScreen(points.x[index], points.y[index]);

/**
 * Draw the points in view; those that are selected lie on top, on ink.
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} visible
 * @param {Scene} scene
 */
function drawPoints(context, visible, scene) {
  const { camera, points, kinds, kind, highlight, selection } = scene;
  const brush = brushFor(visible.length, context, points, camera);
  const radius = radiusOf(scene);
  const [restByKind, selectionByKind] = [kinds.map(noIndices), kinds.map(noIndices)];
  for (const index of visible) {
    (selection.has(index) ? selectionByKind : restByKind)[kind[index]].push(index);
  }
  const order = drawingOrder(scene);
  for (const at of order) {
    const isLit = at === highlight;
    brush.dots(restByKind[at], {
      radius: radius + (isLit ? 0.6 : 0),
      colour: kinds[at].colour,
      opacity: highlight !== null && !isLit ? UNLIT : selection.size ? UNSELECTED : 1,
    });
  }
  const base = { radius: 1.15 * radius, opacity: 1 };
  const edge = { ...base, radius: base.radius + 1.4, colour: variableOf(context, "--ink") };
  for (const at of order) brush.dots(selectionByKind[at], edge);
  for (const at of order) {
    brush.dots(selectionByKind[at], { ...base, colour: kinds[at].colour });
  }
  brush.finish();
}

/** @returns {number[]} */
const noIndices = () => [];

/**
 * The radius of a point, in pixels.
 * @param {Scene} scene
 */
function radiusOf({ camera, points }) {
  const room = Math.sqrt(Math.min(1, camera.scale / camera.zoom / 700));
  const size = 26 / Math.sqrt(points.length / 40) + Math.log2(camera.zoom + 1) * 0.9;
  return Math.max(1.4, Math.min(6, size * room));
}

/**
 * The kinds in the order in which they are drawn: those without a value first, then the most
 * frequent ones, so that a rare one is not covered, and at last the one that is lit up.
 * @param {Scene} scene
 */
const drawingOrder = ({ kinds, highlight }) =>
  [...kinds.keys()].sort(
    (a, b) =>
      Number(a === highlight) - Number(b === highlight) ||
      Number(kinds[b].isNone) - Number(kinds[a].isNone) ||
      kinds[b].count - kinds[a].count,
  );

/**
 * Draw thumbnails from the middle outwards, at most so many, and none over another.
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} visible
 * @param {Scene} scene
 * @param {() => void} redraw
 */
function drawThumbnails(context, visible, scene, redraw) {
  const { camera, ids, kinds, kind, highlight, selection } = scene;
  const ink = variableOf(context, "--ink");
  const [middleX, middleY] = camera.middle;
  const places = visible
    .filter((index) => highlight === null || kind[index] === highlight)
    .map((index) => {
      const [x, y] = placeOf(index, scene);
      return { index, x, y, distance: (x - middleX) ** 2 + (y - middleY) ** 2 };
    })
    .sort((a, b) => a.distance - b.distance);
  /** @type {Set<string>} */
  const taken = new Set();
  let count = 0;
  for (const { index, x, y } of places) {
    if (count >= MOST_THUMBNAILS) break;
    const [left, top] = [x - SIDE / 2, y - SIDE / 2];
    const cells = cellsOf(left, top);
    if (cells.some((cell) => taken.has(cell))) continue;
    for (const cell of cells) taken.add(cell);
    count += 1;
    const image = imageOf(ids[index], redraw);
    if (!image) continue;
    const isSelected = selection.has(index);
    context.globalAlpha = selection.size && !isSelected ? UNSELECTED : 1;
    if (isSelected) drawFrame(context, { left, top, colour: ink, width: 7 });
    drawThumbnail(context, image, { left, top });
    drawFrame(context, { left, top, colour: kinds[kind[index]].colour, width: 2.5 });
    context.globalAlpha = 1;
  }
}

/**
 * The cells of a raster that the corners of a thumbnail lie in.
 * @param {number} left
 * @param {number} top
 */
function cellsOf(left, top) {
  const [column, row] = [Math.floor(left / SIDE), Math.floor(top / SIDE)];
  return [0, 1].flatMap((down) => [0, 1].map((across) => `${column + across},${row + down}`));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLImageElement} image
 * @param {{ left: number, top: number }} place
 */
function drawThumbnail(context, image, { left, top }) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const side = Math.min(width, height);
  const [x, y] = [(width - side) / 2, (height - side) / 2];
  context.save();
  context.beginPath();
  context.roundRect(left, top, SIDE, SIDE, RADIUS);
  context.clip();
  context.drawImage(image, x, y, side, side, left, top, SIDE, SIDE);
  context.restore();
}

/**
 * Draw the frame of a thumbnail.
 * @param {CanvasRenderingContext2D} context
 * @param {{ left: number, top: number, colour: string, width: number }} style
 */
function drawFrame(context, { left, top, colour, width }) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.roundRect(left, top, SIDE, SIDE, RADIUS);
  context.stroke();
}

/**
 * A colour of the page.
 * @param {CanvasRenderingContext2D} context
 * @param {"--card" | "--ink"} name
 */
const variableOf = (context, name) => getComputedStyle(context.canvas).getPropertyValue(name);

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[x: number, y: number]} place
 */
function drawRing(context, [x, y]) {
  for (const [variable, width] of /** @type {const} */ ([
    ["--card", 5],
    ["--ink", 2],
  ])) {
    context.strokeStyle = variableOf(context, variable);
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[x: number, y: number]} place
 */
function drawCross(context, [x, y]) {
  context.strokeStyle = variableOf(context, "--ink");
  context.lineWidth = 1.5;
  context.beginPath();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ]) {
    context.moveTo(x + 12 * dx, y + 12 * dy);
    context.lineTo(x + 22 * dx, y + 22 * dy);
  }
  context.stroke();
}
