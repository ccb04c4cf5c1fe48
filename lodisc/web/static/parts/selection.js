// Which photographs of a view are selected, and the keys and clicks that select them.
import { closest, isShortcut, takesKeys } from "../lib/dom.js";
import { notifyError } from "../lib/notices.js";
import { similarPage } from "./addresses.js";

/** @import { WindowedGrid } from "./grid.js" */
/** @import { Listing } from "./listing.js" */

const FRAME = 160; // pixels of the window that a page of the grid does not fill

export class Selection {
  /**
   * @param {WindowedGrid} grid
   * @param {Listing} listing the photographs in the grid
   * @param {{
   *   onChange: () => void,
   *   onOpen: (id: string) => void,
   *   onEnlarge: (index: number) => void,
   * }} events
   */
  constructor(grid, listing, { onChange, onOpen, onEnlarge }) {
    this.grid = grid;
    this.listing = listing;
    this.onChange = onChange;
    this.onOpen = onOpen;
    this.onEnlarge = onEnlarge;
    /** @type {Map<string, string>} the suggested name by the id; empty where there is none */
    this.names = new Map();
    this.current = 0; // index of the tile that the keys act on
    this.anchor = 0; // index where a range starts
    grid.list.addEventListener("click", (event) => this.#click(event));
    grid.list.addEventListener("auxclick", (event) => this.#openApart(event));
    grid.list.addEventListener("keydown", (event) => this.#key(event));
    grid.list.addEventListener("focus", () => this.#focus());
    addEventListener("keydown", (event) => this.#windowKey(event));
  }

  /** The ids of the selected photographs. */
  get ids() {
    return [...this.names.keys()];
  }

  clear() {
    this.names.clear();
    this.#update();
  }

  all() {
    this.#add(0, this.listing.total);
  }

  /**
   * @param {number} from
   * @param {number} to without
   */
  async #add(from, to) {
    try {
      for (const { id, name } of await this.listing.photos(from, to)) {
        this.names.set(id, name ?? "");
      }
      this.#update();
    } catch (error) {
      notifyError(error);
    }
  }

  /** @param {number} index */
  #toggle(index) {
    this.#withPhoto(index, ({ id, name }) => {
      if (!this.names.delete(id)) this.names.set(id, name ?? "");
      this.#update();
    });
  }

  /**
   * Do something with the photograph at an index: that of the tile there, else it may have to be
   * fetched.
   * @param {number} index
   * @param {(photo: { id: string, name: string | null }) => void} act
   */
  async #withPhoto(index, act) {
    const { id, name = "" } = this.grid.tiles.get(index)?.dataset ?? {};
    if (id) return act({ id, name });
    try {
      const [photo] = await this.listing.photos(index, index + 1);
      if (photo) act(photo);
    } catch (error) {
      notifyError(error);
    }
  }

  /**
   * Select from the anchor to this index.
   * @param {number} index
   */
  #extendTo(index) {
    this.#add(Math.min(this.anchor, index), Math.max(this.anchor, index) + 1);
  }

  #update() {
    this.#markAll();
    this.onChange();
  }

  #markAll() {
    for (const tile of this.grid.tiles.values()) this.mark(tile);
  }

  /**
   * Show on a tile whether it is selected, and whether the keys act on it.
   * @param {HTMLElement} tile
   */
  mark(tile) {
    tile.setAttribute("aria-selected", String(this.names.has(tile.dataset.id ?? "")));
    tile.classList.toggle("current", Number(tile.dataset.index) === this.current);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const tile = closest(event, ".tile");
    if (!tile) return;
    const index = Number(tile.dataset.index);
    if (closest(event, ".enlarge")) {
      this.current = index;
      this.#point();
      return this.onEnlarge(index);
    }
    const hasModifier = event.shiftKey || event.ctrlKey || event.metaKey;
    const selects = closest(event, ".tick") || hasModifier || this.names.size > 0;
    this.current = index;
    if (!selects) return this.#withPhoto(index, ({ id }) => this.onOpen(id));
    if (event.shiftKey) this.#extendTo(index);
    else this.#toggle(index);
    this.anchor = index;
  }

  /** @param {MouseEvent} event of the middle button: the photograph opens in a tab of its own */
  #openApart(event) {
    const id = closest(event, ".tile")?.dataset.id;
    if (event.button === 1 && id) open(similarPage(id), "_blank", "noopener");
  }

  #focus() {
    const [first, last] = [this.grid.first(), this.grid.range()[1]];
    if (this.current < first || this.current >= last) this.current = first;
    this.#point();
  }

  #point() {
    this.grid.list.setAttribute("aria-activedescendant", `tile-${this.current}`);
    this.#markAll();
  }

  /** @param {KeyboardEvent} event */
  #windowKey(event) {
    if (takesKeys(event.target)) return;
    if (event.key === "Escape" && this.names.size) this.clear();
    if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.all();
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (isShortcut(event)) return;
    const step = this.#stepOf(event.key);
    if (step !== undefined) {
      const isRow = event.key === "ArrowUp" || event.key === "ArrowDown";
      this.#step(step, { isRow, extend: event.shiftKey });
    } else if (event.key === " ") {
      this.anchor = this.current;
      this.#toggle(this.current);
    } else if (event.key === "Enter") this.#withPhoto(this.current, ({ id }) => this.onOpen(id));
    else return;
    event.preventDefault();
  }

  /**
   * How far a key moves, in tiles.
   * @param {string} key
   * @returns {number | undefined}
   */
  #stepOf(key) {
    const { columns, rowHeight, total } = this.grid;
    const page = columns * Math.max(1, Math.floor((innerHeight - FRAME) / rowHeight));
    /** @type {Record<string, number>} */
    const steps = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: columns,
      ArrowUp: -columns,
      PageDown: page,
      PageUp: -page,
      Home: -total,
      End: total,
    };
    return steps[key];
  }

  /**
   * Go so many tiles on or back, at most to an end. A step to a row that does not exist is not
   * taken.
   * @param {number} by
   * @param {{ isRow: boolean, extend: boolean }} options
   */
  #step(by, { isRow, extend }) {
    const { total } = this.grid;
    const aim = this.current + by;
    if (isRow && (aim < 0 || aim >= total)) return;
    this.current = Math.max(0, Math.min(total - 1, aim));
    this.grid.show(this.current);
    if (extend) this.#extendTo(this.current);
    else this.anchor = this.current;
    this.#point();
  }
}
