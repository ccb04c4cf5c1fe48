// The groups page: make them anew, and name a whole group.
import { post } from "../lib/api.js";
import { find, refresh } from "../lib/dom.js";
import { label, onLabels } from "../parts/labelling.js";
import { nameBox, propose } from "../parts/label-field.js";
import { complain, say } from "../lib/notices.js";

function bind() {
  find("#regroup").addEventListener("submit", (event) => {
    event.preventDefault();
    regroup(event.submitter?.id === "choose" ? null : find("#k").valueAsNumber);
  });
  propose([...document.querySelectorAll("#named [data-label]")].map((item) => item.dataset.label));
  for (const form of document.querySelectorAll(".cards form")) {
    const { group, count } = form.dataset;
    const whom = {
      group: Number(group),
      grouping: find(".groups").dataset.grouping,
      count: Number(count),
    };
    nameBox(form, (name) => label(name, whom), { draft: `group-${group}` });
  }
}

async function regroup(k) {
  if (Number.isNaN(k)) return say("Give a number of groups, or let it be chosen.", { kind: "bad" });
  find(".groups").classList.add("busy");
  say("Grouping…");
  try {
    const { k: made } = await post("/api/groups", { k });
    await again();
    say(`${made} groups.`);
  } catch (error) {
    complain(error);
  } finally {
    find(".groups").classList.remove("busy");
  }
}

async function again() {
  const held = document.activeElement?.closest("form")?.dataset.group;
  const before = find(".groups");
  await refresh(".groups");
  if (find(".groups") === before) return;
  bind();
  if (held !== undefined) find(`form[data-group="${held}"] input`)?.focus();
}

onLabels(() => again().catch(complain));
bind();
