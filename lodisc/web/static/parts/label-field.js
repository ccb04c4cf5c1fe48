// A field for a label: proposes those that there are, keeps a draft through a reload, gives the name on Enter.
import { el, find, shown } from "../lib/dom.js";
import { brief } from "../lib/storage.js";

const DRAFT = `lodisc:${document.documentElement.dataset.collection}:draft:`;

/** Fill the list of names that every such field proposes. */
export function propose(labels) {
  find("#names")?.remove();
  document.body.append(
    el("datalist", { id: "names" }, ...labels.map((label) => el("option", { value: label }))),
  );
}

/** Bring a form with one text field to life: `named(label)` is called with what was typed, the field is empty then. */
export function nameBox(form, named, { draft = null } = {}) {
  const field = find("input", form);
  field.setAttribute("list", "names");
  if (draft) {
    field.value = brief.read(DRAFT + draft) ?? "";
    field.addEventListener("input", () => brief.write(DRAFT + draft, field.value));
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const label = field.value.trim();
    if (!label) return;
    const why = wrong(label);
    field.setCustomValidity(why);
    if (why) return field.reportValidity();
    field.value = "";
    if (draft) brief.erase(DRAFT + draft);
    named(label);
  });
  field.addEventListener("input", () => field.setCustomValidity(""));
  return field;
}

function wrong(label) {
  if (label.length > 200) return "A label has at most 200 characters.";
  return /\p{Cc}/u.test(label) ? `A label has no control characters: ${shown(label)}` : "";
}
