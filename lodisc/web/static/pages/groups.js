// The groups page: group the photographs again, and label a whole group.
import { post } from "../lib/api.js";
import { find, findAll, findOptional, refresh } from "../lib/dom.js";
import { notify, notifyError } from "../lib/notices.js";
import { number } from "../lib/text.js";
import { labelField, suggestFromPage } from "../parts/label-field.js";
import { label, onLabels } from "../parts/labelling.js";

function bind() {
  find("#regroup").addEventListener("submit", (event) => {
    event.preventDefault();
    const isAutomatic = event.submitter?.getAttribute("value") === "automatic";
    regroup(isAutomatic ? null : find("#k", HTMLInputElement).valueAsNumber);
  });
  suggestFromPage();
  for (const form of findAll(".cards form", HTMLFormElement)) bindForm(form);
}

/** @param {HTMLFormElement} form labels the group of its card */
function bindForm(form) {
  const group = Number(form.dataset.group);
  const target = { group, grouping: find(".groups").dataset.grouping ?? null };
  const count = Number(form.dataset.count);
  labelField(form, (name) => label(name, target, { count }), `group-${group}`);
}

/** @param {number | null} k how many groups; null lets the server choose */
async function regroup(k) {
  if (Number.isNaN(k)) {
    return notify("Type a number of groups, or press “Automatic”.", { kind: "bad" });
  }
  find(".groups").classList.add("busy");
  notify("Grouping…");
  try {
    const groups = await post("/api/groups", { k });
    await update();
    notify(groups.k === 1 ? "1 group." : `${number(groups.k)} groups.`);
  } catch (error) {
    notifyError(error);
  } finally {
    find(".groups").classList.remove("busy");
  }
}

/** Show the groups as they are on the server; the field with the focus keeps it. */
async function update() {
  const form = document.activeElement?.closest("form");
  const former = find(".groups");
  await refresh(".groups");
  if (find(".groups") === former) return;
  bind();
  const group = form?.dataset.group;
  if (group !== undefined) findOptional(`form[data-group="${group}"] input`)?.focus();
}

onLabels(() => update().catch(notifyError));
bind();
