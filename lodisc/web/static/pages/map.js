// The map page: photographs as points, near where they are alike.
import { Unavailable, get } from "../lib/api.js";
import { find, takesKeys } from "../lib/dom.js";
import { messageOf, notifyError, pin } from "../lib/notices.js";
import { oneLine, photographs } from "../lib/text.js";
import { similarPage, thumbnailOf } from "../parts/addresses.js";
import { suggest } from "../parts/label-field.js";
import { label, onLabels } from "../parts/labelling.js";
import { Legend } from "../parts/legend.js";
import { MapGestures } from "../parts/map-gestures.js";
import { kindsBy } from "../parts/map-kinds.js";
import { MapSelection } from "../parts/map-selection.js";
import { MapView, compact } from "../parts/map-view.js";
import { SelectionBar } from "../parts/selection-bar.js";

/** @import { MapLayout, Names } from "../lib/models.js" */
/** @import { Column } from "../parts/map-kinds.js" */

const RETRY = 3000; // milliseconds
const LONGEST_WAIT = 30_000;
const PEEK = { width: 172, height: 197, gap: 16, margin: 8 }; // pixels
/** @type {MapLayout} */
const EMPTY = {
  method: "",
  making: null,
  ids: [],
  x: [],
  y: [],
  group: [],
  label: [],
  folder: [],
  confidence: [],
};
/** @type {Record<string, string>} */
const METHODS = { pca: "PCA", tsne: "t-SNE", umap: "UMAP" };

/** @param {string} method */
const titleOf = (method) => METHODS[method] ?? method;

/**
 * Whether two layouts have the same points in the same places.
 * @param {MapLayout} a
 * @param {MapLayout} b
 */
const isSamePlaces = (a, b) =>
  a.method === b.method &&
  a.ids.length === b.ids.length &&
  a.ids.every((id, index) => id === b.ids[index]) &&
  a.x.every((x, index) => x === b.x[index] && a.y[index] === b.y[index]);

class MapPage {
  #loads = 0; // of the layout

  constructor() {
    this.layout = EMPTY;
    this.peek = find(".peek");
    this.colourBy = find("#colour", HTMLSelectElement);
    this.view = new MapView(() => this.#showPeek());
    this.legend = new Legend((index) => this.view.highlight(index));
    this.selection = new MapSelection(this.view, () => this.#showSelection());
    this.gestures = new MapGestures(this.view, this.selection, (index) =>
      location.assign(similarPage(this.layout.ids[index])),
    );
    this.bar = new SelectionBar(
      this.view.canvas,
      { onLabel: (name) => this.#label(name), onClear: () => this.selection.clear() },
      "map",
    );
    this.#bind();
    onLabels(() => this.#follow().catch(notifyError));
  }

  #bind() {
    const { camera } = this.view;
    find("#closer").addEventListener("click", () => camera.zoomBy(1.6));
    find("#wider").addEventListener("click", () => camera.zoomBy(1 / 1.6));
    find("#whole").addEventListener("click", () => camera.reset());
    find("#select").addEventListener("click", () =>
      this.selection.activate(!this.selection.isActive),
    );
    this.colourBy.addEventListener("change", () => {
      this.colourBy.dataset.isChosen = "yes";
      this.#colour();
      this.#learn().catch(notifyError);
    });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.#colour());
    const legend = find(".legend", HTMLDetailsElement);
    const fold = () => (legend.open = !compact.matches);
    compact.addEventListener("change", fold);
    fold();
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || takesKeys(event.target) || this.gestures.dropLasso()) return;
      if (this.selection.size) this.selection.clear();
      else this.selection.activate(false);
    });
  }

