// Drawing on photographs: the pivotal region, the patch that one points at, and the patches that answer it.

const VEIL = "rgb(12 15 18 / .52)";
const PIVOTAL = "#2fe0d0";
const ANSWER = [255, 180, 58];

/** Where the picture lies in its frame, in CSS pixels, for object-fit `cover` or `contain`. */
function pictureRect(image) {
  const { clientWidth: width, clientHeight: height, naturalWidth, naturalHeight } = image;
  const cover = getComputedStyle(image).objectFit === "cover";
  const scale = (cover ? Math.max : Math.min)(width / naturalWidth, height / naturalHeight) || 0;
  const [w, h] = [naturalWidth * scale, naturalHeight * scale];
  return { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h };
}

/** The grid of patches over an image: `cell(index)` gives a patch's place, `at(x, y)` the patch at a point, or null. */
export function patchGrid(image, { rows, columns, box }) {
  const rect = pictureRect(image);
  const left = rect.left + box[0] * rect.width;
  const top = rect.top + box[1] * rect.height;
  const [w, h] = [
    ((box[2] - box[0]) * rect.width) / columns,
    ((box[3] - box[1]) * rect.height) / rows,
  ];
  return {
    rows,
    columns,
    left,
    top,
    width: w * columns,
    height: h * rows,
    cell(index) {
      const [column, row] = [index % columns, Math.floor(index / columns)];
      const [x, y] = [Math.round(left + column * w), Math.round(top + row * h)];
      return [x, y, Math.round(left + (column + 1) * w) - x, Math.round(top + (row + 1) * h) - y]; // whole pixels leave no seams
    },
    at(x, y) {
      const [column, row] = [Math.floor((x - left) / w), Math.floor((y - top) / h)];
      return column >= 0 && row >= 0 && column < columns && row < rows
        ? row * columns + column
        : null;
    },
  };
}

/** A canvas over the image, clean and sharp, and its context in CSS pixels. */
function canvasOver(image) {
  const holder = image.parentElement;
  const canvas =
    holder.querySelector("canvas") ?? holder.appendChild(document.createElement("canvas"));
  const ratio = Math.min(devicePixelRatio, 2);
  canvas.width = Math.round(image.clientWidth * ratio);
  canvas.height = Math.round(image.clientHeight * ratio);
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

export const wipe = (image) => image.parentElement.querySelector("canvas")?.remove();

/** Veil what is outside the pivotal region and draw its outline. */
export function drawPivotal(image, look) {
  const context = canvasOver(image);
  const grid = patchGrid(image, look);
  const inside = (row, column) => look.pivotal[row]?.[column] ?? false;
  const edges = new Path2D();
  shade(context, image);
  for (let row = 0; row < look.rows; row += 1) {
    for (let column = 0; column < look.columns; column += 1) {
      if (!inside(row, column)) continue;
      const [x, y, w, h] = grid.cell(row * look.columns + column);
      context.clearRect(x, y, w, h);
      if (!inside(row - 1, column)) line(edges, x, y, x + w, y);
      if (!inside(row + 1, column)) line(edges, x, y + h, x + w, y + h);
      if (!inside(row, column - 1)) line(edges, x, y, x, y + h);
      if (!inside(row, column + 1)) line(edges, x + w, y, x + w, y + h);
    }
  }
  stroke(context, edges, PIVOTAL, image.clientWidth > 200 ? 2 : 1.5);
}

/** Frame the patch that one points at. */
export function drawPatch(image, look, index) {
  const context = canvasOver(image);
  const frame = new Path2D();
  frame.rect(...patchGrid(image, look).cell(index));
  stroke(context, frame, `rgb(${ANSWER})`, 3);
}

/** Light up the patches by how well they answer, `scores` of each; the best three are framed. */
export function drawAnswers(image, look, scores) {
  const context = canvasOver(image);
  const grid = patchGrid(image, look);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  shade(context, image);
  scores.forEach((score, index) => {
    const strength = high > low ? (score - low) / (high - low) : 1;
    const [x, y, w, h] = grid.cell(index);
    context.clearRect(x, y, w, h);
    context.fillStyle = `rgb(12 15 18 / ${0.52 * (1 - strength ** 2)})`;
    context.fillRect(x, y, w, h);
    context.fillStyle = `rgb(${ANSWER.join(" ")} / ${0.5 * strength ** 5})`;
    context.fillRect(x, y, w, h);
  });
  const best = scores
    .map((_, index) => index)
    .sort((one, other) => scores[other] - scores[one])
    .slice(0, 3);
  const frames = new Path2D();
  for (const index of best) frames.rect(...grid.cell(index));
  stroke(context, frames, `rgb(${ANSWER})`, 2);
}

function shade(context, image) {
  const { left, top, width, height } = pictureRect(image);
  context.fillStyle = VEIL;
  context.fillRect(left, top, width, height);
}

function line(path, x1, y1, x2, y2) {
  path.moveTo(x1, y1);
  path.lineTo(x2, y2);
}

function stroke(context, path, colour, width) {
  context.lineCap = "square";
  context.strokeStyle = "rgb(12 15 18 / .75)";
  context.lineWidth = width + 2;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}
