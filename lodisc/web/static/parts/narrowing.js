// Long lists of filters: a field above narrows them to what is searched for.
import { find, findAll, findOptional } from "../lib/dom.js";
import { searchedForm } from "../lib/text.js";

/** @type {Map<string, string>} what is searched for, by the list */
const texts = new Map();

/** Narrow the lists that are there now, which may be new. */
export function narrow() {
  for (const field of findAll("input.narrow", HTMLInputElement)) {
    const name = field.dataset.list ?? "";
    field.value = texts.get(name) ?? "";
    const text = searchedForm(field.value.trim());
    const list = find(`#${name}`);
    for (const entry of findAll("li", HTMLElement, list)) {
      entry.hidden = !searchedForm(find("span", HTMLElement, entry).textContent ?? "").includes(
        text,
      );
    }
    const rest = findOptional("details", HTMLDetailsElement, list);
    if (rest && text) rest.open = true;
  }
}

addEventListener("input", ({ target }) => {
  if (!(target instanceof HTMLInputElement) || !target.matches(".narrow")) return;
  texts.set(target.dataset.list ?? "", target.value);
  narrow();
});
