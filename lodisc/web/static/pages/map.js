// The map page: photographs as points, near where they are alike. Wheel, fingers and keys move it.
import { get } from "../lib/api.js";
import { Camera } from "../lib/camera.js";
import { find } from "../lib/dom.js";
import { messageOf, pin } from "../lib/notices.js";
import { Points } from "../lib/points.js";
import { oneLine, photographs } from "../lib/text.js";
import { similarPage, thumbnailOf } from "../parts/addresses.js";
import { kindsOf, showLegend } from "../parts/legend.js";
import { draw } from "../parts/map-drawing.js";

/** @import { MapLayout } from "../lib/models.js" */
/** @import { Margins } from "../lib/camera.js" */
/** @import { Scene } from "../parts/map-drawing.js" */

const REACH = 16; // pixels around a pointer in which a point counts as meant
const FINGER_REACH = 26;
const MIDDLE_REACHES = [60, 400]; // around the middle, for the keys
const CLICK = 5; // pixels that a click may move
const RETRY = 3000; // milliseconds
const LONGEST_WAIT = 30_000;
const NARROW = 720; // pixels
/** @type {Margins} */
const MARGINS = [40, 290, 40, 60];
/** @type {Margins} */
const NARROW_MARGINS = [84, 20, 120, 20];
/** @type {MapLayout} */
const EMPTY = { method: "", making: null, ids: [], x: [], y: [], group: [], label: [] };
/** @type {Record<string, string>} */
const METHODS = { pca: "PCA", tsne: "t-SNE", umap: "UMAP" };

/** @param {string} method */
const titleOf = (method) => METHODS[method] ?? method;

/** @param {number} wait milliseconds */
const sleep = (wait) => new Promise((resume) => setTimeout(resume, wait));

/**
 * The answer of the server, however long it is away.
 * @param {string} path
 * @returns {Promise<any>}
 */
async function getPatiently(path) {
  for (;;) {
    try {
      const answer = await get(path);
      pin("map", null);
      return answer;
    } catch (error) {
      const text = `${messageOf(error)} The map will appear when it is back.`;
      pin("map", text, { kind: "waiting" });
      await sleep(RETRY);
    }
  }
}

/** @param {MouseEvent} event */
const placeOf = (event) => /** @type {[x: number, y: number]} */ ([event.offsetX, event.offsetY]);

class MapPage {
  #waitsForFrame = false;

  constructor() {
    this.canvas = find("canvas", HTMLCanvasElement);
    this.peek = find(".peek");
    this.colourBy = find("#colour", HTMLSelectElement);
    this.layout = EMPTY;
    /** @type {Scene} */
    this.scene = {
      camera: new Camera(() => this.drawSoon()),
      points: new Points([], []),
      ids: [],
      kinds: [],
      kind: new Uint32Array(),
      highlight: null,
      pointed: null,
      hasCross: false,
    };
    new Gestures(this);
    this.#bindControls();
  }

  get camera() {
    return this.scene.camera;
  }

  get isEmpty() {
    return this.layout.ids.length === 0;
  }

