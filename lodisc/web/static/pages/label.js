// The labelling page: keys first. Every action goes through the outbox, and the queue follows what
// the features learn.
import { Refusal, get, upload } from "../lib/api.js";
import { closest, find, isShortcut, takesKeys } from "../lib/dom.js";
import { messageOf, notify, notifyError, pin } from "../lib/notices.js";
import { countUnsent } from "../lib/outbox.js";
import { fileName, number, oneLine, photographs } from "../lib/text.js";
import { Acceptance } from "../parts/acceptance.js";
import { showAccuracy } from "../parts/accuracy.js";
import { photoOf } from "../parts/addresses.js";
import { Choices } from "../parts/choices.js";
import { labelField, suggest } from "../parts/label-field.js";
import { showHistory } from "../parts/label-history.js";
import { acceptFrom, label, onLabels, redo, undo } from "../parts/labelling.js";
import { showNewKinds } from "../parts/new-kinds.js";
import { Queue } from "../parts/queue.js";
import { loadAhead, showOnStage } from "../parts/stage.js";

/** @import { Groups, Names, Photo } from "../lib/models.js" */

const REST = 700; // milliseconds without a change before the page asks for new names
const RETRY = 4000;
const FEW_AHEAD = 12; // photographs without a label
const MOST_TYPICAL = 60; // photographs, while the features propose none

/** The queue, with the labels and the accuracy beside it. */
class LabelPage {
  /** @type {Map<number, number>} how many photographs each group has */
  #groupSizes = new Map();
  /** @type {string | null} the grouping that these sizes are of */
  #grouping = null;
  /** Whether the next label goes to the whole group. */
  #isForGroup = false;
  /** Counts the changes of labels: an answer from before the last change may be out of date. */
  #changes = 0;
  /** Whether the server may have other labels than the queue for photographs that stay in it. */
  #isDoubtful = false;
  #isLearning = false;
  #timer = 0;

