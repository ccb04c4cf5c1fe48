// The map page: photographs as points, near where they are alike; wheel, fingers and keys move it.
import { get } from "../lib/api.js";
import { Camera } from "../lib/camera.js";
import { find, photographs, shown } from "../lib/dom.js";
import { kindsOf, showLegend } from "../parts/legend.js";
import { draw } from "../parts/map-drawing.js";
import { stand } from "../lib/notices.js";
import { Points } from "../lib/points.js";
import { thumbnail } from "../parts/tile.js";

const REACH = 16;
const ASK_AGAIN = 3000;
const LONGEST_WAIT = 30_000;
const canvas = find("canvas");
const peek = find(".peek");
const colourBy = find("#colour");
const fingers = new Map();
const scene = {
  camera: new Camera(soon),
  points: null,
  ids: [],
  kinds: [],
  kind: null,
  lit: null,
  pointed: null,
  cross: false,
};
let map = null;
let waits = false;
let travelled = 0;
let spread = 0;

function soon() {
  if (waits || !scene.points) return;
  waits = true;
  requestAnimationFrame(() => {
    waits = false;
    if (scene.cross) scene.pointed = nearMiddle();
    draw(canvas, scene, soon);
    showPeek();
  });
}

const called = (method) => ({ pca: "PCA", tsne: "t-SNE", umap: "UMAP" })[method] ?? method;
const counts = (index) => scene.lit === null || scene.kind[index] === scene.lit;
const nearest = (px, py, reach) =>
  scene.points.nearest(...scene.camera.toMap(px, py), reach / scene.camera.scale, counts);
const nearMiddle = () =>
  nearest(...scene.camera.middle, 60) ?? nearest(...scene.camera.middle, 400);
const open = (index) =>
  index !== null && location.assign(`/similar/${encodeURIComponent(scene.ids[index])}`);

function showPeek() {
  const index = scene.pointed;
  peek.hidden = index === null;
  if (index === null) return;
  const id = scene.ids[index];
  if (peek.dataset.id !== id) {
    peek.dataset.id = id;
    find("img", peek).src = thumbnail({ id });
    const name =
      map.label[index] ?? (map.group[index] === null ? "No label" : `Group ${map.group[index]}`);
    find("p", peek).textContent = shown(name);
    canvas.setAttribute("aria-description", shown(name));
  }
  const [x, y] = scene.camera.toScreen(scene.points.x[index], scene.points.y[index]);
  const [left, top] = [
    x + 192 > scene.camera.width ? x - 188 : x + 16,
    Math.max(8, Math.min(scene.camera.height - 205, y - 90)),
  ];
  peek.style.transform = `translate(${left}px, ${top}px)`;
}

function paint() {
  const byLabel = colourBy.value === "label";
  Object.assign(
    scene,
    kindsOf(byLabel ? map.label : map.group, (value) =>
      value === null ? (byLabel ? "No label" : "No group") : byLabel ? value : `Group ${value}`,
    ),
    { lit: null },
  );
  showLegend(scene.kinds, (index) => ((scene.lit = index), soon()));
  soon();
}

const rest = (wait) => new Promise((resume) => setTimeout(resume, wait));

/** The answer of the server, however long it is away. */
async function patiently(path) {
  for (;;) {
    try {
      const answer = await get(path);
      stand("map", null);
      return answer;
    } catch (error) {
      stand("map", `${error.message} The map will come when it is back.`, { kind: "waiting" });
      await rest(ASK_AGAIN);
    }
  }
}

/** Show the map that there is, and once a better one is made, that one. */
async function load() {
  show(await patiently("/api/map"));
  for (let wait = ASK_AGAIN; map.making; wait = Math.min(1.5 * wait, LONGEST_WAIT)) {
    await rest(wait);
    if (!(await patiently("/api/map/status")).making) show(await patiently("/api/map"));
  }
}

function show(now) {
  map = now;
  find("#loading").hidden = true;
  find("#none").hidden = map.ids.length > 0;
  find(".legend").hidden = find(".zoom").hidden = map.ids.length === 0;
  const better = map.making ? ` A better map, by ${called(map.making)}, is being made.` : "";
  find("#how").textContent =
    `${photographs(map.ids.length)} by ${called(map.method)}; the nearer, the more alike.${better}`;
  scene.points = new Points(map.x, map.y);
  scene.ids = map.ids;
  scene.pointed = null;
  if (!colourBy.dataset.set)
    colourBy.value = map.group.some((group) => group !== null) ? "group" : "label";
  fit();
  paint();
}

