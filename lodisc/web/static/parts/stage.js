// The photograph that is to be labelled, large, with its label.
import { find } from "../lib/dom.js";
import { oneLine, percent } from "../lib/text.js";
import { pictureOf } from "./addresses.js";

/** @import { Photo } from "../lib/models.js" */

/** @param {Photo} photo */
export function showOnStage({ id, key, label, new_kind }) {
  const picture = find(".big img", HTMLImageElement);
  if (picture.getAttribute("src") !== pictureOf(id)) picture.src = pictureOf(id);
  picture.alt = oneLine(key);
  find(".about .key").textContent = oneLine(key);
  find(".about .current-label").textContent = label === null ? "" : oneLine(label);
  const isTold = new_kind !== null && label === null;
  find("#new-kind").hidden = !isTold;
  find("#new-kind").textContent = isTold ? `None of these kinds: ${percent(new_kind)}` : "";
}

/** @param {Photo[]} photos whose pictures the browser may load ahead */
export function loadAhead(photos) {
  for (const { id } of photos) new Image().src = pictureOf(id);
}
