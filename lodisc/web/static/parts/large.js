// One photograph as large as the window: zoom, the one before and the next one, its label.
import { get } from "../lib/api.js";
import { el, isShortcut } from "../lib/dom.js";
import { notifyError } from "../lib/notices.js";
import { oneLine } from "../lib/text.js";
import { photoOf, pictureOf, similarPage } from "./addresses.js";
import { labelField } from "./label-field.js";
import { label } from "./labelling.js";
import { LargeGestures } from "./large-gestures.js";

const MOST_ZOOM = 8;
const STEP = 1.5; // of the zoom, for a key or a double tap twice

/**
 * What the view goes through.
 * @typedef {object} Source
 * @property {() => number} total
 * @property {(index: number) => Promise<{ id: string } | undefined>} at
 */

export class LargeView {
  #index = 0;
  #id = "";
  #zoom = 1;
  #shift = { x: 0, y: 0 }; // pixels from the middle
  #aside = 0; // pixels by which a finger swipes it

  /** @param {Source} source */
  constructor(source) {
    this.source = source;
    this.image = el("img", { alt: "", draggable: "false" });
    this.stage = el("div", { class: "large-stage" }, this.image);
    this.title = el("b", { class: "key", id: "large-title" });
    this.facts = el("span", { class: "quiet key" });
    this.link = el("a", { class: "button" }, "Look-alikes");
    this.form = el(
      "form",
      { autocomplete: "off" },
      el("input", { type: "text", maxlength: 400, spellcheck: "false", "aria-label": "Label" }),
      el("button", { class: "main" }, "Label"),
    );
    const button = (
      /** @type {string} */ text,
      /** @type {string} */ name,
      /** @type {any} */ act,
    ) => el("button", { type: "button", "aria-label": name, title: name, click: act }, text);
    this.dialog = el(
      "dialog",
      { id: "large", "aria-labelledby": "large-title" },
      this.stage,
      el(
        "div",
        { class: "large-bar" },
        button("←", "Previous photograph", () => this.#go(-1)),
        button("→", "Next photograph", () => this.#go(1)),
        button("−", "Zoom out", () => this.#zoomBy(1 / STEP)),
        button("+", "Zoom in", () => this.#zoomBy(STEP)),
        el("div", { class: "large-about", "aria-live": "polite" }, this.title, this.facts),
        this.form,
        this.link,
        button("Close", "Close", () => this.dialog.close()),
      ),
    );
    document.body.append(this.dialog);
    this.#bind();
  }

  /** @param {number} index */
  async open(index) {
    if (!this.dialog.open) this.dialog.showModal();
    this.#index = index;
    this.#zoom = 1;
    this.#shift = { x: 0, y: 0 };
    this.#place();
    this.#clear();
    try {
      const photo = await this.source.at(index);
      if (!photo || index !== this.#index) return;
      this.#id = photo.id;
      this.image.src = pictureOf(photo.id);
      this.link.href = similarPage(photo.id);
      await Promise.all([this.#describe(), this.image.decode().catch(() => {})]);
      // What is labelled is what can be seen; an upload is not in the collection
      if (photo.id === this.#id) this.form.hidden = photo.id.startsWith("upload-");
    } catch (error) {
      notifyError(error);
    }
  }

  /** Nothing of another photograph stays while this one comes. */
  #clear() {
    this.#id = "";
    this.image.removeAttribute("src");
    this.image.alt = "";
    this.title.textContent = "…";
    this.facts.textContent = "";
    this.form.hidden = true;
  }

  async #describe() {
    const id = this.#id;
    const photo = await get(photoOf(id));
    if (id !== this.#id) return;
    this.image.alt = photo.key;
    this.title.textContent = oneLine(photo.label ?? photo.title);
    const size = photo.width ? `${photo.width} × ${photo.height}` : "";
    const taken = photo.taken ? `taken ${photo.taken.slice(0, 16).replace("T", " ")}` : "";
    const day = photo.modified ? `changed ${photo.modified.slice(0, 10)}` : "";
    const place = photo.trouble ? `can't be read: ${photo.trouble}` : "";
    const origin = photo.origin ? `label: ${photo.origin.text}` : "";
    const group = photo.group === null ? "" : `group ${photo.group}`;
    const facts = [photo.key, size, taken, day, group, origin, place];
    this.facts.textContent = facts.filter(Boolean).map(oneLine).join(" · ");
    this.facts.title = photo.path ?? "";
    const guess = photo.name && photo.label === null ? `${photo.name}?` : "Label…";
    this.form.querySelector("input")?.setAttribute("placeholder", photo.label ?? guess);
  }

  /**
   * Where the photograph has left the list meanwhile, the next one is in its place.
   * @param {number} by
   */
  async #go(by) {
    const here = this.#id && (await this.source.at(this.#index).catch(() => undefined));
    const isGone = by > 0 && here && here.id !== this.#id;
    const index = this.#index + (isGone ? 0 : by);
    if (index >= 0 && index < this.source.total()) this.open(index);
  }

  /**
   * Zoom; what is at this place, in pixels from the middle, stays there.
   * @param {number} factor
   * @param {number} [x]
   * @param {number} [y]
   */
  #zoomBy(factor, x = 0, y = 0) {
    const zoom = Math.max(1, Math.min(MOST_ZOOM, this.#zoom * factor));
    const ratio = zoom / this.#zoom;
    this.#zoom = zoom;
    this.#shift = { x: x + (this.#shift.x - x) * ratio, y: y + (this.#shift.y - y) * ratio };
    this.#place();
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  #pan(dx, dy) {
    this.#shift = { x: this.#shift.x + dx, y: this.#shift.y + dy };
    this.#place();
  }

  #place() {
    const most = { x: (this.stage.clientWidth / 2) * (this.#zoom - 1), y: 0 };
    most.y = (this.stage.clientHeight / 2) * (this.#zoom - 1);
    const x = Math.max(-most.x, Math.min(most.x, this.#shift.x));
    const y = Math.max(-most.y, Math.min(most.y, this.#shift.y));
    this.#shift = { x, y };
    this.image.style.transform = `translate(${x + this.#aside}px, ${y}px) scale(${this.#zoom})`;
    this.stage.classList.toggle("zoomed", this.#zoom > 1);
  }

  #bind() {
    labelField(
      this.form,
      async (name) => {
        if (await label(name, { ids: [this.#id] }, { count: 1, quietly: true })) {
          await this.#describe().catch(notifyError);
        }
      },
      "large",
    );
    new LargeGestures(this.stage, {
      isZoomed: () => this.#zoom > 1,
      pan: (dx, dy) => this.#pan(dx, dy),
      zoomBy: (factor, x, y) => this.#zoomBy(factor, x, y),
      toggleZoom: (x, y) => this.#zoomBy(this.#zoom > 1 ? 1 / MOST_ZOOM : STEP * STEP, x, y),
      setAside: (dx) => {
        this.#aside = dx;
        this.#place();
      },
      go: (by) => this.#go(by),
    });
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target instanceof HTMLInputElement || isShortcut(event)) return;
    if (event.key === "ArrowRight") this.#go(1);
    else if (event.key === "ArrowLeft") this.#go(-1);
    else if (event.key === "+") this.#zoomBy(STEP);
    else if (event.key === "-") this.#zoomBy(1 / STEP);
    else if (event.key.toLowerCase() === "v") this.dialog.close();
    else if (event.key.toLowerCase() === "l") this.form.querySelector("input")?.focus();
    else return;
    event.preventDefault();
  }
}
