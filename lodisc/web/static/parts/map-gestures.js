// Pointers, fingers, wheel and keys that move a map and open its photographs.
import { isShortcut } from "../lib/dom.js";

/** @import { MapView } from "./map-view.js" */

const REACH = 16; // pixels around a pointer in which a point counts as meant
const FINGER_REACH = 26;
const CLICK = 5; // pixels that a click may move
const STEP = 70; // pixels that an arrow key moves
const LINE = 24; // pixels

/** @param {MouseEvent} event */
const placeOf = (event) => /** @type {[x: number, y: number]} */ ([event.offsetX, event.offsetY]);

export class MapGestures {
  /** @type {Map<number, [x: number, y: number]>} places of the fingers on the map, by id */
  #fingers = new Map();
  #distance = 0; // that the fingers moved since the first came down, in pixels

  /**
   * @param {MapView} view
   * @param {(index: number) => void} onOpen called with the point of a photograph
   */
  constructor(view, onOpen) {
    this.view = view;
    this.onOpen = onOpen;
    const { canvas, scene } = view;
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
      view.drawSoon();
    });
    canvas.addEventListener("blur", () => {
      scene.hasCross = false;
      this.#unpoint();
    });
  }

  /**
   * Put a ring around the point below the pointer, where there is one.
   * @param {MouseEvent} event
   */
  #point(event) {
    this.view.scene.pointed = this.view.nearest(placeOf(event), REACH);
    this.view.drawSoon();
  }

  /** @param {number | null} index */
  #open(index) {
    if (index !== null) this.onOpen(index);
  }

  #unpoint() {
    this.view.scene.pointed = null;
    this.view.drawSoon();
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
    this.view.canvas.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, placeOf(event));
    if (this.#fingers.size === 1) this.#distance = 0;
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { canvas, camera, scene } = this.view;
    if (this.view.isEmpty) return;
    if (!this.#fingers.has(event.pointerId)) {
      scene.hasCross = false;
      this.#point(event);
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
    this.view.canvas.classList.remove("dragging");
  }

  /**
   * A click opens the photograph; the first tap of a finger shows it, the second opens it.
   * @param {PointerEvent} event
   */
  #release(event) {
    this.#cancel(event);
    if (this.#distance >= CLICK || this.#fingers.size) return;
    const isTouch = event.pointerType === "touch";
    const { scene } = this.view;
    const index = this.view.nearest(placeOf(event), isTouch ? FINGER_REACH : REACH);
    if (!isTouch || index === scene.pointed) this.#open(index);
    scene.pointed = index;
    this.view.drawSoon();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    if (this.view.isEmpty) return;
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1);
    const exponent = -Math.max(-240, Math.min(240, pixels)) * (event.ctrlKey ? 0.01 : 0.0022);
    this.view.camera.zoomBy(Math.exp(exponent), ...placeOf(event));
    this.#point(event);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { view } = this;
    const { camera } = view;
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => camera.pan(STEP, 0),
      ArrowRight: () => camera.pan(-STEP, 0),
      ArrowUp: () => camera.pan(0, STEP),
      ArrowDown: () => camera.pan(0, -STEP),
      "+": () => camera.zoomBy(1.5),
      "=": () => camera.zoomBy(1.5),
      "-": () => camera.zoomBy(1 / 1.5),
      0: () => camera.reset(),
      Enter: () => this.#open(view.nearMiddle()),
    };
    const act = actions[event.key];
    if (!act || isShortcut(event) || view.isEmpty) return;
    event.preventDefault();
    view.scene.hasCross = true;
    act();
  }
}
