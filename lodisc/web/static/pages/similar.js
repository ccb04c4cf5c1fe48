// The look-alikes page: a look-alike beside the photograph, the pivotal region of both, the patches
// of one that answer a patch of the other, and the patches in which they differ most. A label goes
// to the photograph and to the look-alikes that are ticked.
import { Answers } from "../lib/answers.js";
import { get } from "../lib/api.js";
import {
  closest,
  find,
  findAll,
  findOptional,
  isShortcut,
  refresh,
  takesKeys,
} from "../lib/dom.js";
import { notifyError } from "../lib/notices.js";
import { browserStorage } from "../lib/storage.js";
import { attentionOf, pairOf, pictureOf } from "../parts/addresses.js";
import { differencesOf } from "../parts/differences.js";
import { labelField, suggest } from "../parts/label-field.js";
import { label, onLabels } from "../parts/labelling.js";
import { LargeView } from "../parts/large.js";
import {
  PatchGrid,
  drawAnswers,
  drawDifferences,
  drawPatch,
  drawPivotal,
  wipe,
} from "../parts/overlay.js";
import { Ticks } from "../parts/ticks.js";

/** @import { AttentionMap, LabelCount, Pair } from "../lib/models.js" */

/** @typedef {"query" | "other"} Side of the pair */
/** @typedef {"answers" | "differences"} Mode */

const SWITCH = "lodisc:where";
const MODE = "lodisc:where:mode";
const REST = 120; // milliseconds on a tile before its regions are drawn
/** @type {Record<string, [down: number, across: number]>} */
const STEPS = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

/** @param {HTMLImageElement} image */
const whenLoaded = (image) => (image.complete ? Promise.resolve() : image.decode().catch(() => {}));

class SimilarPage {
  /** @type {Answers<AttentionMap>} */
  #maps = new Answers();
  /** @type {Answers<Pair>} */
  #pairs = new Answers();
  /** @type {HTMLElement | null} the tile of the look-alike beside the photograph */
  #tile = null;
  /** @type {{ side: Side, index: number } | null} that a person points at */
  #patch = null;
  #timer = 0;
  /** @type {Mode} what is lit while nobody points at a patch */
  #mode = "answers";

  /** @param {HTMLElement} toggle switches the regions on and off */
  constructor(toggle) {
    this.toggle = toggle;
    this.root = find(".similar");
    this.id = this.root.dataset.id ?? "";
    this.hint = find(".hint");
    this.modes = findAll("#modes button", HTMLButtonElement);
    this.frames = { query: find("#query .frame"), other: find("#other .frame") };
    /** Null where the file of the photograph can't be read. */
    this.queryPicture = findOptional("#query img", HTMLImageElement);
    this.pictures = {
      query: this.queryPicture ?? new Image(),
      other: find("#other img", HTMLImageElement),
    };
    if (this.queryPicture) {
      this.#bindFrame("query");
      this.#bindFrame("other");
      this.#bindModes();
    }
    this.#bindTiles();
    this.#bindLabels();
    this.#bindLarge();
    toggle.addEventListener("click", () => this.#switch(!this.#isOn));
    this.#bindKey("w", () => this.#switch(!this.#isOn));
    addEventListener("resize", () => this.#draw());
    const tile = findOptional(".nearest .tile");
    if (tile) this.#choose(tile);
    this.#switch(browserStorage.read(SWITCH) !== "off");
  }

  get #isOn() {
    return this.root.classList.contains("where");
  }

  /** The id of the look-alike beside the photograph. */
  get #otherId() {
    return this.#tile?.dataset.id ?? "";
  }

