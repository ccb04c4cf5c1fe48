// A photograph from outside, chosen, dropped or pasted on any page: find its look-alikes.
// The collection stays as it is.
import { upload } from "../lib/api.js";
import { el, find } from "../lib/dom.js";
import { dismiss, notify, notifyError } from "../lib/notices.js";
import { similarPage } from "./addresses.js";

const MOST_BYTES = 32 * 2 ** 20;
const chooser = find("#chooser", HTMLInputElement);
const veil = el(
  "div",
  { class: "drop", hidden: true, "aria-hidden": "true" },
  "Drop the photograph to find its look-alikes",
);
let depth = 0; // of the elements that a file was dragged into and not out of

/** @param {File | undefined} file */
async function search(file) {
  if (!file) {
    return notify("There is no file here. Choose, drop or paste an image file.", { kind: "bad" });
  }
  if (file.size > MOST_BYTES) {
    return notify("This file is larger than 32 MB. Use a smaller photograph.", { kind: "bad" });
  }
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
 * The first image among files, else the first file.
 * @param {Iterable<File> | undefined} files
 */
function imageOf(files) {
  const list = [...(files ?? [])];
  return list.find((file) => file.type.startsWith("image/")) ?? list[0];
}

/** @param {DragEvent} event */
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

find("#find").addEventListener("click", () => chooser.click());
chooser.addEventListener("change", () => {
  if (chooser.files?.length) search(chooser.files[0]);
  chooser.value = "";
});
document.body.append(veil);
addEventListener("dragenter", (event) => {
  if (!hasFiles(event)) return;
  depth += 1;
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
  search(imageOf(event.dataTransfer?.files));
});
addEventListener("paste", (event) => {
  const files = event.clipboardData?.files;
  if (!files?.length) return;
  event.preventDefault();
  search(imageOf(files));
});