  /** Draw the scene once, with the next frame. */
  drawSoon() {
    if (this.#waitsForFrame) return;
    this.#waitsForFrame = true;
    requestAnimationFrame(() => {
      this.#waitsForFrame = false;
      if (this.scene.hasCross) this.scene.pointed = this.nearMiddle();
      draw(this.canvas, this.scene, () => this.drawSoon());
      this.#showPeek();
    });
  }

  /**
   * The point nearest to a place on the screen, of those that are lit up.
   * @param {[x: number, y: number]} place
   * @param {number} reach
   */
  nearest(place, reach) {
    const { camera, points, kind, highlight } = this.scene;
    const [x, y] = camera.toMap(...place);
    /** @param {number} index */
    const isLit = (index) => highlight === null || kind[index] === highlight;
    return points.nearest(x, y, reach / camera.scale, isLit);
  }

  /** @returns {number | null} the point nearest to the middle of the view */
  nearMiddle() {
    const [near, far] = MIDDLE_REACHES;
    return this.nearest(this.camera.middle, near) ?? this.nearest(this.camera.middle, far);
  }

  /**
   * Put a ring around the point at a place, where there is one.
   * @param {[x: number, y: number]} place
   */
  point(place) {
    this.scene.pointed = this.nearest(place, REACH);
    this.drawSoon();
  }

  /** @param {number | null} index */
  open(index) {
    if (index !== null) location.assign(similarPage(this.scene.ids[index]));
  }

  /** A large thumbnail beside the point with the ring. */
  #showPeek() {
    const { pointed: index, ids, points, camera } = this.scene;
    this.peek.hidden = index === null;
    if (index === null) return;
    const id = ids[index];
    if (this.peek.dataset.id !== id) {
      this.peek.dataset.id = id;
      find("img", HTMLImageElement, this.peek).src = thumbnailOf(id);
      const group = this.layout.group[index];
      const title = this.layout.label[index] ?? (group === null ? "No label" : `Group ${group}`);
      find("p", HTMLElement, this.peek).textContent = oneLine(title);
      this.canvas.setAttribute("aria-description", oneLine(title));
    }
    const [x, y] = camera.toScreen(points.x[index], points.y[index]);
    const left = x + 192 > camera.width ? x - 188 : x + 16;
    const top = Math.max(8, Math.min(camera.height - 205, y - 90));
    this.peek.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** @param {MapLayout} layout */
  show(layout) {
    this.layout = layout;
    find("#loading").hidden = true;
    find("#none").hidden = !this.isEmpty;
    find(".legend").hidden = this.isEmpty;
    find(".zoom").hidden = this.isEmpty;
    const title = `${photographs(layout.ids.length)} by ${titleOf(layout.method)}`;
    const better = layout.making
      ? ` A better map, by ${titleOf(layout.making)}, is being made.`
      : "";
    find("#method").textContent = `${title}; the nearer, the more alike.${better}`;
    this.scene.points = new Points(layout.x, layout.y);
    this.scene.ids = layout.ids;
    this.scene.pointed = null;
    if (!this.colourBy.dataset.isChosen) {
      this.colourBy.value = layout.group.some((group) => group !== null) ? "group" : "label";
    }
    this.#fit();
    this.#colour();
  }

  #colour() {
    const { label, group } = this.layout;
    const kinds =
      this.colourBy.value === "label"
        ? kindsOf(label, (value) => value ?? "No label")
        : kindsOf(group, (value) => (value === null ? "No group" : `Group ${value}`));
    Object.assign(this.scene, kinds, { highlight: null });
    showLegend(this.scene.kinds, (index) => {
      this.scene.highlight = index;
      this.drawSoon();
    });
    this.drawSoon();
  }

  #fit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    this.camera.resize(width, height, width <= NARROW ? NARROW_MARGINS : MARGINS);
  }

  #bindControls() {
    find("#closer").addEventListener("click", () => this.camera.zoomBy(1.6));
    find("#wider").addEventListener("click", () => this.camera.zoomBy(1 / 1.6));
    find("#whole").addEventListener("click", () => this.camera.reset());
    this.colourBy.addEventListener("change", () => {
      this.colourBy.dataset.isChosen = "yes";
      this.#colour();
    });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.#colour());
    new ResizeObserver(() => this.#fit()).observe(this.canvas);
  }
}

/** Pointers, fingers, wheel and keys on the map. */
class Gestures {
  /** @type {Map<number, [x: number, y: number]>} places of the fingers that are down, by their id */
  #fingers = new Map();
  #distance = 0; // that the fingers moved since the first came down, in pixels

  /** @param {MapPage} page */
  constructor(page) {
    this.page = page;
    const { canvas, scene } = page;
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#release(event));
    canvas.addEventListener("pointercancel", (event) => this.#cancel(event));
    canvas.addEventListener("pointerleave", () => {
      if (this.#fingers.size === 0 && !scene.hasCross) this.#unpoint();
    });
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible")) scene.hasCross = true;
      page.drawSoon();
    });
    canvas.addEventListener("blur", () => {
      scene.hasCross = false;
      this.#unpoint();
    });
  }

