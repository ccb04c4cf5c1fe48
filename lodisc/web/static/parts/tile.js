// One photograph as a tile of a grid.
import { el, fileName, find, percent, shown } from "../lib/dom.js";

export const thumbnail = (photo, size = 160) =>
  `/api/photos/${encodeURIComponent(photo.id)}/thumbnail?size=${size}`;

/** What a photograph is called: the label that people gave, else what the features say, else its file's name. */
export function title(photo) {
  if (photo.label !== null) return { text: shown(photo.label), kind: "label" };
  if (photo.name !== null)
    return { text: `${shown(photo.name)} ${percent(photo.confidence)}`, kind: "guess" };
  return { text: fileName(photo.key), kind: "file" };
}

/** A tile that waits for its photograph. */
export function blankTile() {
  return el(
    "li",
    { class: "tile", role: "option", "aria-selected": "false" },
    el("a", { tabindex: "-1", draggable: "false" }, el("span", { class: "blank" })),
    el("span", { class: "tick", "aria-hidden": "true" }),
    el("div", { class: "caption", "aria-hidden": "true" }, el("span")),
  );
}

/** Put a photograph into a tile, or its newer state. */
export function fillTile(tile, photo, { large = false } = {}) {
  const [link, caption] = [find("a", tile), find(".caption > :first-child", tile)];
  const { text, kind } = title(photo);
  if (tile.dataset.id !== photo.id) {
    tile.dataset.id = photo.id;
    tile.classList.remove("gone");
    link.href = `/similar/${encodeURIComponent(photo.id)}`;
    link.replaceChildren(
      el("img", { alt: "", width: 160, height: 160, decoding: "async", draggable: "false" }),
    );
  }
  const image = find("img", tile);
  const source = large
    ? thumbnail(photo, 320)
    : `${thumbnail(photo)} 1x, ${thumbnail(photo, 320)} 2x`;
  if (image.getAttribute("srcset") !== source) {
    image.srcset = source;
  }
  if (caption.textContent !== text) caption.textContent = text;
  caption.className = kind;
  tile.title = shown(photo.key);
  tile.setAttribute(
    "aria-label",
    kind === "file" ? shown(photo.key) : `${text}, ${shown(photo.key)}`,
  );
}

/** Say so on every tile below this element whose photograph can't be had. */
export function watchTiles(list) {
  list.addEventListener(
    "error",
    (event) => event.target.isConnected && event.target.closest(".tile")?.classList.add("gone"),
    true,
  );
  for (const image of list.querySelectorAll("img"))
    if (image.complete && image.naturalWidth === 0 && image.currentSrc)
      image.closest(".tile")?.classList.add("gone");
}

/** Stop what a tile still loads. */
export const dropTile = (tile) => find("img", tile)?.removeAttribute("srcset");
