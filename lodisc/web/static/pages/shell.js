// What every page has: search by upload, the outbox, pictures that load later, the list of keys.
import { find, findOptional, isShortcut, takesKeys } from "../lib/dom.js";
import "../lib/outbox.js";
import "../parts/filling.js";
import "../parts/person.js";
import "../parts/pictures.js";
import "../parts/upload.js";

const help = find("#help", HTMLDialogElement);

findOptional(".help")?.addEventListener("click", () => help.showModal());
find("#help-close").addEventListener("click", () => help.close());
help.addEventListener("click", (event) => event.target === help && help.close());
addEventListener("keydown", (event) => {
  if (event.key === "?" && !takesKeys(event.target) && !isShortcut(event)) {
    event.preventDefault();
    help.showModal();
  }
});
