// Names of photographs that are not in the collection, in a dialog that every page has: their files
// are in the memory of this page, and another page would not have them.
import { Unavailable, post, postForFile } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { messageOf, pin } from "../lib/notices.js";
import { duration, fileName, number, oneLine, percent, photographs } from "../lib/text.js";
import { similarPage, thumbnailOf } from "./addresses.js";
import { NamingQueue, RETRY } from "./naming-queue.js";
import { MOST_PHOTOS } from "./photo-files.js";
import { captionOf } from "./tile.js";

/** @import { NewName, Photo } from "../lib/models.js" */
/** @import { Result } from "./naming-queue.js" */
/** @import { Gathered } from "./photo-files.js" */

/**
 * @typedef {object} Row
 * @property {Result} result
 * @property {string} kind by which it is counted
 * @property {number} rank names come first, then new kinds, then those without a name
 * @property {number} share how sure the kind is
 * @property {number} place in the order in which they were named
 * @property {HTMLElement} element
 */

const NEW_KIND = "none of these kinds";
const UNREADABLE = "can’t be read";
const NAMELESS = "without a name";

/** @type {(a: Row, b: Row) => number} */
const byPlace = (a, b) => a.place - b.place;
/** @type {(a: Row, b: Row) => number} */
const byName = (a, b) =>
  a.rank - b.rank || a.kind.localeCompare(b.kind, "en") || b.share - a.share || byPlace(a, b);

export class NewNames {
  /** @type {Row[]} in the order in which they are shown */
  #rows = [];
  #order = byPlace;
  /** How many photographs have been named together. */
  #named = 0;
  /** Photographs that are being named together; null while none are. */
  #names = /** @type {object | null} */ (null);

  constructor() {
    this.queue = new NamingQueue(
      (result) => this.#put(result),
      () => this.#advance(),
    );
    this.bar = el("progress", { max: 1, value: 0, "aria-label": "Photographs that are named" });
    this.count = el("span", { class: "figures" });
    this.status = el("p", { class: "quiet small", role: "status" });
    this.trouble = el("p", { class: "trouble", role: "status" });
    this.counts = el("p", { class: "naming-counts" });
    this.lack = el(
      "p",
      { hidden: true },
      "Label photographs of at least two kinds, and new ones get names: ",
      el("a", { href: "/label" }, "Label"),
      ". Until then you see what they look like.",
    );
    this.order = el(
      "select",
      { "aria-label": "Order", change: () => this.#sort() },
      el("option", {}, "As they were named"),
      el("option", {}, "By name, surest first"),
    );
    this.cancel = this.#button("Cancel", () => this.#stop());
    this.save = this.#button("Download table", () => this.#download());
    this.copy = this.#button("Copy names", () => this.#copy());
    /** @type {string | null} why there are no names */
    this.failure = null;
    this.list = el("ol", { class: "naming-list", "aria-label": "New photographs" });
    this.dialog = this.#build();
    document.body.append(this.dialog);
    this.dialog.addEventListener("close", () => this.#pin());
    addEventListener("beforeunload", (event) => this.#isWorking && event.preventDefault());
  }

  get isOpen() {
    return this.dialog.open;
  }

  get #isWorking() {
    return this.queue.isWorking || this.#names !== null;
  }

  /** What is sent by now is named; while it is named, it stays without a name. */
  #stop() {
    if (this.#names) this.#named = this.#ids.length;
    this.#names = null;
    this.queue.cancel();
  }

  /** @param {Gathered} gathered */
  add({ photos, others, hasMore }) {
    this.#open();
    const words = [];
    if (others) {
      words.push(
        others === 1
          ? "1 file is not a photograph."
          : `${number(others)} files are not photographs.`,
      );
    }
    const room = Math.max(0, MOST_PHOTOS - this.queue.total);
    if (hasMore || photos.length > room) {
      words.push(`At most ${number(MOST_PHOTOS)} are named here; lodisc name takes any number.`);
    }
    this.status.textContent = words.join(" ");
    this.queue.add(photos.slice(0, room));
  }

  /**
   * @param {string} text
   * @param {() => unknown} act
   */
  #button(text, act) {
    return el("button", { type: "button", click: act }, text);
  }

  /** @returns {HTMLDialogElement} */
  #build() {
    const title = el("h2", { id: "naming-title", tabindex: -1, autofocus: true });
    title.textContent = "Names of new photographs";
    return el(
      "dialog",
      { id: "naming", "aria-labelledby": "naming-title" },
      el(
        "div",
        { class: "naming-head" },
        title,
        this.#button("Close", () => this.dialog.close()),
        el(
          "p",
          { class: "quiet small" },
          "The collection stays as it is. Download the table to keep the names: they are gone " +
            "once you leave this page. Drop more photographs to name them, too.",
        ),
        el("div", { class: "naming-progress" }, this.bar, this.count, this.cancel),
        this.trouble,
        this.status,
        this.lack,
        this.counts,
        el("div", { class: "naming-actions" }, this.order, this.save, this.copy),
      ),
      this.list,
    );
  }