  #unpoint() {
    this.page.scene.pointed = null;
    this.page.drawSoon();
  }

  /** The middle of the fingers, and how far the first two are apart, in pixels. */
  #grip() {
    const places = [...this.#fingers.values()];
    const x = places.reduce((sum, place) => sum + place[0], 0) / places.length;
    const y = places.reduce((sum, place) => sum + place[1], 0) / places.length;
    const [first, second = first] = places;
    return { x, y, spread: Math.hypot(first[0] - second[0], first[1] - second[1]) };
  }

  /** @param {PointerEvent} event */
  #press(event) {
    this.page.canvas.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, placeOf(event));
    if (this.#fingers.size === 1) this.#distance = 0;
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { canvas, camera, scene } = this.page;
    if (this.page.isEmpty) return;
    if (!this.#fingers.has(event.pointerId)) {
      scene.hasCross = false;
      this.page.point(placeOf(event));
      canvas.classList.toggle("pointing", scene.pointed !== null);
      return;
    }
    const before = this.#grip();
    this.#fingers.set(event.pointerId, placeOf(event));
    const { x, y, spread } = this.#grip();
    this.#distance += Math.hypot(x - before.x, y - before.y) + Math.abs(spread - before.spread);
    if (this.#distance < CLICK) return;
    canvas.classList.add("dragging");
    if (event.pointerType !== "touch") scene.pointed = null;
    camera.pan(x - before.x, y - before.y);
    if (spread && before.spread) camera.zoomBy(spread / before.spread, x, y);
  }

  /** @param {PointerEvent} event */
  #cancel(event) {
    this.#fingers.delete(event.pointerId);
    this.page.canvas.classList.remove("dragging");
  }

  /**
   * A click opens the photograph; the first tap of a finger shows it, the second opens it.
   * @param {PointerEvent} event
   */
  #release(event) {
    this.#cancel(event);
    if (this.#distance >= CLICK || this.#fingers.size) return;
    const isTouch = event.pointerType === "touch";
    const { scene } = this.page;
    const index = this.page.nearest(placeOf(event), isTouch ? FINGER_REACH : REACH);
    if (!isTouch || index === scene.pointed) this.page.open(index);
    scene.pointed = index;
    this.page.drawSoon();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    if (this.page.isEmpty) return;
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 24 : 1);
    const exponent = -Math.max(-240, Math.min(240, pixels)) * (event.ctrlKey ? 0.01 : 0.0022);
    this.page.camera.zoomBy(Math.exp(exponent), ...placeOf(event));
    this.page.point(placeOf(event));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { page } = this;
    const { camera } = page;
    const step = 70; // pixels
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => camera.pan(step, 0),
      ArrowRight: () => camera.pan(-step, 0),
      ArrowUp: () => camera.pan(0, step),
      ArrowDown: () => camera.pan(0, -step),
      "+": () => camera.zoomBy(1.5),
      "=": () => camera.zoomBy(1.5),
      "-": () => camera.zoomBy(1 / 1.5),
      0: () => camera.reset(),
      Enter: () => page.open(page.nearMiddle()),
    };
    const act = actions[event.key];
    if (!act || event.ctrlKey || event.metaKey || page.isEmpty) return;
    event.preventDefault();
    page.scene.hasCross = true;
    act();
  }
}

/** Show the map, and once a better one is made, that one. */
async function load() {
  const page = new MapPage();
  let layout = await getPatiently("/api/map");
  page.show(layout);
  for (let wait = RETRY; layout.making; wait = Math.min(1.5 * wait, LONGEST_WAIT)) {
    await sleep(wait);
    if ((await getPatiently("/api/map/status")).making) continue;
    layout = await getPatiently("/api/map");
    page.show(layout);
  }
}

load();
