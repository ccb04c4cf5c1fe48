// The groups page: group the photographs again, and label a whole group.
import { post } from "../lib/api.js";
import { find, findAll, refresh } from "../lib/dom.js";
import { notify, notifyError } from "../lib/notices.js";
import { bindCancel, followGrouping, hideGrouping, isGrouping } from "../parts/grouping.js";
import { labelField, suggestFromPage } from "../parts/label-field.js";
import { label, onLabels } from "../parts/labelling.js";

let isFollowing = false;

function bind() {
  find("#regroup").addEventListener("submit", (event) => {
    event.preventDefault();
    const isAutomatic = event.submitter?.getAttribute("value") === "automatic";
    regroup(isAutomatic ? null : find("#k", HTMLInputElement).valueAsNumber);
  });
  bindCancel();
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
  if (!isFollowing) await follow(post("/api/groups", { k }));
}

/**
 * Show how far the grouping is, and in the end the groups.
 * @param {Promise<unknown>} [answer] to the request of this page that started it
 */
async function follow(answer) {
  isFollowing = true;
  try {
    const { state, words } = await followGrouping(answer);
    const hadFocus = find("#grouping").contains(document.activeElement);
    await update();
    if (hadFocus) find("#choose").focus();
    notify(words || "The server was started anew; the groups are as they were.", {
      kind: state === "failed" ? "bad" : "",
    });
  } catch (error) {
    notifyError(error);
  } finally {
    hideGrouping();
    isFollowing = false;
  }
}

/** Show the groups as they are on the server. */
async function update() {
  const former = find(".groups");
  await refresh(".groups");
  if (find(".groups") === former) return;
  bind();
}

onLabels(() => update().catch(notifyError));
bind();
if (isGrouping()) follow();
