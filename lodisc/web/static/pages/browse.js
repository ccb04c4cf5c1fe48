// The browse page: a view of the collection as a grid, its place in the address, and actions on a
// selection.
import { Unavailable } from "../lib/api.js";
import {
  closest,
  el,
  find,
  findAll,
  findOptional,
  isShortcut,
  refresh,
  takesKeys,
} from "../lib/dom.js";
import { messageOf, notifyError, pin } from "../lib/notices.js";
import { number } from "../lib/text.js";
import { similarPage } from "../parts/addresses.js";
import { followDates } from "../parts/dates.js";
import { bindDuplicates } from "../parts/duplicate-sets.js";
import { WindowedGrid } from "../parts/grid.js";
import { hide, showAgain } from "../parts/hiding.js";
import { suggestFromPage } from "../parts/label-field.js";
import { acceptNames, adopt, label, onLabels, rejectNames, rename } from "../parts/labelling.js";
import { LargeView } from "../parts/large.js";
import { Listing } from "../parts/listing.js";
import { narrow } from "../parts/narrowing.js";
import { SelectionBar } from "../parts/selection-bar.js";
import { Selection } from "../parts/selection.js";
import { blankTile, dropTile, fillTile } from "../parts/tile.js";

const USUAL_SIZE = "3"; // of the tiles, 1 to 6
const REST = 250; // milliseconds without scrolling before the address follows

class BrowsePage {
  #timer = 0;

  /** @param {HTMLElement} room holds the grid */
  constructor(room) {
    this.list = find(".grid", HTMLElement, room);
    this.size = find("#size", HTMLInputElement);
    const query = new URLSearchParams(this.list.dataset.query);
    this.listing = new Listing(Object.fromEntries(query), {
      onArrival: (from, to) => this.grid.refill(from, to),
      onFailure: showFailure,
    });
    this.listing.total = Number(this.list.dataset.total);
    this.grid = new WindowedGrid(room, this.list, {
      make: blankTile,
      fill: (tile, index) => this.#fill(tile, index),
      drop: dropTile,
      onMove: (from, to) => this.#move(from, to),
    });
    this.selection = new Selection(this.grid, this.listing, {
      onChange: () => this.#showActions(),
      onOpen: (id) => location.assign(similarPage(id)),
      onEnlarge: (index) => this.large.open(index),
    });
    this.bar = new SelectionBar(
      this.list,
      { onLabel: (name) => this.#label(name), onClear: () => this.selection.clear() },
      "browse",
    );
    this.large = new LargeView({
      total: () => this.listing.total,
      at: async (index) => (await this.listing.photos(index, index + 1))[0],
    });
    this.#start();
  }

  #start() {
    history.scrollRestoration = "manual";
    this.grid.setTotal(this.listing.total);
    const first = Number(new URLSearchParams(location.search).get("at") ?? 0);
    if (first > 0 && first < this.listing.total) this.grid.show(first, { atTop: true });
    this.list.classList.add("live");
    // The links are for browsers without scripts: an option has nothing in it that takes focus
    for (const link of findAll("a.picture", HTMLElement, this.list)) {
      link.replaceWith(el("span", { class: "picture" }, ...link.childNodes));
    }
    this.#bindActions();
    this.#bindView();
    onLabels(() => this.#reload());
    followDates(() => this.#reload());
    suggestFromPage();
    this.#passSizeOn();
  }

  /**
   * @param {HTMLElement} tile
   * @param {number} index
   */
  #fill(tile, index) {
    const photo = this.listing.get(index);
    const isLarge = Number(this.list.dataset.size) > Number(USUAL_SIZE);
    if (photo) fillTile(tile, photo, { isLarge });
    this.selection.mark(tile);
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #move(from, to) {
    this.listing.want(from, to);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => setInAddress("at", String(this.grid.first() || "")), REST);
  }

