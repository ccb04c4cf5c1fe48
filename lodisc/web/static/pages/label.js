// The labelling page: keys first, every action sent through the outbox, the queue refreshed as the features learn.
import { Acceptance, showAccuracy } from "../parts/accuracy.js";
import { Refused, call, get, send } from "../lib/api.js";
import { Choices } from "../parts/choices.js";
import { fileName, find, number, percent, photographs, shown, typing } from "../lib/dom.js";
import { showHistory } from "../parts/label-history.js";
import { accept, label, onLabels, redo, undo } from "../parts/labelling.js";
import { nameBox, propose } from "../parts/label-field.js";
import { complain, say, stand } from "../lib/notices.js";
import { unsettled } from "../lib/outbox.js";
import { Queue } from "../parts/queue.js";

const LETTER_WAIT = 400;
const REST = 700;
const big = find(".big img");
const strip = find(".strip");
const scope = { photo: find("#scope-photo"), group: find("#scope-group") };
let sizes = new Map();
let grouping = null; // the one that the sizes are of
let wholeGroup = false;
let resting = 0;
let undoing = 0;
let changes = 0;
let doubtful = false; // whether the server may have other labels than the queue for what is held there

const queue = new Queue(strip, show);
const choices = new Choices(find(".choices"), (name) => give(name));
const acceptance = new Acceptance(accept);
const field = nameBox(find("#name"), (name) => (give(name), strip.focus()), { draft: "label" });

/** Give a label to what the scope says, at once on the page and then on the server. */
async function give(name) {
  const targets = queue.targets;
  if (!targets.length) return;
  const group = wholeGroup ? queue.current.group : null;
  const count = group === null ? targets.length : sizes.get(group);
  if (name !== null)
    choices.count(
      name,
      group === null ? targets.filter((photo) => photo.label !== name).length : 0,
    );
  queue.labelled(
    group === null ? targets : queue.photos.filter((photo) => photo.group === group),
    name,
  );
  choices.draw(queue.current?.label);
  if (name !== null) choices.flash(name);
  const whom = group === null ? { ids: targets.map((photo) => photo.id) } : { group, grouping };
  widen(false);
  changes += 1;
  if (!(await label(name, { ...whom, count, quietly: group === null && count === 1 }))) doubt();
}

/** Let the next label go to the whole group, or to the photograph again. */
function widen(state) {
  wholeGroup = state && sizes.has(queue.current?.group);
  show();
}

function show() {
  const photo = queue.current;
  find("#nothing-left").hidden = !queue.empty;
  find(".working").hidden = queue.empty;
  if (!photo) return;
  const source = `/api/photos/${encodeURIComponent(photo.id)}/picture`;
  if (big.getAttribute("src") !== source) big.src = source;
  big.alt = shown(photo.key);
  find(".about .key").textContent = shown(photo.key);
  find(".about .said").textContent = photo.label === null ? "" : shown(photo.label);
  const guess = find("#guess");
  guess.hidden = photo.name === null || photo.label !== null;
  find("#guess b").textContent = photo.name === null ? "" : shown(photo.name);
  find("#guess .sure").textContent = photo.name === null ? "" : percent(photo.confidence);
  const count = queue.targets.length;
  scope.photo.textContent =
    count > 1 || queue.selected.size ? `${photographs(count)} selected` : "This photograph";
  scope.group.hidden = !sizes.has(photo.group);
  scope.group.textContent = `Whole group ${photo.group} · ${number(sizes.get(photo.group) ?? 0)}`;
  scope.photo.setAttribute("aria-pressed", !wholeGroup);
  scope.group.setAttribute("aria-pressed", wholeGroup);
  for (const next of queue.photos.slice(queue.at + 1, queue.at + 3))
    new Image().src = `/api/photos/${encodeURIComponent(next.id)}/picture`;
  for (const button of find(".choices").querySelectorAll("button"))
    button.classList.toggle(
      "given",
      find(".text", button).textContent === shown(photo.label ?? "\0"),
    );
}

function doubt(wait = REST) {
  changes += 1;
  doubtful = true;
  later(wait);
}

/** What is held of the queue, as the server has it. */
async function look() {
  const gone = (error) => (error instanceof Refused ? null : Promise.reject(error));
  const photos = await Promise.all(
    queue.held.map(({ id }) => get(`/api/photos/${encodeURIComponent(id)}`).catch(gone)),
  );
  return photos.filter(Boolean);
}

