// The look-alikes page: pointing at a photograph shows where it is told by, pointing at a patch shows what answers it.
import { get } from "../lib/api.js";
import { find, typing } from "../lib/dom.js";
import { complain } from "../lib/notices.js";
import { drawAnswers, drawPatch, drawPivotal, patchGrid, wipe } from "../parts/overlay.js";
import { lasting } from "../lib/storage.js";
import { watchTiles } from "../parts/tile.js";

const SWITCH = "lodisc:where";
const REST = 120;
const root = find(".similar");
const toggle = find("#where");
const hint = find(".hint");
const frames = { query: find("#query .frame"), other: find("#other .frame") };
const pictures = { query: find("#query img"), other: find("#other img") };
const looks = new Map();
const pairs = new Map();
let chosen = null;
let patch = null;
let timer = 0;

const on = () => root.classList.contains("where");
const tiles = () => [...document.querySelectorAll(".nearest .tile")];

/** Ask once, keep a promise of the answer; a failure is forgotten so that the next try asks again. */
function once(store, key, path) {
  if (!store.has(key))
    store.set(
      key,
      get(path).catch((error) => (store.delete(key), Promise.reject(error))),
    );
  if (store.size > 60) store.delete(store.keys().next().value);
  return store.get(key);
}

const lookOf = (id) => once(looks, id, `/api/photos/${encodeURIComponent(id)}/look`);
const pairOf = (id) =>
  once(pairs, id, `/api/pairs/${encodeURIComponent(root.dataset.id)}/${encodeURIComponent(id)}`);
const ready = (image) => (image.complete ? Promise.resolve() : image.decode().catch(() => {}));

async function showPivotal(image, id, still) {
  const [look] = await Promise.all([lookOf(id), ready(image)]);
  if (on() && still() && image.naturalWidth) drawPivotal(image, look);
}

/** Have this neighbour stand beside the query. */
function choose(tile) {
  if (tile === chosen) return;
  if (chosen) wipe(find("img", chosen));
  chosen?.classList.remove("chosen");
  chosen = tile;
  patch = null;
  tile.classList.add("chosen");
  const caption = find(".caption", tile);
  find("#other .name").textContent = caption.firstElementChild.textContent;
  find("#other .score").textContent = `${caption.lastElementChild.textContent} alike`;
  find("#open").href = find("a", tile).href;
  wipe(pictures.other);
  pictures.other.src = `/api/photos/${encodeURIComponent(tile.dataset.id)}/picture`;
  frames.other.setAttribute(
    "aria-label",
    `${tile.title}: move with the arrow keys to see which patches of the query answer`,
  );
  clearTimeout(timer);
  timer = setTimeout(paint, REST);
}

/** Draw all that is to be seen now. */
function paint() {
  if (!on() || !chosen) return;
  const tile = chosen;
  const still = () => tile === chosen && patch === null;
  if (patch) return paintPatch();
  showPivotal(find("img", tile), tile.dataset.id, still).catch(complain);
  showPivotal(pictures.other, tile.dataset.id, still).catch(complain);
  showPivotal(pictures.query, root.dataset.id, still).catch(complain);
}

async function paintPatch() {
  const [tile, aim] = [chosen, patch];
  try {
    const pair = await pairOf(tile.dataset.id);
    if (!on() || tile !== chosen || aim !== patch) return;
    const mine = aim.side === "query" ? pair.a : pair.b;
    const theirs = aim.side === "query" ? pair.b : pair.a;
    const scores =
      aim.side === "query"
        ? pair.similarity[aim.index]
        : pair.similarity.map((row) => row[aim.index]);
    drawPatch(pictures[aim.side], mine, aim.index);
    const other = aim.side === "query" ? "other" : "query";
    drawAnswers(pictures[other], theirs, scores);
    if (aim.side === "query") drawAnswers(find("img", tile), theirs, scores);
  } catch (error) {
    complain(error);
  }
}

function point(side, index) {
  if (patch?.side === side && patch.index === index) return;
  patch = index === null ? null : { side, index };
  paint();
}

async function gridOf(side) {
  const look = await lookOf(side === "query" ? root.dataset.id : chosen.dataset.id);
  return patchGrid(pictures[side], look);
}

function bindFrame(side) {
  const frame = frames[side];
  const follow = async (event) => {
    if (!on() || !chosen) return;
    const { left, top } = frame.getBoundingClientRect();
    point(
      side,
      (await gridOf(side).catch(() => null))?.at(event.clientX - left, event.clientY - top) ?? null,
    );
  };
  frame.addEventListener("pointermove", follow);
  frame.addEventListener("pointerdown", follow);
  frame.addEventListener(
    "pointerleave",
    () => frame !== document.activeElement && point(side, null),
  );
  frame.addEventListener("blur", () => point(side, null));
  frame.addEventListener("keydown", async (event) => {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!(event.key in steps) || !on() || !chosen) return;
    event.preventDefault();
    const grid = await gridOf(side).catch(complain);
    if (!grid) return;
    const { rows, columns } = grid;
    const at =
      patch?.side === side ? patch.index : Math.floor(rows / 2) * columns + Math.floor(columns / 2);
    const [row, column] = [
      Math.floor(at / columns) + steps[event.key][0],
      (at % columns) + steps[event.key][1],
    ];
    point(
      side,
      Math.max(0, Math.min(rows - 1, row)) * columns + Math.max(0, Math.min(columns - 1, column)),
    );
  });
}

function turn(state) {
  root.classList.toggle("where", state);
  toggle.setAttribute("aria-checked", state);
  hint.hidden = !state;
  lasting.write(SWITCH, state ? "on" : "off");
  for (const image of document.querySelectorAll(".similar img")) wipe(image);
  patch = null;
  paint();
}

function bindTiles() {
  watchTiles(find(".nearest"));
  for (const tile of tiles()) {
    tile.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && choose(tile));
    tile.addEventListener("focusin", () => choose(tile));
    tile.addEventListener(
      "pointerdown",
      () => (tile.dataset.was = tile === chosen ? "chosen" : ""),
    );
    tile.addEventListener("click", (event) => {
      const touch = event.pointerType === "touch";
      if (touch && tile.dataset.was !== "chosen") event.preventDefault();
    });
  }
}

if (toggle) {
  bindFrame("query");
  bindFrame("other");
  bindTiles();
  toggle.addEventListener("click", () => turn(!on()));
  addEventListener("keydown", (event) => {
    if (event.key === "w" && !typing(event.target) && !event.ctrlKey && !event.metaKey) turn(!on());
  });
  addEventListener("resize", paint);
  if (tiles().length) choose(tiles()[0]);
  turn(lasting.read(SWITCH) !== "off");
}