  async #reload() {
    const [from, to] = this.grid.range();
    try {
      await this.listing.reload(from, to);
      this.grid.setTotal(this.listing.total);
      this.grid.refill();
      find("#count").textContent = number(this.listing.total);
      find("#all").textContent = `Select all ${number(this.listing.total)}`;
      await refresh("#filters", "#nothing", "#first-steps");
      narrow();
      suggestFromPage();
      this.#passSizeOn();
    } catch (error) {
      notifyError(error);
    }
  }

  #showActions() {
    const count = this.selection.names.size;
    this.list.classList.toggle("selecting", count > 0);
    this.bar.show(count);
  }

  /** @param {string | null} name for the selected photographs */
  async #label(name) {
    await this.#withSelection(async (ids) => {
      await label(name, { ids }, { count: ids.length });
    });
  }

  /** @param {(ids: string[]) => Promise<void>} act with the selected photographs */
  async #withSelection(act) {
    const { ids } = this.selection;
    this.selection.clear();
    this.list.focus();
    await act(ids);
  }

  /** @param {(names: Record<string, string>) => Promise<void>} act with the suggested names */
  async #judge(act) {
    const names = Object.fromEntries([...this.selection.names].filter(([, name]) => name));
    this.selection.clear();
    this.list.focus();
    if (Object.keys(names).length) await act(names);
  }

  #bindActions() {
    find("main").addEventListener("click", (event) => closest(event, "#adopt") && adopt());
    findOptional("#accept")?.addEventListener("click", () => this.#judge(acceptNames));
    findOptional("#reject")?.addEventListener("click", () => this.#judge(rejectNames));
    findOptional("#hide")?.addEventListener("click", () => this.#withSelection(hide));
    findOptional("#show")?.addEventListener("click", () => this.#withSelection(showAgain));
    find("#all").addEventListener("click", () => this.selection.all());
    this.list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {KeyboardEvent} event on the photograph that the keys act on */
  #key(event) {
    const { current } = this.selection;
    /** @type {Record<string, () => unknown>} */
    const actions = {
      v: () => this.large.open(current),
      p: () => {
        const id = this.grid.tiles.get(current)?.dataset.id;
        if (!id) return;
        const address = withParameter(withParameter(location.href, "at", ""), "sort", "");
        location.assign(withParameter(address, "like", id));
      },
    };
    const act = isShortcut(event) ? undefined : actions[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #bindView() {
    const sort = find("#sort", HTMLSelectElement);
    this.size.addEventListener("input", () => {
      const first = this.grid.first();
      this.list.dataset.size = this.size.value;
      setInAddress("size", this.#sizeInAddress);
      this.grid.resize();
      if (first > 0) this.grid.show(first, { atTop: true });
      this.grid.refill();
      this.#passSizeOn();
    });
    sort.addEventListener("change", () => {
      setInAddress("at", "");
      if (sort.value) setInAddress("like", ""); // another order takes its place
      setInAddress("sort", sort.value);
      location.reload();
    });
  }

  get #sizeInAddress() {
    return this.size.value === USUAL_SIZE ? "" : this.size.value;
  }

  /** Let the links to other views keep the size of the tiles. */
  #passSizeOn() {
    for (const link of findAll("#filters a, .chips a", HTMLAnchorElement)) {
      link.href = withParameter(link.href, "size", this.#sizeInAddress);
    }
  }
}

/**
 * An address with another value of a parameter, or without it where the value is empty.
 * @param {string} address
 * @param {string} name
 * @param {string} value
 */
function withParameter(address, name, value) {
  const url = new URL(address);
  if (value) url.searchParams.set(name, value);
  else url.searchParams.delete(name);
  return url.href;
}

/**
 * @param {string} name
 * @param {string} value
 */
function setInAddress(name, value) {
  const address = withParameter(location.href, name, value);
  if (address !== location.href) history.replaceState(null, "", address);
}

/** @param {unknown} error null once all is well */
function showFailure(error) {
  const isAway = error instanceof Unavailable;
  const text = messageOf(error) + (isAway ? " The photographs will appear when it is back." : "");
  pin("photos", error === null ? null : text, { kind: isAway ? "waiting" : "bad" });
}

/** On a narrow screen the filters lie over the photographs while they are open. */
function bindFilters() {
  const toggle = find("#filters-toggle");
  /** @param {boolean} isOpen */
  const show = (isOpen) => {
    document.body.classList.toggle("filtering", isOpen);
    toggle.setAttribute("aria-expanded", String(isOpen));
  };
  toggle.addEventListener("click", () => show(!document.body.classList.contains("filtering")));
  find("main").addEventListener("click", (event) => {
    if (closest(event, "#filters-close")) show(false);
  });
  addEventListener("keydown", (event) => event.key === "Escape" && show(false));
}

/** A label of its own view may get another name, or go. */
function bindRename() {
  const form = document.querySelector("#rename");
  if (!(form instanceof HTMLFormElement)) return;
  const name = form.dataset.label ?? "";
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const to = find("input", HTMLInputElement, form).value.trim();
    if (!to || to === name) return;
    if (await rename([name], to)) setInAddress("label", to);
    location.reload();
  });
  find("#remove").addEventListener("click", () => rename([name], null));
}

/** Search by words: an empty field that is cleared shows all again. */
function bindSearch() {
  const form = find("#search", HTMLFormElement);
  const field = find("input[type=search]", HTMLInputElement, form);
  form.addEventListener("formdata", ({ formData }) => {
    if (!field.value.trim()) formData.delete("q");
  });
  field.addEventListener("search", () => field.value === "" && form.requestSubmit());
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || isShortcut(event) || takesKeys(event.target)) return;
    event.preventDefault();
    field.focus();
  });
}

const room = findOptional(".room");
if (room) new BrowsePage(room);
if (findOptional("#sets")) bindDuplicates();
bindRename();
bindSearch();
bindFilters();
