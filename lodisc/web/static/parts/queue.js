// What is to be labelled next: the photographs in their order, the one on the stage, and those selected with it.
import { find } from "../lib/dom.js";
import { blankTile, fillTile, watchTiles } from "./tile.js";

const AHEAD = 4;
const MOST_BEHIND = 60;

export class Queue {
  /** `strip` shows the queue; `changed()` is told whenever another photograph or selection stands. */
  constructor(strip, changed) {
    Object.assign(this, { strip, changed, photos: [], at: 0, selected: new Set(), asked: false });
    watchTiles(strip);
    strip.addEventListener("click", (event) => this.#click(event));
  }

  get current() {
    return this.photos[this.at];
  }

  /** Whether the server has said that nothing is left to label. */
  get empty() {
    return this.asked && !this.current;
  }

  /** What a label would go to: the selected photographs, else the one on the stage. */
  get targets() {
    return this.selected.size
      ? this.photos.filter((photo) => this.selected.has(photo.id))
      : this.current
        ? [this.current]
        : [];
  }

  /** What has been seen, the one on the stage and the next few: these stay in the queue. */
  get held() {
    return this.photos.slice(Math.max(0, this.at - MOST_BEHIND), this.at + AHEAD + 1);
  }

  /** Put fresh proposals behind those that are held; of `known` photographs the label is the server's, and what has lost its own comes next. */
  propose(proposals, known = []) {
    this.asked = true;
    const stage = this.current;
    const now = new Map(known.map((photo) => [photo.id, photo]));
    const lost = this.held.filter(
      (photo) => photo !== stage && photo.label !== null && now.get(photo.id)?.label === null,
    );
    const kept = this.held.filter((photo) => !lost.includes(photo));
    this.at = Math.max(0, kept.indexOf(stage));
    kept.splice(this.at + 1, 0, ...lost);
    const here = new Set(kept.map((photo) => photo.id));
    const selected = this.photos.filter(
      (photo) => this.selected.has(photo.id) && !here.has(photo.id),
    );
    for (const photo of selected) here.add(photo.id);
    this.photos = [...kept, ...selected, ...proposals.filter((photo) => !here.has(photo.id))];
    const fresh = new Map(proposals.map((photo) => [photo.id, photo]));
    this.photos = this.photos.map(
      (photo) => now.get(photo.id) ?? ((photo.label === null && fresh.get(photo.id)) || photo),
    );
    this.draw();
  }

  /** These photographs have this label now; go on to the next that has none. */
  labelled(targets, label) {
    for (const photo of targets) photo.label = label;
    this.selected.clear();
    const next = this.photos.findIndex((photo, index) => index > this.at && photo.label === null);
    if (next >= 0) this.at = next;
    this.draw();
  }

  step(by, { extend = false } = {}) {
    if (extend && this.current) this.selected.add(this.current.id);
    this.at = Math.max(0, Math.min(this.photos.length - 1, this.at + by));
    if (extend && this.current) this.selected.add(this.current.id);
    this.draw();
  }

  toggle(index = this.at) {
    const id = this.photos[index]?.id;
    if (id && !this.selected.delete(id)) this.selected.add(id);
    this.draw();
  }

  clear() {
    this.selected.clear();
    this.draw();
  }

  #click(event) {
    const tile = event.target.closest(".tile");
    if (!tile || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const index = this.photos.findIndex((photo) => photo.id === tile.dataset.id);
    if (event.shiftKey) {
      for (let one = Math.min(this.at, index); one <= Math.max(this.at, index); one += 1)
        this.selected.add(this.photos[one].id);
    } else if (event.target.closest(".tick")) {
      return this.toggle(index);
    }
    this.at = index;
    this.draw();
  }

  draw() {
    const old = new Map([...this.strip.children].map((tile) => [tile.dataset.id, tile]));
    const tiles = this.photos.map((photo, index) => {
      const tile = old.get(photo.id) ?? blankTile();
      fillTile(tile, photo);
      tile.id = `queue-${photo.id}`;
      tile.setAttribute("aria-selected", this.selected.has(photo.id));
      tile.classList.toggle("current", index === this.at);
      find("img", tile).loading = "lazy";
      return tile;
    });
    if (
      tiles.some((tile, index) => this.strip.children[index] !== tile) ||
      tiles.length !== this.strip.children.length
    )
      this.strip.replaceChildren(...tiles);
    this.strip.classList.toggle("selecting", this.selected.size > 0);
    const current = tiles[this.at];
    if (current) {
      this.strip.setAttribute("aria-activedescendant", current.id);
      const [left, right] = [
        current.offsetLeft - this.strip.offsetLeft,
        current.offsetLeft - this.strip.offsetLeft + current.offsetWidth,
      ];
      if (left < this.strip.scrollLeft + 40) this.strip.scrollLeft = left - 40;
      else if (right > this.strip.scrollLeft + this.strip.clientWidth - 130)
        this.strip.scrollLeft = right - this.strip.clientWidth + 130;
    }
    this.changed();
  }
}
