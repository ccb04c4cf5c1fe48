// A photograph from outside, chosen, dropped or pasted on any page: its look-alikes are searched for, and nothing is kept of it.
import { send } from "../lib/api.js";
import { el, find } from "../lib/dom.js";
import { complain, hush, say } from "../lib/notices.js";

const MOST_BYTES = 32 * 2 ** 20;
const chooser = find("#chooser");
const veil = el(
  "div",
  { class: "drop", hidden: true, "aria-hidden": "true" },
  "Drop the photograph to find its look-alikes",
);
let depth = 0;

async function search(file) {
  if (!file)
    return say("There is no photograph in what you gave. Choose, drop or paste an image file.", {
      kind: "bad",
    });
  if (file.size > MOST_BYTES)
    return say("This file is larger than 32 MB. Give a smaller photograph.", { kind: "bad" });
  say("Looking for look-alikes…");
  try {
    const { query } = await send("/api/similar", file, { top: 24 });
    location.assign(`/similar/${encodeURIComponent(query.id)}`);
  } catch (error) {
    hush();
    complain(error);
  }
}

const image = (files) => [...files].find((file) => file.type.startsWith("image/")) ?? files[0];
const carries = (event) => event.dataTransfer?.types.includes("Files");

find("#find").addEventListener("click", () => chooser.click());
chooser.addEventListener("change", () => {
  if (chooser.files.length) search(chooser.files[0]);
  chooser.value = "";
});
document.body.append(veil);
addEventListener("dragenter", (event) => {
  if (!carries(event)) return;
  depth += 1;
  veil.hidden = false;
});
addEventListener("dragleave", (event) => {
  if (!carries(event)) return;
  depth -= 1;
  veil.hidden = depth <= 0;
});
addEventListener("dragover", (event) => carries(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  depth = 0;
  veil.hidden = true;
  search(image(event.dataTransfer.files));
});
addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) {
    event.preventDefault();
    search(image(event.clipboardData.files));
  }
});
