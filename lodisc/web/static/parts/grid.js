// A grid of very many tiles, of which only those in sight are in the document.

const EXTRA_ROWS = 2; // above and below what is in sight
const FOOT = 84; // pixels at the foot of the window that notices may cover

/**
 * @typedef {object} TileMaker
 * @property {() => HTMLElement} make gives an empty tile
 * @property {(tile: HTMLElement, index: number) => void} fill gives a tile its content
 * @property {(tile: HTMLElement) => void} drop lets go of a tile
 * @property {(from: number, to: number) => void} onMove called with the indices in sight
 */

export class WindowedGrid {
  #waitsForFrame = false;

  /**
   * @param {HTMLElement} room as high as all rows; it holds the list
   * @param {HTMLElement} list the grid itself
   * @param {TileMaker} maker
   */
  constructor(room, list, maker) {
    this.room = room;
    this.list = list;
    this.maker = maker;
    this.total = 0;
    this.columns = 1;
    this.rowHeight = 0;
    /** @type {Map<number, HTMLElement>} */
    this.tiles = new Map();
    for (const [position, tile] of [...list.children].entries()) {
      if (tile instanceof HTMLElement) this.tiles.set(Number(tile.dataset.index ?? position), tile);
    }
    addEventListener("scroll", () => this.#updateSoon(), { passive: true });
    new ResizeObserver(() => this.resize()).observe(room);
  }

  #updateSoon() {
    if (this.#waitsForFrame) return;
    this.#waitsForFrame = true;
    requestAnimationFrame(() => {
      this.#waitsForFrame = false;
      this.update();
    });
  }

  /** Measure the height of a row and the number of columns; true where they have changed. */
  #measure() {
    const style = getComputedStyle(this.list);
    const columns = style.gridTemplateColumns.split(" ").length;
    const tile = this.list.firstElementChild;
    const rowHeight = tile ? tile.getBoundingClientRect().height + parseFloat(style.rowGap) : 0;
    const hasChanged = columns !== this.columns || Math.abs(rowHeight - this.rowHeight) > 0.01;
    Object.assign(this, { columns, rowHeight });
    return hasChanged;
  }

  /** Follow a change of the room or of the size of the tiles. */
  resize() {
    const first = this.first();
    if (this.#measure()) {
      this.#setHeight();
      if (first > 0) this.show(first, { atTop: true });
    }
    this.update();
  }

  /** @param {number} total */
  setTotal(total) {
    this.total = total;
    if (total && !this.list.firstElementChild) this.list.append(this.#tile(0));
    this.#measure();
    this.#setHeight();
    this.update();
  }

  #setHeight() {
    const height = Math.max(0, Math.ceil(this.total / this.columns) * this.rowHeight);
    this.room.style.height = `${height}px`;
  }

  #top() {
    return this.room.getBoundingClientRect().top;
  }

  /** The height of what covers the top of the window. */
  #head() {
    return parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
  }

  /** The index of the first tile in sight. */
  first() {
    if (!this.rowHeight) return 0;
    const row = Math.floor((this.#head() - this.#top()) / this.rowHeight + 0.5);
    return Math.max(0, Math.min(row * this.columns, this.total - 1));
  }

  /**
   * The indices in sight and a little more: from, to (without).
   * @returns {[from: number, to: number]}
   */
  range() {
    if (!this.rowHeight) return [0, Math.min(this.total, 1)];
    const above = Math.floor(-this.#top() / this.rowHeight) - EXTRA_ROWS;
    const below = Math.ceil((innerHeight - this.#top()) / this.rowHeight) + EXTRA_ROWS;
    const rows = Math.ceil(this.total / this.columns);
    const from = Math.max(0, Math.min(above, rows - 1)) * this.columns;
    return [from, Math.max(from, Math.min(this.total, below * this.columns))];
  }

  /** Put the tiles in sight into the document, and take the others out. */
  update() {
    const [from, to] = this.range();
    for (const [index, tile] of this.tiles) {
      if (index >= from && index < to) continue;
      this.maker.drop(tile);
      tile.remove();
      this.tiles.delete(index);
    }
    let next = this.list.firstElementChild;
    for (let index = from; index < to; index += 1) {
      const tile = this.tiles.get(index) ?? this.#tile(index);
      if (next && tile === next) next = next.nextElementSibling;
      else this.list.insertBefore(tile, next);
    }
    const offset = (from / this.columns) * this.rowHeight;
    this.list.style.transform = `translateY(${offset}px)`;
    this.maker.onMove(from, to);
  }

  /** @param {number} index */
  #tile(index) {
    const tile = this.maker.make();
    this.tiles.set(index, tile);
    tile.dataset.index = String(index);
    tile.id = `tile-${index}`;
    tile.setAttribute("aria-posinset", String(index + 1));
    tile.setAttribute("aria-setsize", String(this.total));
    this.maker.fill(tile, index);
    return tile;
  }

  /** Fill the tiles in the document again, those of these indices. */
  refill(from = 0, to = Infinity) {
    for (const [index, tile] of this.tiles) {
      if (index >= from && index < to) this.maker.fill(tile, index);
    }
  }

  /**
   * Scroll until the tile of this index is in sight, or at the top.
   * @param {number} index
   * @param {{ atTop?: boolean }} [options]
   */
  show(index, { atTop = false } = {}) {
    const top = Math.floor(index / this.columns) * this.rowHeight + this.#top();
    const above = top - this.#head();
    const below = top + this.rowHeight - (innerHeight - FOOT);
    if (atTop || above < 0) scrollBy(0, above);
    else if (below > 0) scrollBy(0, below);
    this.update();
  }
}