  constructor() {
    this.strip = find(".strip");
    this.forPhoto = find("#scope-photo");
    this.forGroup = find("#scope-group");
    this.queue = new Queue(this.strip, () => this.#show());
    this.choices = new Choices((name) => this.give(name));
    this.acceptance = new Acceptance(acceptFrom);
    const form = find("#name", HTMLFormElement);
    this.field = labelField(form, (name) => (this.give(name), this.strip.focus()), "label");
    this.forPhoto.addEventListener("click", () => this.#setScope(false));
    this.forGroup.addEventListener("click", () => this.#setScope(true));
    find("#unlabel").addEventListener("click", () => this.give(null));
    onLabels(({ isOwn }) => (isOwn ? this.#learnSoon() : this.distrust()));
  }

  async start() {
    get("/api/groups").then((groups) => this.#setGroups(groups), notifyError);
    await this.#learn();
    if (document.activeElement === document.body) this.strip.focus({ preventScroll: true });
  }

  /** @param {Groups} groups */
  #setGroups({ grouping, groups }) {
    this.#grouping = grouping;
    this.#groupSizes = new Map(groups.map(({ group, size }) => [group, size]));
    this.#show();
  }

  /** How many photographs the group of the current one has; undefined where it has none. */
  get #groupSize() {
    const group = this.queue.current?.group ?? null;
    return group === null ? undefined : this.#groupSizes.get(group);
  }

  /**
   * Give a label, or with null take it away: at once on the page, and then on the server.
   * @param {string | null} name
   */
  async give(name) {
    const { current, photos, targets } = this.queue;
    if (!current) return;
    const group = this.#isForGroup ? current.group : null;
    const count = (group === null ? undefined : this.#groupSize) ?? targets.length;
    const ids = targets.map(({ id }) => id);
    if (name !== null) {
      // Only the server knows how many of a whole group have this label.
      const others = targets.filter((photo) => photo.label !== name);
      this.choices.count(name, group === null ? others.length : 0);
    }
    this.queue.setLabel(
      group === null ? targets : photos.filter((photo) => photo.group === group),
      name,
    );
    this.choices.draw();
    if (name !== null) this.choices.flash(name);
    this.#setScope(false);
    this.#changes += 1;
    const target = group === null ? { ids } : { group, grouping: this.#grouping };
    const isTaken = await label(name, target, { count, quietly: group === null && count === 1 });
    if (!isTaken) this.distrust();
  }

  /**
   * Give the label of a digit, but not to a photograph that was labelled just now while the next
   * one is on its way.
   * @param {string} name
   */
  giveByDigit(name) {
    if (!this.queue.isWaiting) this.give(name);
  }

  /** Let the next label go to the whole group, or to the photograph again. */
  toggleScope() {
    this.#setScope(!this.#isForGroup);
  }

  clear() {
    this.#setScope(false);
    this.queue.clearSelection();
  }

  /** @param {boolean} isForGroup */
  #setScope(isForGroup) {
    this.#isForGroup = isForGroup && this.#groupSize !== undefined;
    this.#show();
  }

  #show() {
    const { current, isEmpty, upcoming } = this.queue;
    find("#nothing-left").hidden = !isEmpty;
    find(".working").hidden = isEmpty;
    if (!current) return;
    showOnStage(current);
    this.#showScope(current);
    loadAhead(upcoming);
    this.choices.showFor(current.label, current.suggestions ?? []);
  }

  /** @param {Photo} current */
  #showScope({ group }) {
    const { targets, selection } = this.queue;
    const isSelection = targets.length > 1 || selection.size > 0;
    this.forPhoto.textContent = isSelection
      ? `${photographs(targets.length)} selected`
      : "This photograph";
    this.forGroup.hidden = this.#groupSize === undefined;
    this.forGroup.textContent = `Whole group ${group} · ${number(this.#groupSize ?? 0)}`;
    this.forPhoto.setAttribute("aria-pressed", String(!this.#isForGroup));
    this.forGroup.setAttribute("aria-pressed", String(this.#isForGroup));
  }

  /**
   * Ask the server soon which labels the photographs in the queue have.
   * @param {number} [wait]
   */
  distrust(wait) {
    this.#changes += 1;
    this.#isDoubtful = true;
    this.#learnSoon(wait);
  }

  /** Ask the server once the typing rests, and at once where the queue is about to run dry. */
  #learnSoon(wait = REST) {
    find(".accuracy").classList.add("stale");
    clearTimeout(this.#timer);
    const isUrgent = this.queue.unlabelledAhead < FEW_AHEAD && !this.#isLearning;
    this.#timer = setTimeout(() => this.#learn(), isUrgent ? 0 : wait);
  }

  async #learn() {
    this.#isLearning = true;
    await this.#update();
    this.#isLearning = false;
  }

  /** Bring the page up to date with the server. */
  async #update() {
    const changes = countUnsent() ? null : this.#changes;
    const isFresh = () => changes === this.#changes;
    try {
      /** @type {[Names, void]} */
      const [names] = await Promise.all([get("/api/names"), this.#showLabels()]);
      const proposals = names.proposals.length ? names.proposals : await fetchTypical();
      const photos = this.#isDoubtful && isFresh() ? await fetchAll(this.queue.neighbourhood) : [];
      if (isFresh()) this.#isDoubtful = false;
      this.queue.update(proposals, isFresh() ? photos : []);
      if (this.#isDoubtful) this.#learnSoon();
      showAccuracy(names);
      showNewKinds(names);
      this.acceptance.show(names.trained ? names.above : []);
      pin("learn", null);
    } catch (error) {
      const text = `${messageOf(error)} What you type is stored here meanwhile.`;
      pin("learn", countUnsent() ? null : text, {
        kind: "waiting",
        actions: [["Try again", () => this.#learn()]],
      });
      this.#learnSoon(RETRY);
    }
  }

  /** The labels in use and the history, which the server knows before it has learnt from them. */
  async #showLabels() {
    const [labels, { history }] = await Promise.all([
      get("/api/labels"),
      get("/api/labels/history"),
    ]);
    this.choices.show(labels.labels);
    suggest(this.choices.order);
    showHistory(history, labels);
  }
}

/** @returns {Promise<Photo[]>} what to label before the features propose anything */
async function fetchTypical() {
  return (await get(`/api/photos?state=unlabelled&sort=typical&limit=${MOST_TYPICAL}`)).photos;
}

/**
 * These photographs as the server has them; those that are gone are left out.
 * @param {Photo[]} photos
 * @returns {Promise<Photo[]>}
 */
async function fetchAll(photos) {
  /** @param {unknown} error */
  const nothing = (error) => {
    if (error instanceof Refusal) return null;
    throw error;
  };
  const answers = photos.map(({ id }) => get(photoOf(id)).catch(nothing));
  return (await Promise.all(answers)).filter((photo) => photo !== null);
}

/** The keys of the page. */
class Keys {
  /** @param {LabelPage} page */
  constructor(page) {
    this.page = page;
    addEventListener("keydown", (event) => this.#press(event));
    page.field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") page.strip.focus();
      if (event.key === "Backspace" && page.field.value === "" && !event.repeat) {
        event.preventDefault();
        undo();
      }
    });
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (takesKeys(event.target) || event.target instanceof HTMLInputElement) return;
    const isTyped = !isShortcut(event) || (event.altKey && !event.metaKey); // by Option, on a Mac
    if (isTyped && /^\p{L}$/u.test(event.key)) {
      this.page.field.focus(); // and it is typed there
      return;
    }
    if (isShortcut(event)) {
      if (event.key.toLowerCase() !== "z" || event.altKey) return;
      event.preventDefault();
      if (event.shiftKey) redo();
      else undo();
      return;
    }
    const act = this.#actionOf(event);
    if (act) {
      act();
      event.preventDefault();
    }
  }

  /**
   * What a key does, or undefined.
   * @param {KeyboardEvent} event
   * @returns {(() => void) | undefined}
   */
  #actionOf(event) {
    const { page } = this;
    const { queue, field } = page;
    const extend = event.shiftKey;
    const digit = /^[1-9]$/.test(event.key) ? page.choices.digit(Number(event.key)) : undefined;
    if (digit !== undefined) return () => page.giveByDigit(digit);
    const isOnButton = closest(event, "button, a[href], summary") !== null;
    if (isOnButton && (event.key === " " || event.key === "Enter")) return undefined;
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowRight: () => queue.step(1, { extend }),
      ArrowDown: () => queue.step(1, { extend }),
      ArrowLeft: () => queue.step(-1, { extend }),
      ArrowUp: () => queue.step(-1, { extend }),
      " ": () => queue.toggle(),
      Enter: () => field.focus(),
      "/": () => field.focus(),
      Escape: () => page.clear(),
      "+": () => page.toggleScope(),
      Backspace: undo,
    };
    return actions[event.key];
  }
}

/**
 * Take over the labels of a CSV file.
 * @param {File} file
 * @param {LabelPage} page
 */
async function importCsv(file, page) {
  try {
    const { changed, unknown, unknown_keys, notes } = await upload("/api/labels/import", file);
    const example = unknown ? `, such as ${oneLine(unknown_keys[0])}` : "";
    const rest = unknown
      ? ` The collection lacks ${photographs(unknown)} of the file${example}.`
      : "";
    /** @param {string} note */
    const remark = (note) => ` Note: ${note}.`;
    const did = `${photographs(changed)} labelled from ${fileName(file.name)}.`;
    const text = `${did}${rest}${notes.map(remark).join("")}`;
    notify(text, { actions: [["Undo", undo]] });
    page.distrust(0);
  } catch (error) {
    notifyError(error);
  }
}

/** @param {LabelPage} page */
function bindFiles(page) {
  const csv = find("#csv", HTMLInputElement);
  find("#import").addEventListener("click", () => csv.click());
  csv.addEventListener("change", () => {
    if (csv.files?.length) importCsv(csv.files[0], page);
    csv.value = "";
  });
}

const page = new LabelPage();
new Keys(page);
bindFiles(page);
find("#undo").addEventListener("click", undo);
find("#redo").addEventListener("click", redo);
page.start();
