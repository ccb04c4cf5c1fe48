// Pointers, fingers, wheel and keys that move a map, and open and select its photographs.
import { isShortcut } from "../lib/dom.js";
import { Fingers } from "../lib/fingers.js";
import { Lasso } from "./lasso.js";

/** @import { MapSelection } from "./map-selection.js" */
/** @import { MapView } from "./map-view.js" */

const REACH = 16; // pixels around a pointer in which a point counts as meant
const FINGER_REACH = 26;
const CLICK = 5; // pixels that a click may move
const STEP = 70; // pixels that an arrow key moves
const LINE = 24; // pixels

/** @param {MouseEvent} event */
const placeOf = (event) => /** @type {[x: number, y: number]} */ ([event.offsetX, event.offsetY]);

export class MapGestures {
  #lasso = new Lasso();

  /**
   * @param {MapView} view
   * @param {MapSelection} selection
   * @param {(index: number) => void} onOpen called with the point of a photograph
   */
  constructor(view, selection, onOpen) {
    this.view = view;
    this.selection = selection;
    this.onOpen = onOpen;
    const { canvas, scene } = view;
    this.fingers = new Fingers(canvas);
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#release(event));
    canvas.addEventListener("pointercancel", (event) => this.#cancel(event));
    canvas.addEventListener("pointerleave", () => {
      if (this.fingers.count === 0 && !scene.hasCross) this.#unpoint();
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
    const { scene } = this.view;
    const index = this.view.nearest(placeOf(event), REACH);
    if (index === scene.pointed && !scene.hasCross) return;
    Object.assign(scene, { pointed: index, hasCross: false });
    this.view.drawSoon();
  }

  /** @param {number | null} index */
  #open(index) {
    if (index !== null) this.onOpen(index);
  }

  /** @param {number | null} index */
  #toggle(index) {
    if (index !== null) this.selection.toggle(index);
  }

  #unpoint() {
    this.view.scene.pointed = null;
    this.view.drawSoon();
  }

  /** End the drag that draws a lasso, without a selection; false where there is none. */
  dropLasso() {
    if (this.#lasso.end().length === 0) return false;
    this.fingers.lift();
    return true;
  }

  /** @param {PointerEvent} event */
  #press(event) {
    this.fingers.press(event);
    if (this.fingers.count > 1) return this.#lasso.end();
    const draws = event.button === 0 && (this.selection.isActive || event.shiftKey);
    if (draws) this.#lasso.begin(placeOf(event), { takesAway: event.altKey });
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { canvas, camera, scene } = this.view;
    if (this.view.isEmpty) return;
    const motion = this.fingers.move(event);
    if (!motion) {
      this.#point(event);
      canvas.classList.toggle("pointing", scene.pointed !== null);
      return;
    }
    if (this.fingers.distance < CLICK) return;
    if (this.#lasso.isOpen) return this.#drawTo(placeOf(event));
    canvas.classList.add("dragging");
    if (event.pointerType !== "touch") scene.pointed = null;
    camera.pan(motion.dx, motion.dy);
    if (motion.factor !== 1) camera.zoomBy(motion.factor, motion.x, motion.y);
  }

  /** @param {[x: number, y: number]} place */
  #drawTo(place) {
    const { scene } = this.view;
    scene.hasCross = false;
    if (scene.pointed !== null) this.#unpoint();
    this.#lasso.extend(place);
  }

  /** @param {PointerEvent} event */
  #cancel(event) {
    this.#lasso.end();
    this.fingers.release(event);
    this.view.canvas.classList.remove("dragging");
  }

  /**
   * A lasso selects what it goes around. A click selects or opens the photograph; the first tap of
   * a finger shows it, the second opens it.
   * @param {PointerEvent} event
   */
  #release(event) {
    const { takesAway } = this.#lasso;
    const corners = this.#lasso.end();
    this.#cancel(event);
    const isClick = this.fingers.distance < CLICK;
    if (!isClick && corners.length) this.selection.surround(corners, { takesAway });
    if (!isClick || this.fingers.count) return;
    const isTouch = event.pointerType === "touch";
    const { scene } = this.view;
    const index = this.view.nearest(placeOf(event), isTouch ? FINGER_REACH : REACH);
    if (this.selection.takesClicks || event.shiftKey) this.#toggle(index);
    else if (!isTouch || index === scene.pointed) this.#open(index);
    scene.pointed = index;
    this.view.drawSoon();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    if (this.view.isEmpty || this.#lasso.isOpen) return;
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1);
    const exponent = -Math.max(-240, Math.min(240, pixels)) * (event.ctrlKey ? 0.01 : 0.0022);
    this.view.camera.zoomBy(Math.exp(exponent), ...placeOf(event));
    this.#point(event);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { view, selection } = this;
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
      " ": () => this.#toggle(view.nearMiddle()),
      s: () => selection.activate(!selection.isActive),
    };
    const act = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || isShortcut(event) || view.isEmpty) return;
    event.preventDefault();
    if (this.#lasso.isOpen) return;
    view.scene.hasCross = true;
    act();
  }
}
