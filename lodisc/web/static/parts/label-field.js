// A text field for a label: it suggests the labels in use, stores a draft through a reload, and
// gives the label on Enter.
import { el, find, findOptional } from "../lib/dom.js";
import { tabStorage } from "../lib/storage.js";
import { oneLine } from "../lib/text.js";

const DRAFT = `lodisc:${document.documentElement.dataset.collection}:draft:`;
const MOST_CHARACTERS = 200;

/**
 * Fill the list of labels that every such field suggests.
 * @param {string[]} labels
 */
export function suggest(labels) {
  findOptional("#labels-in-use")?.remove();
  const options = labels.map((label) => el("option", { value: label }));
  document.body.append(el("datalist", { id: "labels-in-use" }, ...options));
}

/** Suggest the labels that the page itself names. */
export const suggestFromPage = () =>
  suggest(
    [...document.querySelectorAll("[data-label]")].map(
      (item) => item.getAttribute("data-label") ?? "",
    ),
  );

/**
 * Bring a form with one text field to life. `onLabel` is called with the text, and the field is
 * empty then.
 * @param {HTMLFormElement} form
 * @param {(label: string) => unknown} onLabel
 * @param {string} draft the name under which the draft is stored
 */
export function labelField(form, onLabel, draft) {
  const field = find("input", HTMLInputElement, form);
  field.setAttribute("list", "labels-in-use");
  field.value = tabStorage.read(DRAFT + draft) ?? "";
  field.addEventListener("input", () => {
    tabStorage.write(DRAFT + draft, field.value);
    field.setCustomValidity("");
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const label = field.value.trim();
    if (!label) return;
    const problem = problemOf(label);
    field.setCustomValidity(problem);
    if (problem) return field.reportValidity();
    field.value = "";
    tabStorage.erase(DRAFT + draft);
    onLabel(label);
  });
  return field;
}

/**
 * What is wrong with a label; empty where nothing is.
 * @param {string} label
 */
function problemOf(label) {
  if (label.length > MOST_CHARACTERS) return `A label has at most ${MOST_CHARACTERS} characters.`;
  return /\p{Cc}/u.test(label) ? `A label has no control characters: ${oneLine(label)}` : "";
}
