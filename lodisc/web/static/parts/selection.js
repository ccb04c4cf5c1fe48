// Which photographs of a view are selected, and the keys and clicks that select them.
import { typing } from "../lib/dom.js";
import { complain } from "../lib/notices.js";

export class Selection {
  /** `grid` is a WindowedGrid over `photographs`; `changed()` is told of every change, `open(id)` of Enter. */
  constructor(grid, photographs, { changed, open }) {
    Object.assign(this, {
      grid,
      photographs,
      changed,
      open,
      ids: new Set(),
      current: 0,
      anchor: 0,
    });
    grid.list.addEventListener("click", (event) => this.#click(event));
    grid.list.addEventListener("keydown", (event) => this.#key(event));
    grid.list.addEventListener("focus", () => this.#focused());
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.ids.size && !typing(event.target)) this.clear();
      if (
        event.key.toLowerCase() === "a" &&
        (event.ctrlKey || event.metaKey) &&
        !typing(event.target)
      ) {
        event.preventDefault();
        this.all();
      }
    });
  }

  clear() {
    this.ids.clear();
    this.#tell();
  }

  all() {
    this.#add(0, this.photographs.total);
  }

  async #add(from, to) {
    try {
      for (const id of await this.photographs.ids(from, to)) this.ids.add(id);
      this.#tell();
    } catch (error) {
      complain(error);
    }
  }

  #toggle(index) {
    this.#withId(index, (id) => {
      if (!this.ids.delete(id)) this.ids.add(id);
      this.#tell();
    });
  }

  /** Do something with the id at an index: of the tile that is seen there, else of the photograph, which may have to be fetched. */
  async #withId(index, act) {
    const seen = this.grid.tiles.get(index)?.dataset.id;
    if (seen) return act(seen);
    try {
      const [id] = await this.photographs.ids(index, index + 1);
      if (id) act(id);
    } catch (error) {
      complain(error);
    }
  }

  #reach(index) {
    this.#add(Math.min(this.anchor, index), Math.max(this.anchor, index) + 1);
  }

  #tell() {
    for (const tile of this.grid.tiles.values()) this.mark(tile);
    this.changed();
  }

  mark(tile) {
    tile.setAttribute("aria-selected", this.ids.has(tile.dataset.id));
    tile.classList.toggle("current", Number(tile.dataset.index) === this.current);
  }

  #click(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const index = Number(tile.dataset.index);
    const selects =
      event.target.closest(".tick") ||
      event.shiftKey ||
      event.ctrlKey ||
      event.metaKey ||
      this.ids.size > 0;
    if (!selects || event.button !== 0) return;
    event.preventDefault();
    this.current = index;
    if (event.shiftKey) this.#reach(index);
    else this.#toggle(index);
    this.anchor = index;
  }

  #focused() {
    const [first, last] = [this.grid.first(), this.grid.range()[1]];
    if (this.current < first || this.current >= last) this.current = first;
    this.#point();
  }

  #point() {
    this.grid.list.setAttribute("aria-activedescendant", `tile-${this.current}`);
    for (const tile of this.grid.tiles.values()) this.mark(tile);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { columns, total } = this.grid;
    const page = columns * Math.max(1, Math.floor((innerHeight - 160) / this.grid.rowHeight));
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
    if (event.key in steps) {
      event.preventDefault();
      this.#step(steps[event.key], event.shiftKey);
    } else if (event.key === " ") {
      event.preventDefault();
      this.anchor = this.current;
      this.#toggle(this.current);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#withId(this.current, this.open);
    }
  }

  #step(by, extend) {
    const { columns, total } = this.grid;
    const aim = this.current + by;
    const jumps = Math.abs(by) > columns || Math.abs(by) === 1;
    if (!jumps && (aim < 0 || aim >= total)) return;
    this.current = Math.max(0, Math.min(total - 1, aim));
    this.grid.show(this.current);
    if (extend) this.#reach(this.current);
    else this.anchor = this.current;
    this.#point();
  }
}
