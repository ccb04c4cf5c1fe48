// One photograph as a tile of a grid.
import { el, find, findAll, findOptional } from "../lib/dom.js";
import { oneLine, percent } from "../lib/text.js";
import { thumbnailOf } from "./addresses.js";

/** @import { Photo } from "../lib/models.js" */

/**
 * What stands under a photograph: its label, else what the features suggest and how sure that is,
 * else its title.
 * @param {Pick<Photo, "label" | "title" | "name" | "confidence" | "new_kind" | "likely_new">} photo
 */
export function captionOf({ label, title, name, confidence, new_kind, likely_new }) {
  if (label !== null) return { kind: "label", text: oneLine(label), share: "" };
  if (name === null) return { kind: "file", text: oneLine(title), share: "" };
  return likely_new
    ? { kind: "guess", text: "None of these kinds", share: percent(new_kind ?? 0) }
    : { kind: "guess", text: oneLine(name), share: percent(confidence ?? 0) };
}

/**
 * What a screen reader says of a photograph.
 * @param {Photo} photo
 */
function spokenOf(photo) {
  const { kind, text, share } = captionOf(photo);
  const key = oneLine(photo.key);
  return kind === "file" ? key : [text, share, key].filter(Boolean).join(", ");
}

/** A tile without a photograph. */
export function blankTile() {
  return el(
    "li",
    { class: "tile", role: "option", "aria-selected": "false" },
    el("span", { class: "picture" }, el("span", { class: "blank" })),
    el("span", { class: "tick", "aria-hidden": "true" }),
    el("span", { class: "enlarge", "aria-hidden": "true", title: "As large as the window" }),
    el(
      "div",
      { class: "caption", "aria-hidden": "true" },
      el("span"),
      el("span", { class: "figures" }),
    ),
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
  const [caption, figures] = findAll(".caption > *", HTMLElement, tile);
  const { kind, text, share } = captionOf(photo);
  if (tile.dataset.id !== photo.id) {
    tile.dataset.id = photo.id;
    delete tile.dataset.trouble;
    find(".picture", HTMLElement, tile).replaceChildren(blankImage());
  }
  const picture = find("img", HTMLImageElement, tile);
  const large = thumbnailOf(photo.id, 320);
  const source = isLarge ? large : `${thumbnailOf(photo.id)} 1x, ${large} 2x`;
  if (picture.getAttribute("srcset") !== source) picture.srcset = source;
  if (caption.textContent !== text) caption.textContent = text;
  caption.className = kind;
  if (figures.textContent !== share) figures.textContent = share;
  tile.title = oneLine(photo.key);
  tile.dataset.name = photo.name ?? "";
  tile.setAttribute("aria-label", spokenOf(photo));
}

/**
 * Stop what a tile still loads.
 * @param {HTMLElement} tile
 */
export const dropTile = (tile) =>
  findOptional("img", HTMLImageElement, tile)?.removeAttribute("srcset");
