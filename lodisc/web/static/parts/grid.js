// A grid of very many tiles of which only those in sight are in the document.

const MORE_ROWS = 2;

export class WindowedGrid {
  /** `room` holds `list`, the grid itself; `make()` gives an empty tile, `fill(tile, index)` its content, `drop(tile)` lets go of it. */
  constructor(room, list, { make, fill, drop, moved }) {
    Object.assign(this, {
      room,
      list,
      make,
      fill,
      drop,
      moved,
      total: 0,
      columns: 1,
      rowHeight: 0,
    });
    this.tiles = new Map(
      [...list.children].map((tile, index) => [Number(tile.dataset.index ?? index), tile]),
    );
    this.waits = false;
    addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.resized()).observe(room);
  }

  soon() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.update();
    });
  }

  /** Take the height of a row and the number of columns from the style sheet; true when they have changed. */
  measure() {
    const style = getComputedStyle(this.list);
    const columns = style.gridTemplateColumns.split(" ").length;
    const tile = this.list.firstElementChild;
    const rowHeight = tile ? tile.getBoundingClientRect().height + parseFloat(style.rowGap) : 0;
    const changed = columns !== this.columns || Math.abs(rowHeight - this.rowHeight) > 0.01;
    Object.assign(this, { columns, rowHeight });
    return changed;
  }

  resized() {
    const top = this.first();
    if (this.measure()) {
      this.place();
      if (top > 0) this.show(top, { atTop: true });
    }
    this.update();
  }

  setTotal(total) {
    this.total = total;
    if (total && !this.list.firstElementChild) this.list.append(this.#tile(0));
    this.measure();
    this.place();
    this.update();
  }

  place() {
    const height = Math.max(0, Math.ceil(this.total / this.columns) * this.rowHeight);
    this.room.style.height = `${height}px`;
  }

  #top = () => this.room.getBoundingClientRect().top;
  #head = () => parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;

  /** The index of the first tile in sight. */
  first() {
    if (!this.rowHeight) return 0;
    const row = Math.floor((this.#head() - this.#top()) / this.rowHeight + 0.5);
    return Math.max(0, Math.min(row * this.columns, this.total - 1));
  }

  /** The indices in sight and a little more: from, to (without). */
  range() {
    if (!this.rowHeight) return [0, Math.min(this.total, 1)];
    const above = Math.floor(-this.#top() / this.rowHeight) - MORE_ROWS;
    const below = Math.ceil((innerHeight - this.#top()) / this.rowHeight) + MORE_ROWS;
    const rows = Math.ceil(this.total / this.columns);
    const from = Math.max(0, Math.min(above, rows - 1)) * this.columns;
    return [from, Math.max(from, Math.min(this.total, below * this.columns))];
  }

  update() {
    const [from, to] = this.range();
    for (const [index, tile] of this.tiles) {
      if (index >= from && index < to) continue;
      this.drop(tile);
      tile.remove();
      this.tiles.delete(index);
    }
    let next = this.list.firstElementChild;
    for (let index = from; index < to; index += 1) {
      const tile = this.tiles.get(index) ?? this.#tile(index);
      if (tile === next) next = next.nextElementSibling;
      else this.list.insertBefore(tile, next);
    }
    this.list.style.transform = `translateY(${(from / this.columns) * this.rowHeight}px)`;
    this.moved(from, to);
  }

  #tile(index) {
    const tile = this.make();
    this.tiles.set(index, tile);
    tile.dataset.index = index;
    tile.id = `tile-${index}`;
    tile.setAttribute("aria-posinset", index + 1);
    tile.setAttribute("aria-setsize", this.total);
    this.fill(tile, index);
    return tile;
  }

  /** Fill the tiles in the document again, those of these indices. */
  refill(from = 0, to = Infinity) {
    for (const [index, tile] of this.tiles) if (index >= from && index < to) this.fill(tile, index);
  }

  /** Scroll until the tile of this index is in sight, or at the top. */
  show(index, { atTop = false } = {}) {
    const row = Math.floor(index / this.columns) * this.rowHeight + this.#top();
    const over = row - this.#head();
    const under = row + this.rowHeight - (innerHeight - 84);
    if (atTop || over < 0) scrollBy(0, over);
    else if (under > 0) scrollBy(0, under);
    this.update();
  }
}
