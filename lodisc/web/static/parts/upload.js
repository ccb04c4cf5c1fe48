// Photographs from outside, chosen, dropped or pasted on any page: the look-alikes of one, the
// names of several. The collection stays as it is.
import { upload } from "../lib/api.js";
import { el, find, findOptional } from "../lib/dom.js";
import { dismiss, notify, notifyError } from "../lib/notices.js";
import { similarPage } from "./addresses.js";
import { NewNames } from "./new-names.js";
import { MOST_BYTES, TOO_LARGE, gather, itemsOf } from "./photo-files.js";

const NOTHING = "There is no file here. Choose, drop or paste an image file.";
const NO_PHOTOGRAPHS = "There are no photographs here. Use image files, such as .jpg or .png.";
const chooser = find("#chooser", HTMLInputElement);
const veil = el(
  "div",
  { class: "drop", hidden: true, "aria-hidden": "true" },
  el("p", {}, "Drop a photograph to find its look-alikes"),
  el("p", {}, "Drop several, or a folder, to name them"),
);
/** @type {NewNames | null} made when there is something to name */
let names = null;
let depth = 0; // of the elements that a file was dragged into and not out of

/** @param {File} file */
async function search(file) {
  if (file.size > MOST_BYTES) return notify(TOO_LARGE, { kind: "bad" });
  notify("Looking for look-alikes…");
  try {
    const { query } = await upload("/api/similar", file, { top: 24 });
    location.assign(similarPage(query.id));
  } catch (error) {
    dismiss();
    notifyError(error);
  }
}

/**
 * Search for a single photograph, and name several.
 * @param {(File | FileSystemDirectoryEntry)[]} items
 */
async function take(items) {
  const [first] = items;
  if (!first) return notify(NOTHING, { kind: "bad" });
  const isAdded = names?.isOpen;
  if (items.length === 1 && first instanceof File && !isAdded) return search(first);
  try {
    const gathered = await gather(items);
    const [photo] = gathered.photos;
    if (!photo) return notify(NO_PHOTOGRAPHS, { kind: "bad" });
    const isSingle = gathered.photos.length === 1 && !gathered.hasFolder;
    if (isSingle && !isAdded) return search(photo.file);
    names ??= new NewNames();
    names.add(gathered);
  } catch (error) {
    notifyError(error);
  }
}

/** @param {DragEvent} event */
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

find("#find").addEventListener("click", () => chooser.click());
chooser.addEventListener("change", () => {
  const files = [...(chooser.files ?? [])];
  chooser.value = "";
  if (files.length) take(files);
});
document.body.append(veil);
addEventListener("dragenter", (event) => {
  if (!hasFiles(event)) return;
  depth += 1;
  if (depth === 1) (findOptional("dialog[open]") ?? document.body).append(veil); // over a dialog
  veil.hidden = false;
});
addEventListener("dragleave", (event) => {
  if (!hasFiles(event)) return;
  depth -= 1;
  veil.hidden = depth <= 0;
});
addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  depth = 0;
  veil.hidden = true;
  take(itemsOf(event.dataTransfer));
});
addEventListener("paste", (event) => {
  const items = itemsOf(event.clipboardData);
  if (!items.length) return;
  event.preventDefault();
  take(items);
});