function fit() {
  const { width, height } = canvas.getBoundingClientRect();
  const narrow = width <= 720;
  scene.camera.resize(width, height, narrow ? [84, 20, 120, 20] : [40, 290, 40, 60]);
}

function grip() {
  const places = [...fingers.values()];
  const [x, y] = [0, 1].map(
    (axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length,
  );
  return {
    x,
    y,
    spread:
      places.length > 1 ? Math.hypot(places[0][0] - places[1][0], places[0][1] - places[1][1]) : 0,
  };
}

const place = (event) => [event.offsetX, event.offsetY];

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, place(event));
  if (fingers.size === 1) travelled = 0;
  spread = grip().spread;
});
canvas.addEventListener("pointermove", (event) => {
  if (!scene.points) return;
  if (!fingers.has(event.pointerId)) {
    scene.cross = false;
    scene.pointed = nearest(...place(event), REACH);
    canvas.classList.toggle("pointing", scene.pointed !== null);
    return soon();
  }
  const before = grip();
  fingers.set(event.pointerId, place(event));
  const now = grip();
  travelled +=
    Math.hypot(now.x - before.x, now.y - before.y) + Math.abs(now.spread - before.spread);
  if (travelled < 5) return;
  canvas.classList.add("dragging");
  if (event.pointerType !== "touch") scene.pointed = null;
  scene.camera.pan(now.x - before.x, now.y - before.y);
  if (spread && now.spread) scene.camera.zoomBy(now.spread / before.spread, now.x, now.y);
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    fingers.delete(event.pointerId);
    canvas.classList.remove("dragging");
    if (end === "pointercancel" || travelled >= 5 || !scene.points || fingers.size) return;
    const found = nearest(...place(event), event.pointerType === "touch" ? 26 : REACH);
    if (event.pointerType !== "touch" || found === scene.pointed) open(found);
    scene.pointed = found;
    soon();
  });
}
canvas.addEventListener(
  "pointerleave",
  () => fingers.size === 0 && !scene.cross && ((scene.pointed = null), soon()),
);
canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    if (!scene.points) return;
    const pixels = event.deltaY * (event.deltaMode === 1 ? 24 : 1);
    scene.camera.zoomBy(
      Math.exp(-Math.max(-240, Math.min(240, pixels)) * (event.ctrlKey ? 0.01 : 0.0022)),
      ...place(event),
    );
    scene.pointed = nearest(...place(event), REACH);
  },
  { passive: false },
);
canvas.addEventListener("keydown", (event) => {
  const step = 70;
  const acts = {
    ArrowLeft: () => scene.camera.pan(step, 0),
    ArrowRight: () => scene.camera.pan(-step, 0),
    ArrowUp: () => scene.camera.pan(0, step),
    ArrowDown: () => scene.camera.pan(0, -step),
    "+": () => scene.camera.zoomBy(1.5),
    "=": () => scene.camera.zoomBy(1.5),
    "-": () => scene.camera.zoomBy(1 / 1.5),
    0: () => scene.camera.reset(),
    Enter: () => open(nearMiddle()),
  };
  if (!(event.key in acts) || event.ctrlKey || event.metaKey || !scene.points) return;
  event.preventDefault();
  scene.cross = true;
  acts[event.key]();
});
canvas.addEventListener("focus", () => {
  if (canvas.matches(":focus-visible")) scene.cross = true;
  soon();
});
canvas.addEventListener("blur", () => {
  scene.cross = false;
  scene.pointed = null;
  soon();
});
find("#closer").addEventListener("click", () => scene.camera.zoomBy(1.6));
find("#wider").addEventListener("click", () => scene.camera.zoomBy(1 / 1.6));
find("#whole").addEventListener("click", () => scene.camera.reset());
colourBy.addEventListener("change", () => ((colourBy.dataset.set = "yes"), paint()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => map && paint());
new ResizeObserver(fit).observe(canvas);
load();
