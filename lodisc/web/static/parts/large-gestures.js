// Fingers, mouse and wheel on a photograph as large as the window: pinch or double tap to zoom,
// drag to move it, swipe for the next one.
import { Fingers } from "../lib/fingers.js";

const TAP = 8; // pixels that a tap may move
const PAUSE = 400; // milliseconds between the taps of two
const SWIPE = 60; // pixels

/**
 * What the gestures do. Places are in pixels from the middle.
 * @typedef {object} Actions
 * @property {() => boolean} isZoomed
 * @property {(dx: number, dy: number) => void} pan
 * @property {(factor: number, x: number, y: number) => void} zoomBy
 * @property {(x: number, y: number) => void} toggleZoom
 * @property {(dx: number) => void} setAside shows the photograph so far from its place
 * @property {(by: number) => void} go
 */

export class LargeGestures {
  #aside = 0; // pixels that a finger has moved the photograph from its place
  #tap = { time: -Infinity, x: 0, y: 0 };

  /**
   * @param {HTMLElement} stage
   * @param {Actions} actions
   */
  constructor(stage, actions) {
    this.stage = stage;
    this.actions = actions;
    this.fingers = new Fingers(stage);
    stage.addEventListener("pointerdown", (event) => event.button === 0 && this.#press(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#release(event));
    stage.addEventListener("pointercancel", (event) => this.#cancel(event));
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /**
   * @param {number} x
   * @param {number} y
   * @returns {[x: number, y: number]} from the middle
   */
  #fromMiddle(x, y) {
    return [x - this.stage.clientWidth / 2, y - this.stage.clientHeight / 2];
  }

  /** @param {number} aside */
  #setAside(aside) {
    this.#aside = aside;
    this.actions.setAside(aside);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    this.fingers.press(event);
    this.#setAside(0);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const motion = this.fingers.move(event);
    if (!motion || this.fingers.distance < TAP) return;
    const { x, y, dx, dy, factor } = motion;
    if (this.actions.isZoomed() || this.fingers.most > 1) {
      this.actions.zoomBy(factor, ...this.#fromMiddle(x, y));
      this.actions.pan(dx, dy);
    } else if (event.pointerType !== "mouse") this.#setAside(this.#aside + dx);
  }

  /** @param {PointerEvent} event */
  #release(event) {
    const aside = this.#aside;
    const isTap = this.fingers.most === 1 && this.fingers.distance < TAP;
    this.#cancel(event);
    if (isTap && event.button === 0) this.#tapAt(event);
    else if (Math.abs(aside) >= SWIPE) this.actions.go(aside < 0 ? 1 : -1);
  }

  /** @param {PointerEvent} event */
  #cancel(event) {
    this.fingers.release(event);
    this.#setAside(0);
  }

  /** @param {PointerEvent} event */
  #tapAt(event) {
    const [x, y] = this.fingers.placeOf(event);
    const former = this.#tap;
    const isSecond =
      event.timeStamp - former.time < PAUSE && Math.hypot(x - former.x, y - former.y) < 4 * TAP;
    this.#tap = { time: isSecond ? -Infinity : event.timeStamp, x, y };
    if (isSecond) this.actions.toggleZoom(...this.#fromMiddle(x, y));
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const { left, top } = this.stage.getBoundingClientRect();
    const place = this.#fromMiddle(event.clientX - left, event.clientY - top);
    this.actions.zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...place);
  }
}