  /**
   * Put this look-alike beside the photograph.
   * @param {HTMLElement} tile
   */
  #choose(tile) {
    if (tile === this.#tile) return;
    if (this.#tile) wipe(find("img", HTMLImageElement, this.#tile));
    this.#tile?.classList.remove("chosen");
    this.#tile = tile;
    this.#patch = null;
    tile.classList.add("chosen");
    const [title, share] = findAll(".caption > *", HTMLElement, tile);
    const name = find("#other .name");
    name.textContent = [title.textContent, share.textContent].filter(Boolean).join(", ");
    name.className = `name key ${title.className}`;
    const words = findAll(".likeness span", HTMLElement, tile).map((span) => span.textContent);
    find("#other .score").textContent = words.join(", ");
    find("#open", HTMLAnchorElement).href = find("a", HTMLAnchorElement, tile).href;
    wipe(this.pictures.other);
    this.pictures.other.src = pictureOf(this.#otherId);
    this.frames.other.setAttribute(
      "aria-label",
      `${tile.title}: move with the arrow keys to see which patches of the photograph answer`,
    );
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#draw(), REST);
  }

  /** Draw what belongs on the pair and on the tile at this moment. */
  #draw() {
    const tile = this.#tile;
    find("#alike").hidden = true;
    if (!this.#isOn || !tile) return;
    if (this.#patch) return this.#drawPatch(tile, this.#patch);
    if (this.#mode === "differences") return this.#drawDifferences(tile);
    this.#drawPivotal(find("img", HTMLImageElement, tile), this.#otherId);
    this.#drawPivotal(this.pictures.other, this.#otherId);
    if (this.queryPicture) this.#drawPivotal(this.queryPicture, this.id);
  }

  /**
   * @param {HTMLImageElement} image
   * @param {string} id
   */
  async #drawPivotal(image, id) {
    const tile = this.#tile;
    try {
      const [map] = await Promise.all([this.#maps.get(attentionOf(id)), whenLoaded(image)]);
      const isCurrent = this.#isOn && tile === this.#tile && this.#patch === null;
      if (isCurrent && image.naturalWidth) drawPivotal(image, map);
    } catch (error) {
      notifyError(error);
    }
  }

  /** @param {HTMLElement} tile */
  async #drawDifferences(tile) {
    const images = [find("img", HTMLImageElement, tile), this.pictures.other, this.pictures.query];
    try {
      const pair = await this.#pairs.get(pairOf(this.id, this.#otherId));
      await Promise.all(images.map(whenLoaded));
      const isCurrent = this.#isOn && tile === this.#tile && this.#patch === null;
      if (!isCurrent || this.#mode !== "differences") return;
      const { a, b } = differencesOf(pair);
      const areClear = [drawDifferences(this.pictures.query, pair.a, a)];
      for (const image of images.slice(0, 2)) areClear.push(drawDifferences(image, pair.b, b));
      find("#alike").hidden = areClear.some(Boolean);
    } catch (error) {
      notifyError(error);
    }
  }

  /**
   * @param {HTMLElement} tile
   * @param {{ side: Side, index: number }} patch
   */
  async #drawPatch(tile, patch) {
    try {
      const pair = await this.#pairs.get(pairOf(this.id, this.#otherId));
      if (!this.#isOn || tile !== this.#tile || patch !== this.#patch) return;
      const { side, index } = patch;
      if (side === "query") {
        const scores = pair.similarity[index];
        drawPatch(this.pictures.query, pair.a, index);
        drawAnswers(this.pictures.other, pair.b, scores);
        drawAnswers(find("img", HTMLImageElement, tile), pair.b, scores);
      } else {
        const scores = pair.similarity.map((row) => row[index]);
        drawPatch(this.pictures.other, pair.b, index);
        drawAnswers(this.pictures.query, pair.a, scores);
      }
    } catch (error) {
      notifyError(error);
    }
  }

  /**
   * Point at a patch, or with null at none.
   * @param {Side} side
   * @param {number | null} index
   */
  #point(side, index) {
    if (this.#patch?.side === side && this.#patch.index === index) return;
    this.#patch = index === null ? null : { side, index };
    this.#draw();
  }

  /** @param {Side} side */
  async #gridOf(side) {
    const id = side === "query" ? this.id : this.#otherId;
    return new PatchGrid(this.pictures[side], await this.#maps.get(attentionOf(id)));
  }

  /** @param {Side} side */
  #bindFrame(side) {
    const frame = this.frames[side];
    /** @param {PointerEvent} event */
    const follow = async (event) => {
      if (!this.#isOn || !this.#tile) return;
      const { left, top } = frame.getBoundingClientRect();
      const grid = await this.#gridOf(side).catch(() => null);
      this.#point(side, grid?.at(event.clientX - left, event.clientY - top) ?? null);
    };
    frame.addEventListener("pointermove", follow);
    frame.addEventListener("pointerdown", follow);
    frame.addEventListener("pointerleave", () => {
      if (frame !== document.activeElement) this.#point(side, null);
    });
    frame.addEventListener("blur", () => this.#point(side, null));
    frame.addEventListener("keydown", (event) => this.#key(side, event));
  }

  /**
   * The arrow keys go from patch to patch.
   * @param {Side} side
   * @param {KeyboardEvent} event
   */
  async #key(side, event) {
    const step = STEPS[event.key];
    if (!step || !this.#isOn || !this.#tile) return;
    event.preventDefault();
    try {
      const { rows, columns } = await this.#gridOf(side);
      const middle = Math.floor(rows / 2) * columns + Math.floor(columns / 2);
      const index = this.#patch?.side === side ? this.#patch.index : middle;
      const row = Math.max(0, Math.min(rows - 1, Math.floor(index / columns) + step[0]));
      const column = Math.max(0, Math.min(columns - 1, (index % columns) + step[1]));
      this.#point(side, row * columns + column);
    } catch (error) {
      notifyError(error);
    }
  }

  #bindModes() {
    for (const button of this.modes) {
      button.addEventListener("click", () => this.#setMode(button.dataset.mode));
    }
    this.#bindKey("d", () => {
      if (this.#isOn) this.#setMode(this.#mode === "answers" ? "differences" : "answers");
    });
    this.#setMode(browserStorage.read(MODE));
  }

  /** @param {string | null | undefined} mode any but "differences" is the usual one */
  #setMode(mode) {
    this.#mode = mode === "differences" ? mode : "answers";
    browserStorage.write(MODE, this.#mode);
    for (const button of this.modes) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === this.#mode));
    }
    for (const line of findAll("[data-hint]", HTMLElement, this.hint)) {
      line.hidden = line.dataset.hint !== this.#mode;
    }
    this.#patch = null;
    this.#draw();
  }

  /**
   * Act on a letter, unless it is typed somewhere.
   * @param {string} letter
   * @param {() => void} act
   */
  #bindKey(letter, act) {
    addEventListener("keydown", (event) => {
      const isLetter = event.key.toLowerCase() === letter;
      if (!isLetter || takesKeys(event.target) || isShortcut(event)) return;
      event.preventDefault();
      act();
    });
  }

  /** @param {boolean} isOn */
  #switch(isOn) {
    this.root.classList.toggle("where", isOn);
    this.toggle.setAttribute("aria-checked", String(isOn));
    this.hint.hidden = !isOn;
    find("#modes").hidden = !isOn || !this.queryPicture;
    browserStorage.write(SWITCH, isOn ? "on" : "off");
    for (const image of findAll("img", HTMLImageElement, this.root)) wipe(image);
    this.#patch = null;
    this.#draw();
  }

  /** The photograph, and after it its look-alikes, as large as the window. */
  #bindLarge() {
    const ids = () => [this.id, ...findAll(".nearest .tile").map((tile) => tile.dataset.id ?? "")];
    const large = new LargeView({
      total: () => ids().length,
      at: async (index) => ({ id: ids()[index] }),
    });
    this.root.addEventListener("click", (event) => closest(event, "[data-large]") && large.open(0));
    this.#bindKey("v", () => large.open(0));
  }

  #bindLabels() {
    const form = find("#name", HTMLFormElement);
    const button = find("button", HTMLButtonElement, form);
    const isUploaded = this.root.dataset.uploaded !== undefined;
    const ticks = new Ticks(this.root, () => {
      const count = ticks.ids.size + (isUploaded ? 0 : 1);
      button.disabled = count === 0;
      button.textContent = count > 1 ? `Label ${count}` : "Label";
    });
    const field = labelField(
      form,
      (name) => {
        const ids = [...(isUploaded ? [] : [this.id]), ...ticks.ids];
        ticks.clear();
        label(name, { ids }, { count: ids.length });
      },
      `similar-${this.id}`,
    );
    this.#bindKey("l", () => field.focus());
    field.addEventListener("focus", () => this.#suggest(), { once: true });
    onLabels(() => this.#reload(ticks).catch(notifyError));
  }

  async #suggest() {
    try {
      const { labels } = await get("/api/labels");
      suggest(labels.map((/** @type {LabelCount} */ { label: name }) => name));
    } catch (error) {
      notifyError(error);
    }
  }

  /**
   * Show the labels as the server has them; the same look-alike stays beside the photograph.
   * @param {Ticks} ticks
   */
  async #reload(ticks) {
    const chosen = this.#otherId;
    await refresh("#query figcaption", ".nearest", ".head h1");
    this.#tile = null;
    this.#bindTiles();
    const tile =
      findOptional(`.nearest .tile[data-id="${chosen}"]`) ?? findOptional(".nearest .tile");
    if (tile) this.#choose(tile);
    ticks.draw();
  }

  #bindTiles() {
    for (const tile of findAll(".nearest .tile")) this.#bindTile(tile);
  }

  /**
   * The first click puts a look-alike beside the photograph, the next one opens its own page.
   * @param {HTMLElement} tile
   */
  #bindTile(tile) {
    let wasChosen = true; // when the pointer came down; the keys open the page at once
    tile.addEventListener("pointerdown", () => (wasChosen = tile === this.#tile));
    tile.addEventListener("focusin", () => this.#choose(tile));
    tile.addEventListener("click", (event) => {
      if (closest(event, ".tick")) {
        wasChosen = true;
        return;
      }
      const opensTab = event.ctrlKey || event.metaKey || event.shiftKey;
      if (!wasChosen && !opensTab) event.preventDefault();
      wasChosen = true;
      this.#choose(tile);
    });
  }
}

const toggle = findOptional("#where");
if (toggle) new SimilarPage(toggle);
