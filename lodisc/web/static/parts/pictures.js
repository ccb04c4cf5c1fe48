// Pictures that do not load: a missing file is told, and a server that is away is asked again.
import { findAll } from "../lib/dom.js";

const RETRY = 3000; // milliseconds
const [NOT_FOUND, GONE] = [404, 410];
const HOLDERS = ".tile, .frame, .big, .peek, .cards li li";

/** @type {Set<HTMLImageElement>} pictures that are loaded once the server answers */
const waiting = new Set();
let timer = 0;

/** @param {HTMLImageElement} picture */
const holderOf = (picture) => /** @type {HTMLElement | null} */ (picture.closest(HOLDERS));

/** @typedef {{ words: string, detail: string }} Trouble for a person, and the server's line */

/**
 * Why the picture at an address can't be had: null where it can by now, and undefined where the
 * server does not answer or is in trouble itself.
 * @param {string} address
 * @returns {Promise<Trouble | null | undefined>}
 */
async function troubleAt(address) {
  try {
    const answer = await fetch(address);
    if (answer.ok) return null;
    if (answer.status !== NOT_FOUND && answer.status !== GONE) return undefined;
    const words = answer.status === GONE ? "File missing" : "Can't be read";
    return { words, detail: String((await answer.json()).detail) };
  } catch {
    return undefined;
  }
}

/** @param {HTMLImageElement} picture */
async function explain(picture) {
  const address = picture.currentSrc;
  const holder = holderOf(picture);
  if (!holder || !address) return;
  holder.dataset.trouble = "Not loaded";
  const trouble = await troubleAt(address);
  if (!picture.isConnected || picture.currentSrc !== address) return;
  if (trouble) {
    holder.dataset.trouble = trouble.words;
    picture.alt = trouble.detail;
    return;
  }
  waiting.add(picture);
  clearTimeout(timer);
  timer = setTimeout(retry, RETRY);
}

/** Load the waiting pictures again, once the server answers for one of them. */
async function retry() {
  for (const picture of waiting) if (!picture.isConnected) waiting.delete(picture);
  const [first] = waiting;
  if (!first) return;
  if ((await troubleAt(first.currentSrc)) === undefined) {
    waiting.delete(first);
    waiting.add(first); // at the end: another one may be had
    timer = setTimeout(retry, RETRY);
    return;
  }
  for (const picture of waiting) reload(picture);
  waiting.clear();
}

/** @param {HTMLImageElement} picture */
function reload(picture) {
  const { src, srcset } = picture;
  picture.removeAttribute("srcset");
  if (srcset) picture.srcset = srcset;
  else picture.src = src;
}

/** @param {EventTarget | null} target */
function loaded(target) {
  if (target instanceof HTMLImageElement) delete holderOf(target)?.dataset.trouble;
}

document.addEventListener("load", ({ target }) => loaded(target), true);
document.addEventListener(
  "error",
  ({ target }) => target instanceof HTMLImageElement && explain(target),
  true,
);
for (const picture of findAll("img", HTMLImageElement)) {
  if (picture.complete && picture.naturalWidth === 0) explain(picture);
}
