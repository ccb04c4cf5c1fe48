// One photograph as a tile of a grid.
import { closest, el, find, findOptional } from "../lib/dom.js";
import { fileName, guessOf, oneLine } from "../lib/text.js";
import { similarPage, thumbnailOf } from "./addresses.js";

/** @import { Photo } from "../lib/models.js" */

/**
 * What stands under a photograph: its label, else its name, else the name of its file.
 * @param {Photo} photo
 */
function titleOf(photo) {
  if (photo.label !== null) return { text: oneLine(photo.label), kind: "label" };
  const guess = guessOf(photo);
  if (guess !== null) return { text: guess, kind: "guess" };
  return { text: fileName(photo.key), kind: "file" };
}

/** A tile without a photograph. */
export function blankTile() {
  return el(
    "li",
    { class: "tile", role: "option", "aria-selected": "false" },
    el("a", { tabindex: "-1", draggable: "false" }, el("span", { class: "blank" })),
    el("span", { class: "tick", "aria-hidden": "true" }),
    el("div", { class: "caption", "aria-hidden": "true" }, el("span")),
  );
}

const blankImage = () =>
  el("img", { alt: "", width: 160, height: 160, decoding: "async", draggable: "false" });

/**
 * Put a photograph into a tile, or bring the tile up to date.
 * @param {HTMLElement} tile
 * @param {Photo} photo
 * @param {{ isLarge?: boolean }} [options]
 */
export function fillTile(tile, photo, { isLarge = false } = {}) {
  const link = find("a", HTMLAnchorElement, tile);
  const caption = find(".caption > :first-child", HTMLElement, tile);
  const { text, kind } = titleOf(photo);
  if (tile.dataset.id !== photo.id) {
    tile.dataset.id = photo.id;
    tile.classList.remove("gone");
    link.href = similarPage(photo.id);
    link.replaceChildren(blankImage());
  }
  const picture = find("img", HTMLImageElement, tile);
  const large = thumbnailOf(photo.id, 320);
  const source = isLarge ? large : `${thumbnailOf(photo.id)} 1x, ${large} 2x`;
  if (picture.getAttribute("srcset") !== source) picture.srcset = source;
  if (caption.textContent !== text) caption.textContent = text;
  caption.className = kind;
  const key = oneLine(photo.key);
  tile.title = key;
  tile.setAttribute("aria-label", kind === "file" ? key : `${text}, ${key}`);
}

/**
 * Mark every tile in this list whose picture does not load.
 * @param {HTMLElement} list
 */
export function watchTiles(list) {
  list.addEventListener("error", (event) => closest(event, ".tile")?.classList.add("gone"), true);
  for (const picture of list.querySelectorAll("img")) {
    const hasFailed = picture.complete && picture.naturalWidth === 0 && picture.currentSrc;
    if (hasFailed) picture.closest(".tile")?.classList.add("gone");
  }
}

/**
 * Stop what a tile still loads.
 * @param {HTMLElement} tile
 */
export const dropTile = (tile) =>
  findOptional("img", HTMLImageElement, tile)?.removeAttribute("srcset");
