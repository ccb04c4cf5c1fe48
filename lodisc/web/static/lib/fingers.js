// The fingers on an element, or the mouse that is pressed on it: how far they move and spread.

/**
 * Since the last event, in pixels; x and y are the middle of the fingers in the element.
 * @typedef {{ x: number, y: number, dx: number, dy: number, factor: number }} Motion
 */

export class Fingers {
  /** @type {Map<number, [x: number, y: number]>} by the id of the pointer */
  #places = new Map();
  /** How far they have moved since the first came down, in pixels. */
  distance = 0;
  /** How many were down at once since then. */
  most = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  get count() {
    return this.#places.size;
  }

  /**
   * @param {PointerEvent} event
   * @returns {[x: number, y: number]} in the element
   */
  placeOf(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** @param {PointerEvent} event */
  press(event) {
    this.element.setPointerCapture(event.pointerId);
    if (this.count === 0) [this.distance, this.most] = [0, 0];
    this.#places.set(event.pointerId, this.placeOf(event));
    this.most = Math.max(this.most, this.count);
  }

  /**
   * How they have moved; null for a pointer that is not down.
   * @param {PointerEvent} event
   * @returns {Motion | null}
   */
  move(event) {
    if (!this.#places.has(event.pointerId)) return null;
    const before = this.#grip();
    this.#places.set(event.pointerId, this.placeOf(event));
    const { x, y, spread } = this.#grip();
    const [dx, dy] = [x - before.x, y - before.y];
    this.distance += Math.hypot(dx, dy) + Math.abs(spread - before.spread);
    return { x, y, dx, dy, factor: spread && before.spread ? spread / before.spread : 1 };
  }

  /** @param {PointerEvent} event */
  release(event) {
    this.#places.delete(event.pointerId);
  }

  /** Take all off the element: what follows is no click. */
  lift() {
    this.#places.clear();
    this.distance = Infinity;
  }

  /** The middle of the fingers, and how far the first two are apart. */
  #grip() {
    const places = [...this.#places.values()];
    const x = places.reduce((sum, place) => sum + place[0], 0) / places.length;
    const y = places.reduce((sum, place) => sum + place[1], 0) / places.length;
    const [first, second = first] = places;
    return { x, y, spread: Math.hypot(first[0] - second[0], first[1] - second[1]) };
  }
}
