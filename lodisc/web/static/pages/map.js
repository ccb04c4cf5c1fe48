// The map page: photographs as points, near where they are alike.
import { Unavailable, get } from "../lib/api.js";
import { find } from "../lib/dom.js";
import { messageOf, notifyError, pin } from "../lib/notices.js";
import { oneLine, photographs } from "../lib/text.js";
import { similarPage, thumbnailOf } from "../parts/addresses.js";
import { kindsOf, showLegend } from "../parts/legend.js";
import { MapGestures } from "../parts/map-gestures.js";
import { MapView } from "../parts/map-view.js";

/** @import { MapLayout } from "../lib/models.js" */

const RETRY = 3000; // milliseconds
const LONGEST_WAIT = 30_000;
const PEEK = { width: 172, height: 197, gap: 16, margin: 8 }; // pixels
/** @type {MapLayout} */
const EMPTY = { method: "", making: null, ids: [], x: [], y: [], group: [], label: [], folder: [] };
/** @type {Record<string, string>} */
const METHODS = { pca: "PCA", tsne: "t-SNE", umap: "UMAP" };

/** @param {string} method */
const titleOf = (method) => METHODS[method] ?? method;

class MapPage {
  constructor() {
    this.layout = EMPTY;
    this.peek = find(".peek");
    this.colourBy = find("#colour", HTMLSelectElement);
    this.view = new MapView(() => this.#showPeek());
    new MapGestures(this.view, (index) => location.assign(similarPage(this.layout.ids[index])));
    const { camera } = this.view;
    find("#closer").addEventListener("click", () => camera.zoomBy(1.6));
    find("#wider").addEventListener("click", () => camera.zoomBy(1 / 1.6));
    find("#whole").addEventListener("click", () => camera.reset());
    this.colourBy.addEventListener("change", () => {
      this.colourBy.dataset.isChosen = "yes";
      this.#colour();
    });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.#colour());
  }

  /** @param {MapLayout} layout */
  show(layout) {
    this.layout = layout;
    const isEmpty = layout.ids.length === 0;
    find("#loading").hidden = true;
    find("#none").hidden = !isEmpty;
    find(".legend").hidden = isEmpty;
    find(".zoom").hidden = isEmpty;
    const title = `${photographs(layout.ids.length)} by ${titleOf(layout.method)}`;
    const { making } = layout;
    const better = making ? ` A better map, by ${titleOf(making)}, is being made.` : "";
    find("#method").textContent = `${title}; the nearer, the more alike.${better}`;
    if (!this.colourBy.dataset.isChosen) {
      const columns = /** @type {const} */ (["group", "label", "folder"]);
      const first = columns.find((name) => layout[name].some((value) => value !== null));
      this.colourBy.value = first ?? "group";
    }
    this.view.show(layout);
    this.#colour();
  }

  #colour() {
    const { label, group, folder } = this.layout;
    const kinds = {
      group: () => kindsOf(group, (value) => (value === null ? "No group" : `Group ${value}`)),
      label: () => kindsOf(label, (value) => value ?? "No label"),
      folder: () => kindsOf(folder, (value) => value ?? "No folder"),
    }[/** @type {"group" | "label" | "folder"} */ (this.colourBy.value)]();
    this.view.colour(kinds);
    showLegend(kinds.kinds, (index) => this.view.highlight(index));
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
    if (this.peek.dataset.id === id) return;
    this.peek.dataset.id = id;
    find("img", HTMLImageElement, this.peek).src = thumbnailOf(id);
    const group = this.layout.group[index];
    const title = this.layout.label[index] ?? (group === null ? "No label" : `Group ${group}`);
    find("p", HTMLElement, this.peek).textContent = oneLine(title);
    this.view.canvas.setAttribute("aria-description", oneLine(title));
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
async function load() {
  const page = new MapPage();
  let layout = await getPatiently("/api/map");
  page.show(layout);
  for (let wait = RETRY; layout.making; wait = Math.min(1.5 * wait, LONGEST_WAIT)) {
    await sleep(wait);
    if ((await getPatiently("/api/map/status")).making) continue;
    layout = await getPatiently("/api/map");
    page.show(layout);
  }
}

load().catch(notifyError);
