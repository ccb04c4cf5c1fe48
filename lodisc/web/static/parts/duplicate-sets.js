// The sets of near-duplicates: which photograph of each stays while the others are hidden.
import { closest, find, findAll, findOptional, refresh } from "../lib/dom.js";
import { notifyError } from "../lib/notices.js";
import { hide, hideDuplicates } from "./hiding.js";
import { onLabels } from "./labelling.js";
import { narrow } from "./narrowing.js";

const cards = () => findAll("#sets .card", HTMLElement);

/** @param {ParentNode} within */
const choices = (within) => findAll(".choice input", HTMLInputElement, within);

export function bindDuplicates() {
  const main = find("main");
  main.addEventListener("change", (event) => {
    const card = closest(event, "#sets .card");
    if (card) nameChoice(card);
  });
  main.addEventListener("click", (event) => {
    if (closest(event, "#hide-duplicates")) hideDuplicates();
    const card = closest(event, ".keep") && closest(event, "#sets .card");
    if (card) {
      hide(
        choices(card)
          .filter(({ checked }) => !checked)
          .map(({ value }) => value),
      );
    }
  });
  onLabels(() => update().catch(notifyError));
}

/**
 * Say on the button of a set which photograph stays.
 * @param {HTMLElement} card
 */
function nameChoice(card) {
  const place = choices(card).findIndex(({ checked }) => checked);
  const which = place === 0 ? "the first" : `number ${place + 1}`;
  find(".keep", HTMLElement, card).textContent = `Keep ${which}, hide the rest`;
}

/** Show the sets as they are on the server. What is chosen stays so, and the focus where it was. */
async function update() {
  const chosenIds = new Set(
    choices(document)
      .filter(({ checked }) => checked)
      .map(({ value }) => value),
  );
  const { activeElement } = document;
  const place = cards().findIndex((card) => card.contains(activeElement));
  const former = find("#sets");
  const hadFocus = former.contains(activeElement);
  await refresh("#filters", "#nothing", "#count", "#sets", ".pager");
  narrow();
  if (find("#sets") === former) return;
  for (const choice of choices(document)) if (chosenIds.has(choice.value)) choice.checked = true;
  cards().forEach(nameChoice);
  if (hadFocus) focusNear(activeElement, place);
}

/**
 * Focus what had the focus, or else the set that is in its place now.
 * @param {Element | null} former
 * @param {number} place of its set; -1 where it was in none
 */
function focusNear(former, place) {
  const value = former instanceof HTMLInputElement ? former.value : null;
  const choice = choices(document).find((candidate) => candidate.value === value);
  const card = place < 0 ? undefined : cards().at(Math.min(place, cards().length - 1));
  const button = card ? find(".keep", HTMLElement, card) : findOptional("#hide-duplicates");
  (choice ?? button ?? find("main")).focus();
}