async function learn() {
  const begun = unsettled() ? null : changes;
  try {
    const [names, labels, history] = await Promise.all([
      get("/api/names"),
      get("/api/labels"),
      get("/api/labels/history"),
    ]);
    let proposals = names.proposals;
    if (!proposals.length)
      proposals = (await get("/api/photos?state=unlabelled&sort=typical&limit=60")).photos;
    const known = doubtful && begun === changes ? await look() : [];
    if (begun === changes) doubtful = false;
    queue.propose(proposals, begun === changes ? known : []);
    if (doubtful) later();
    choices.show(labels.labels, queue.current?.label);
    propose(choices.order);
    showAccuracy(names);
    acceptance.show(names.trained ? names.above : []);
    showHistory(history.history, labels);
    stand("learn", null);
  } catch (error) {
    stand("learn", unsettled() ? null : `${error.message} What you type is kept meanwhile.`, {
      kind: "waiting",
      actions: [["Try again", learn]],
    });
    later(4000);
  }
}

function later(wait = REST) {
  clearTimeout(resting);
  resting = setTimeout(learn, wait);
}

/** `u` alone undoes; as the first letter of a name it is the first letter of a name. */
function letter(event) {
  if (event.key === "u" && !undoing) {
    event.preventDefault();
    undoing = setTimeout(() => ((undoing = 0), undo()), LETTER_WAIT);
    return;
  }
  if (undoing) field.value += "u";
  clearTimeout(undoing);
  undoing = 0;
  field.focus();
}

function key(event) {
  if (typing(event.target) || event.target.matches?.("input") || event.altKey) return;
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    return event.shiftKey ? redo() : undo();
  }
  const onButton = event.target.closest?.("button, a[href], summary");
  const digit = /^[1-9]$/.test(event.key) ? choices.digit(Number(event.key)) : undefined;
  const acts = {
    ArrowRight: () => queue.step(1, { extend: event.shiftKey }),
    ArrowLeft: () => queue.step(-1, { extend: event.shiftKey }),
    ArrowDown: () => queue.step(1, { extend: event.shiftKey }),
    ArrowUp: () => queue.step(-1, { extend: event.shiftKey }),
    Backspace: undo,
    U: redo,
    "+": () => widen(!wholeGroup),
    0: acceptGuess,
    Escape: () => (widen(false), queue.clear()),
    "/": () => field.focus(),
    ...(onButton ? {} : { " ": () => queue.toggle(), Enter: () => field.focus() }),
  };
  if (digit !== undefined) give(digit);
  else if (event.key in acts) acts[event.key]();
  else if (/^\p{L}$/u.test(event.key)) return letter(event);
  else return;
  event.preventDefault();
}

function acceptGuess() {
  const { name, label: given } = queue.current ?? {};
  if (name && given === null) give(name);
}

async function importCsv(file) {
  try {
    const answer = await send("/api/labels/import", file);
    const unknown = answer.unknown
      ? ` ${number(answer.unknown)} of its names are not in this collection, such as ${shown(answer.unknown_keys[0])}.`
      : "";
    say(`${photographs(answer.changed)} labelled from ${fileName(file.name)}.${unknown}`, {
      actions: [["Undo", undo]],
    });
    doubt(0);
  } catch (error) {
    complain(error);
  }
}

addEventListener("keydown", key);
field.addEventListener("keydown", (event) => {
  if (event.key === "Escape") strip.focus();
  if (event.key === "Backspace" && field.value === "" && !event.repeat) {
    event.preventDefault();
    undo();
  }
});
scope.photo.addEventListener("click", () => widen(false));
scope.group.addEventListener("click", () => widen(true));
find("#guess button").addEventListener("click", acceptGuess);
find("#unlabel").addEventListener("click", () => give(null));
find("#undo").addEventListener("click", undo);
find("#redo").addEventListener("click", redo);
find("#import").addEventListener("click", () => find("#csv").click());
find("#csv").addEventListener("change", (event) => {
  if (event.target.files.length) importCsv(event.target.files[0]);
  event.target.value = "";
});
onLabels(({ known }) => (known ? later() : doubt()));
learn().then(() => strip.focus({ preventScroll: true }));
call("/api/groups").then((found) => {
  grouping = found.grouping;
  sizes = new Map(found.groups.map(({ group, size }) => [group, size]));
  show();
}, complain);