  /** Show the map as the server has it now, unless a later call has already done so. */
  async load() {
    const load = (this.#loads += 1);
    const layout = await getPatiently("/api/map");
    if (load === this.#loads) this.#show(layout);
  }

  /** @param {MapLayout} layout */
  #show(layout) {
    const isSame = isSamePlaces(layout, this.layout);
    this.layout = layout;
    const isEmpty = layout.ids.length === 0;
    find("#loading").hidden = true;
    find("#none").hidden = !isEmpty;
    for (const control of [".legend", ".zoom", "#select"]) find(control).hidden = isEmpty;
    const title = `${photographs(layout.ids.length)} by ${titleOf(layout.method)}`;
    const { making } = layout;
    const better = making ? ` A better map, by ${titleOf(making)}, is being made.` : "";
    find("#method").textContent = `${title}; the nearer, the more alike.${better}`;
    if (!this.colourBy.dataset.isChosen) {
      const columns = /** @type {const} */ (["group", "label", "folder"]);
      const first = columns.find((name) => layout[name].some((value) => value !== null));
      this.colourBy.value = first ?? "group";
    }
    if (!isSame) this.#place(layout);
    this.#colour();
    const labels = kindsBy("label", layout).kinds.filter(({ isNone }) => !isNone);
    suggest(labels.map(({ name }) => name));
  }

  /**
   * Put the points where they are now; those that are selected stay so.
   * @param {MapLayout} layout
   */
  #place(layout) {
    this.gestures.dropLasso();
    const { ids } = this.selection;
    this.view.show(layout);
    this.selection.restore(ids);
  }

  #colour() {
    const kinds = kindsBy(/** @type {Column} */ (this.colourBy.value), this.layout);
    this.view.colour(kinds);
    this.legend.show(kinds.kinds);
  }

  /** Show what a change of labels has changed. */
  async #follow() {
    await this.load();
    await this.#learn();
  }

  /** Where the colours tell how sure names are, let the server learn names from all labels. */
  async #learn() {
    const note = find("#note");
    note.textContent = "";
    if (this.colourBy.value !== "confidence") return;
    note.textContent = "Learning names from the labels…";
    try {
      /** @type {Names} */
      const { trained, reason } = await getPatiently("/api/names");
      if (this.colourBy.value !== "confidence") return;
      note.textContent = trained ? "" : `${reason}.`;
    } catch (error) {
      note.textContent = "";
      throw error;
    }
    await this.load();
  }

  #showSelection() {
    const { isActive, size } = this.selection;
    find("#select").setAttribute("aria-pressed", String(isActive));
    find("#hint").hidden = !isActive;
    find("#method").hidden = isActive;
    this.view.canvas.classList.toggle("selecting", isActive);
    this.bar.show(size);
  }

  /** @param {string | null} name for the selected photographs */
  async #label(name) {
    const { ids } = this.selection;
    this.selection.clear();
    this.view.canvas.focus();
    await label(name, { ids }, { count: ids.length });
  }

  /** A large thumbnail beside the point with the ring. */
  #showPeek() {
    const { pointed: index, points, camera } = this.view.scene;
    this.peek.hidden = index === null;
    if (index === null) return;
    this.#fillPeek(index);
    const [x, y] = camera.toScreen(points.x[index], points.y[index]);
    const { width, height, gap, margin } = PEEK;
    const hasRoom = x + gap + width + 4 <= camera.width;
    const left = hasRoom ? x + gap : x - gap - width;
    const top = Math.max(margin, Math.min(camera.height - height - margin, y - 90));
    this.peek.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** @param {number} index */
  #fillPeek(index) {
    const id = this.layout.ids[index];
    if (this.peek.dataset.id !== id) {
      this.peek.dataset.id = id;
      find("img", HTMLImageElement, this.peek).src = thumbnailOf(id);
    }
    const group = this.layout.group[index];
    const title = this.layout.label[index] ?? (group === null ? "No label" : `Group ${group}`);
    const words = oneLine(title) + (this.selection.has(index) ? ", selected" : "");
    find("p", HTMLElement, this.peek).textContent = oneLine(title);
    this.view.canvas.setAttribute("aria-description", words);
  }
}

/** @param {number} wait milliseconds */
const sleep = (wait) => new Promise((resume) => setTimeout(resume, wait));

/**
 * The answer of the server, however long it is away.
 * @param {string} path
 * @returns {Promise<any>}
 */
async function getPatiently(path) {
  for (;;) {
    try {
      const answer = await get(path);
      pin("map", null);
      return answer;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      const text = `${messageOf(error)} The map will appear when it is back.`;
      pin("map", text, { kind: "waiting" });
      await sleep(RETRY);
    }
  }
}

/** Show the map, and once a better one is made, that one. */
async function start() {
  const page = new MapPage();
  await page.load();
  for (let wait = RETRY; page.layout.making; wait = Math.min(1.5 * wait, LONGEST_WAIT)) {
    await sleep(wait);
    if (!(await getPatiently("/api/map/status")).making) await page.load();
  }
}

start().catch(notifyError);
