// Drawing the map: points by their kind, and thumbnails where there is room for them.
import { thumbnail } from "./tile.js";

const SIDE = 58;
const ROOMY = 900;
const MOST_THUMBNAILS = 260;
const MOST_KEPT = 600;
const pictures = new Map();

/** A thumbnail that is here, or null while it comes; `come()` is told then. */
function pictureOf(id, come) {
  let image = pictures.get(id);
  if (!image) {
    image = new Image();
    image.decoding = "async";
    image.addEventListener("load", come);
    image.src = thumbnail({ id });
    if (pictures.size >= MOST_KEPT) pictures.delete(pictures.keys().next().value);
  }
  pictures.delete(id);
  pictures.set(id, image);
  return image.complete && image.naturalWidth ? image : null;
}

/** Draw all that the camera sees. */
export function draw(canvas, { camera, points, ids, kinds, kind, lit, pointed, cross }, again) {
  const ratio = Math.min(devicePixelRatio, 2);
  const [width, height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, camera.width, camera.height);
  const [left, top] = camera.toMap(-SIDE, -SIDE);
  const [right, bottom] = camera.toMap(camera.width + SIDE, camera.height + SIDE);
  const visible = [...points.within(left, top, right, bottom)];
  drawPoints(context, visible, { camera, points, kinds, kind, lit });
  if (visible.length <= ROOMY || camera.zoom > 30)
    drawThumbnails(context, visible, { camera, points, ids, kinds, kind, lit }, again);
  if (pointed !== null) ring(context, camera.toScreen(points.x[pointed], points.y[pointed]));
  if (cross) drawCross(context, camera.middle);
}

function drawPoints(context, visible, { camera, points, kinds, kind, lit }) {
  const crowded = Math.sqrt(Math.min(1, camera.scale / camera.zoom / 700));
  const radius = Math.max(
    1.4,
    Math.min(
      6,
      (26 / Math.sqrt(points.length / 40)) * crowded + Math.log2(camera.zoom + 1) * 0.9 * crowded,
    ),
  );
  const byKind = kinds.map(() => []);
  for (const index of visible) byKind[kind[index]].push(index);
  for (let at = kinds.length - 1; at >= 0; at -= 1) {
    if (at === lit || !byKind[at].length) continue;
    context.globalAlpha = lit === null ? (kinds[at].none ? 0.6 : 0.82) : 0.13;
    dots(context, byKind[at], radius, kinds[at].colour, { camera, points });
  }
  context.globalAlpha = 1;
  if (lit !== null && byKind[lit])
    dots(context, byKind[lit], radius + 0.6, kinds[lit].colour, { camera, points });
}

function dots(context, indices, radius, colour, { camera, points }) {
  context.fillStyle = colour;
  context.beginPath();
  for (const index of indices) {
    const [x, y] = camera.toScreen(points.x[index], points.y[index]);
    context.moveTo(x + radius, y);
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }
  context.fill();
}

/** Pictures from the middle outwards as long as there are not too many; none over another. */
function drawThumbnails(context, visible, { camera, points, ids, kinds, kind, lit }, again) {
  const taken = new Set();
  const places = visible.map((index) => [
    index,
    ...camera.toScreen(points.x[index], points.y[index]),
  ]);
  const [middleX, middleY] = camera.middle;
  places.sort(
    (one, other) =>
      (one[1] - middleX) ** 2 +
      (one[2] - middleY) ** 2 -
      (other[1] - middleX) ** 2 -
      (other[2] - middleY) ** 2,
  );
  let drawn = 0;
  for (const [index, x, y] of places) {
    if (lit !== null && kind[index] !== lit) continue;
    const cells = [0, 1].flatMap((down) =>
      [0, 1].map(
        (across) =>
          `${Math.floor((x - SIDE / 2 + across * SIDE) / SIDE)},${Math.floor((y - SIDE / 2 + down * SIDE) / SIDE)}`,
      ),
    );
    if (cells.some((cell) => taken.has(cell)) || drawn >= MOST_THUMBNAILS) continue;
    for (const cell of cells) taken.add(cell);
    drawn += 1;
    const image = pictureOf(ids[index], again);
    if (image) stamp(context, image, x - SIDE / 2, y - SIDE / 2, kinds[kind[index]].colour);
  }
}

function stamp(context, image, x, y, colour) {
  const side = Math.min(image.naturalWidth, image.naturalHeight);
  context.save();
  context.beginPath();
  context.roundRect(x, y, SIDE, SIDE, 7);
  context.clip();
  context.drawImage(
    image,
    (image.naturalWidth - side) / 2,
    (image.naturalHeight - side) / 2,
    side,
    side,
    x,
    y,
    SIDE,
    SIDE,
  );
  context.restore();
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.beginPath();
  context.roundRect(x, y, SIDE, SIDE, 7);
  context.stroke();
}

function ring(context, [x, y]) {
  const style = getComputedStyle(context.canvas);
  for (const [colour, width] of [
    [style.getPropertyValue("--card"), 5],
    [style.getPropertyValue("--ink"), 2],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  }
}

function drawCross(context, [x, y]) {
  context.strokeStyle = getComputedStyle(context.canvas).getPropertyValue("--ink");
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
