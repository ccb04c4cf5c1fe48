// The photographs to label next, in their order: one is on the stage, others may be selected.
import { closest, find } from "../lib/dom.js";
import { blankTile, fillTile } from "./tile.js";

/** @import { Photo } from "../lib/models.js" */

const MOST_BEHIND = 100; // photographs before the one on the stage that stay in the queue
const AHEAD = 4; // and after it
const [LEFT_MARGIN, RIGHT_MARGIN] = [40, 130]; // pixels beside the current tile of the strip

export class Queue {
  /** Whether the server has proposed photographs. */
  #isLoaded = false;
  /** Whether the photograph on the stage was labelled just now, and no other is there to go on to. */
  isWaiting = false;

  /**
   * @param {HTMLElement} strip shows the queue
   * @param {() => void} onChange called whenever another photograph or selection stands
   */
  constructor(strip, onChange) {
    this.strip = strip;
    this.onChange = onChange;
    /** @type {Photo[]} */
    this.photos = [];
    this.position = 0;
    /** @type {Set<string>} ids */
    this.selection = new Set();
    strip.addEventListener("click", (event) => this.#click(event));
  }

  /** The photograph on the stage.
   * @returns {Photo | undefined}
   */
  get current() {
    return this.photos[this.position];
  }

  /** Whether nothing is left to label. */
  get isEmpty() {
    return this.#isLoaded && !this.current;
  }

  /** How many photographs without a label come after the one on the stage. */
  get unlabelledAhead() {
    return this.photos.slice(this.position + 1).filter(({ label }) => label === null).length;
  }

  /** What a label would go to: the selected photographs, else the one on the stage. */
  get targets() {
    if (this.selection.size) return this.photos.filter(({ id }) => this.selection.has(id));
    return this.current ? [this.current] : [];
  }

  /** The photographs that stay in the queue: those around the one on the stage. */
  get neighbourhood() {
    return this.photos.slice(Math.max(0, this.position - MOST_BEHIND), this.position + AHEAD + 1);
  }

  /** The next two photographs, which a page may load ahead. */
  get upcoming() {
    return this.photos.slice(this.position + 1, this.position + 3);
  }

  /**
   * Put new proposals behind the photographs that stay. The label of a `fresh` photograph is the
   * server's; one that has lost its label comes next. What is suggested for the photograph on the
   * stage stays, as a finger may be on its way to a digit.
   * @param {Photo[]} proposals
   * @param {Photo[]} [fresh]
   */
  update(proposals, fresh = []) {
    this.#isLoaded = true;
    const { current } = this;
    const freshById = byId(fresh);
    const unlabelled = this.neighbourhood.filter(
      (photo) =>
        photo !== current && photo.label !== null && freshById.get(photo.id)?.label === null,
    );
    const photos = this.neighbourhood.filter((photo) => !unlabelled.includes(photo));
    this.position = current ? Math.max(0, photos.indexOf(current)) : 0;
    photos.splice(this.position + 1, 0, ...unlabelled);
    const ids = new Set(photos.map(({ id }) => id));
    /** @param {Photo[]} candidates */
    const append = (candidates) => {
      const added = candidates.filter(({ id }) => !ids.has(id));
      for (const { id } of added) ids.add(id);
      photos.push(...added);
    };
    append(this.photos.filter(({ id }) => this.selection.has(id)));
    append(proposals);
    const proposalById = byId(proposals);
    this.photos = photos.map((photo) => {
      const proposal = photo.label === null ? proposalById.get(photo.id) : undefined;
      const newest = freshById.get(photo.id) ?? proposal ?? photo;
      return photo === current ? { ...newest, suggestions: photo.suggestions } : newest;
    });
    if (this.isWaiting) this.#goOn();
    this.draw();
  }

  /**
   * Give photographs a label, and go on to the next that has none.
   * @param {Photo[]} photos
   * @param {string | null} label
   */
  setLabel(photos, label) {
    for (const photo of photos) photo.label = label;
    this.selection.clear();
    this.#goOn();
    this.draw();
  }

  /** Go on to the next photograph without a label, or wait for one. */
  #goOn() {
    const next = this.photos.findIndex(
      (photo, index) => index > this.position && photo.label === null,
    );
    const isLabelled = this.current !== undefined && this.current.label !== null;
    this.isWaiting = next < 0 && isLabelled;
    if (next >= 0 && isLabelled) this.position = next;
  }

  /**
   * Go so many photographs on or back; with `extend` both ends of the step are selected.
   * @param {number} by
   * @param {{ extend?: boolean }} [options]
   */
  step(by, { extend = false } = {}) {
    if (extend && this.current) this.selection.add(this.current.id);
    this.isWaiting = false;
    this.position = Math.max(0, Math.min(this.photos.length - 1, this.position + by));
    if (extend && this.current) this.selection.add(this.current.id);
    this.draw();
  }

  toggle(index = this.position) {
    this.isWaiting = false;
    const id = this.photos[index]?.id;
    if (id && !this.selection.delete(id)) this.selection.add(id);
    this.draw();
  }

  clearSelection() {
    this.selection.clear();
    this.draw();
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const tile = closest(event, ".tile");
    if (!tile || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const index = this.photos.findIndex((photo) => photo.id === tile.dataset.id);
    if (event.shiftKey) {
      const [first, last] = [Math.min(this.position, index), Math.max(this.position, index)];
      for (const { id } of this.photos.slice(first, last + 1)) this.selection.add(id);
    } else if (closest(event, ".tick")) {
      return this.toggle(index);
    }
    this.isWaiting = false;
    this.position = index;
    this.draw();
  }

  draw() {
    const { strip } = this;
    /** @type {Map<string | null, Element>} */
    const former = new Map([...strip.children].map((tile) => [tile.getAttribute("data-id"), tile]));
    const tiles = this.photos.map((photo, index) => {
      const tile = /** @type {HTMLElement} */ (former.get(photo.id) ?? blankTile());
      fillTile(tile, photo);
      tile.id = `queue-${photo.id}`;
      tile.setAttribute("aria-selected", String(this.selection.has(photo.id)));
      tile.classList.toggle("current", index === this.position);
      find("img", HTMLImageElement, tile).loading = "lazy";
      return tile;
    });
    const isSame = tiles.length === strip.children.length;
    if (!isSame || tiles.some((tile, index) => strip.children[index] !== tile)) {
      strip.replaceChildren(...tiles);
    }
    strip.classList.toggle("selecting", this.selection.size > 0);
    this.#scrollTo(tiles.at(this.position));
    this.onChange();
  }

  /** @param {HTMLElement | undefined} tile the current one */
  #scrollTo(tile) {
    if (!tile) return;
    const { strip } = this;
    strip.setAttribute("aria-activedescendant", tile.id);
    const left = tile.offsetLeft - strip.offsetLeft - LEFT_MARGIN;
    const right = tile.offsetLeft - strip.offsetLeft + tile.offsetWidth + RIGHT_MARGIN;
    if (left < strip.scrollLeft) strip.scrollLeft = left;
    else if (right > strip.scrollLeft + strip.clientWidth)
      strip.scrollLeft = right - strip.clientWidth;
  }
}

/** @param {Photo[]} photos */
const byId = (photos) => new Map(photos.map((photo) => [photo.id, photo]));