  #open() {
    pin("naming", null);
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Say where the names are while the dialog is closed. */
  #pin() {
    if (this.dialog.open || (!this.#rows.length && !this.#isWorking)) return pin("naming", null);
    const count = photographs(this.#rows.length);
    const text = this.#isWorking ? "Photographs are being named." : `The names of ${count}.`;
    /** @type {[string, () => unknown][]} */
    const actions = [
      ["Show", () => this.#open()],
      ["Discard", () => this.#clear()],
    ];
    pin("naming", text, { actions });
  }

  #clear() {
    this.#rows = [];
    this.#named = 0;
    this.#names = this.failure = null;
    this.status.textContent = "";
    this.lack.hidden = true;
    this.queue.clear();
    this.list.replaceChildren();
    this.#describe();
    this.#pin();
  }

  /** @param {Result} result */
  #put(result) {
    const row = rowOf(result, this.#rows.length);
    const index = this.#rows.findIndex((other) => this.#order(row, other) < 0);
    if (index < 0) {
      this.#rows.push(row);
      this.list.append(row.element);
    } else {
      this.list.insertBefore(row.element, this.#rows[index].element);
      this.#rows.splice(index, 0, row);
    }
    this.#describe();
  }

  /** The ids of the photographs that can be named. */
  get #ids() {
    return this.#rows.flatMap(({ result }) => ("answer" in result ? [result.answer.id] : []));
  }

  /** Once all are on the server, have them named together: a new kind is told by its own. */
  #advance() {
    const ids = this.#ids;
    if (!this.queue.isWorking && !this.#names && ids.length > this.#named) this.#name(ids);
    this.#describe();
  }

  /** @param {string[]} ids */
  async #name(ids) {
    const names = (this.#names = {});
    let answer = null;
    for (this.failure = null; !answer && this.#names === names;) {
      try {
        answer = await post("/api/name/together", { ids });
      } catch (error) {
        this.failure = messageOf(error);
        if (!(error instanceof Unavailable)) break;
        this.#describe();
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
    if (this.#names !== names) return;
    this.#named = ids.length;
    this.#names = null;
    if (answer) this.#give(answer.names);
    this.#advance(); // more may have come meanwhile
  }

  /** @param {NewName[]} names */
  #give(names) {
    this.failure = null;
    const byId = new Map(names.map((name) => [name.id, name]));
    this.#rows = this.#rows.map((row) => {
      const name = "answer" in row.result && byId.get(row.result.answer.id);
      if (!name || !("answer" in row.result)) return row;
      const answer = { ...row.result.answer, ...name };
      const named = rowOf({ key: row.result.key, answer }, row.place);
      const [picture, former] = [named.element, row.element].map((line) => line.firstElementChild);
      if (picture && former) picture.replaceWith(former); // it is loaded, and may be forgotten
      return named;
    });
    this.lack.hidden = names.some(({ name }) => name !== null);
    this.#sort();
  }

  #sort() {
    this.#order = this.order.selectedIndex ? byName : byPlace;
    this.#rows.sort(this.#order);
    this.list.replaceChildren(...this.#rows.map((row) => row.element));
  }

  /** How far it is, and how many there are of each kind. */
  #describe() {
    const { total, done, secondsLeft, isWorking } = this.queue;
    const left = isWorking && secondsLeft !== null ? ` · ${duration(secondsLeft)}` : "";
    const stage = this.#names ? " · naming them" : left;
    this.bar.max = Math.max(1, total);
    this.bar.value = done;
    this.count.textContent = `${number(done)} of ${number(total)}${stage}`;
    this.cancel.hidden = !this.#isWorking;
    const trouble = this.queue.trouble ?? this.failure;
    const words = trouble ? `${trouble}${this.#isWorking ? " Trying again…" : ""}` : "";
    if (this.trouble.textContent !== words) this.trouble.textContent = words;
    this.counts.textContent = countsOf(this.#rows)
      .map(([kind, rows]) => `${number(rows.length)} ${oneLine(kind)}`)
      .join(", ");
    const isEmpty = this.#rows.length === 0;
    for (const control of [this.order, this.save, this.copy]) control.disabled = isEmpty;
    if (!this.#isWorking && done && !this.dialog.open) this.#pin();
  }

  async #download() {
    try {
      const names = this.#rows.map((row) => tableRow(row.result));
      const address = URL.createObjectURL(await postForFile("/api/name/table", { names }));
      el("a", { href: address, download: "names.csv" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000); // the browser has read it by then
    } catch (error) {
      this.status.textContent = messageOf(error);
    }
  }

  /** The names with their photographs, kind by kind. */
  async #copy() {
    const kinds = countsOf(this.#rows).map(([kind, rows]) =>
      [kind, ...rows.map((row) => `\t${row.result.key}`)].map(oneLine).join("\n"),
    );
    try {
      await navigator.clipboard.writeText(kinds.join("\n"));
      this.status.textContent = "The names are copied.";
    } catch {
      this.status.textContent = "The browser does not let this page copy. Download the table.";
    }
  }
}

/**
 * The rows of each kind: names first, the most frequent first.
 * @param {Row[]} rows
 */
function countsOf(rows) {
  const kinds = Map.groupBy(rows, (row) => row.kind);
  return [...kinds].sort(
    ([a, rowsA], [b, rowsB]) =>
      rowsA[0].rank - rowsB[0].rank || rowsB.length - rowsA.length || a.localeCompare(b, "en"),
  );
}

/**
 * @param {Result} result
 * @param {number} place
 * @returns {Row}
 */
function rowOf(result, place) {
  if ("problem" in result) {
    const words = el("p", { class: "trouble" }, result.problem);
    const element = lineOf(result.key, el("span", { class: "blank" }), words);
    return { result, kind: UNREADABLE, rank: 3, share: 0, place, element };
  }
  const { answer, key } = result;
  const element = lineOf(key, pictureLink(answer, key), nameOf(answer));
  if (answer.look_alike) element.append(lookAlikeLink(answer.look_alike, answer.similarity));
  const row = { result, place, element };
  if (answer.likely_new) return { ...row, kind: NEW_KIND, rank: 1, share: answer.new_kind ?? 0 };
  if (answer.name === null) return { ...row, kind: NAMELESS, rank: 2, share: 0 };
  return { ...row, kind: answer.name, rank: 0, share: answer.confidence ?? 0 };
}

/**
 * @param {string} key
 * @param {HTMLElement} picture
 * @param {HTMLElement} words
 */
function lineOf(key, picture, words) {
  const file = el("span", { class: "quiet small key", title: oneLine(key) }, fileName(key));
  return el("li", {}, picture, el("div", {}, words, file));
}

/**
 * The photograph itself; its look-alikes are on a page of their own, so that these names stay.
 * @param {NewName} answer
 * @param {string} key
 */
const pictureLink = ({ id }, key) =>
  el(
    "a",
    { href: similarPage(id), target: "_blank", "aria-label": `Look-alikes of ${fileName(key)}` },
    el("img", { src: thumbnailOf(id), alt: "", width: 160, height: 160, decoding: "async" }),
  );

/** @param {NewName} answer */
function nameOf(answer) {
  const { kind, text, share } = captionOf({ ...answer, label: null, title: "" });
  const name = kind === "file" ? "No name yet" : text;
  return el("p", {}, el("b", { class: "key" }, name), " ", el("span", { class: "figures" }, share));
}

/**
 * @param {Photo} photo
 * @param {number | null} similarity
 */
function lookAlikeLink(photo, similarity) {
  const size = { width: 160, height: 160, alt: "", decoding: "async", loading: "lazy" };
  return el(
    "a",
    {
      class: "most-like",
      href: similarPage(photo.id),
      target: "_blank",
      title: oneLine(photo.key),
    },
    el("img", { src: thumbnailOf(photo.id), ...size }),
    el(
      "span",
      {},
      el("span", { class: "quiet small" }, "Most like "),
      oneLine(photo.label ?? photo.title),
      el(
        "span",
        { class: "quiet small figures" },
        ` ${percent(Math.max(0, similarity ?? 0))} similar`,
      ),
    ),
  );
}

/**
 * A row of the table, as the server takes it.
 * @param {Result} result
 */
function tableRow(result) {
  const key = result.key.toWellFormed();
  if ("problem" in result) return { key, problem: result.problem };
  const { name, confidence, new_kind, look_alike, similarity } = result.answer;
  return {
    ...{ key, name, confidence, new_kind, similarity },
    look_alike: look_alike?.key ?? null,
    look_alike_label: look_alike?.label ?? null,
  };
}
