// The browse page: a view of the collection as a grid, its place in the address, and what one does with a selection.
import { find, number, refresh } from "../lib/dom.js";
import { label, onLabels } from "../parts/labelling.js";
import { complain, stand } from "../lib/notices.js";
import { nameBox, propose } from "../parts/label-field.js";
import { Photographs } from "../parts/listing.js";
import { Selection } from "../parts/selection.js";
import { blankTile, dropTile, fillTile, watchTiles } from "../parts/tile.js";
import { WindowedGrid } from "../parts/grid.js";

const room = find(".room");
const list = find(".room .grid");
const actions = find("#actions");
const size = find("#size");
const sort = find("#sort");
let placing = 0;

if (room) start();
const filtersToggle = find("#filters-toggle");
filtersToggle.addEventListener("click", () =>
  showFilters(!document.body.classList.contains("filtering")),
);
addEventListener("keydown", (event) => event.key === "Escape" && showFilters(false));

/** On a narrow screen the filters lie over the photographs while they are asked for. */
function showFilters(open) {
  document.body.classList.toggle("filtering", open);
  filtersToggle.setAttribute("aria-expanded", open);
}

function start() {
  history.scrollRestoration = "manual";
  const address = new URLSearchParams(location.search);
  const query = Object.fromEntries(
    [...address].filter(([name]) => ["state", "group", "label", "folder", "sort"].includes(name)),
  );
  const photographs = new Photographs(query, {
    arrived: (from, to) => grid.refill(from, to),
    failed: trouble,
  });
  photographs.total = Number(list.dataset.total);
  const fill = (tile, index) => {
    const photo = photographs.get(index);
    if (photo) fillTile(tile, photo, { large: Number(list.dataset.size) > 3 });
    selection?.mark(tile);
  };
  let selection = null;
  const grid = new WindowedGrid(room, list, { make: blankTile, fill, drop: dropTile, moved });
  selection = new Selection(grid, photographs, { changed: () => showActions(selection), open });

  function open(id) {
    location.assign(`/similar/${encodeURIComponent(id)}`);
  }

  function moved(from, to) {
    photographs.want(from, to);
    keepPlace(grid);
  }

  async function reload() {
    const [from, to] = grid.range();
    try {
      await photographs.reload(from, to);
      grid.setTotal(photographs.total);
      grid.refill();
      find("#count").textContent = number(photographs.total);
      await refresh("#filters", "#nothing");
      showNames();
      carry();
    } catch (error) {
      complain(error);
    }
  }

  watchTiles(list);
  grid.setTotal(photographs.total);
  const at = Number(address.get("at") ?? 0);
  if (at > 0 && at < photographs.total) grid.show(at, { atTop: true });
  list.classList.add("live");
  bindControls(grid, selection);
  onLabels(reload);
  showNames();
  carry();
}

function trouble(error) {
  stand("photos", error && `${error.message} The photographs will come when it is back.`, {
    kind: "waiting",
  });
}

function showNames() {
  propose([...document.querySelectorAll("[data-label]")].map((item) => item.dataset.label));
}

function showActions(selection) {
  const count = selection.ids.size;
  actions.hidden = count === 0;
  list.classList.toggle("selecting", count > 0);
  document.body.classList.toggle("acting", count > 0);
  find("#selected").textContent = `${number(count)} selected`;
}

function bindControls(grid, selection) {
  const give = async (name) => {
    const ids = [...selection.ids];
    selection.clear();
    grid.list.focus();
    await label(name, { ids });
  };
  const field = nameBox(find("#name"), give, { draft: "browse" });
  find("#unlabel").addEventListener("click", () => give(null));
  find("#clear").addEventListener("click", () => selection.clear());
  find("#all").addEventListener("click", () => selection.all());
  grid.list.addEventListener("keydown", (event) => {
    if (event.key === "l" && selection.ids.size) {
      event.preventDefault();
      field.focus();
    }
  });
  field.addEventListener("keydown", (event) => event.key === "Escape" && grid.list.focus());
  size.addEventListener("input", () => {
    const top = grid.first();
    list.dataset.size = size.value;
    change("size", size.value === "3" ? null : size.value);
    grid.resized();
    if (top > 0) grid.show(top, { atTop: true });
    grid.refill();
    carry();
  });
  sort.addEventListener("change", () => {
    change("at", null);
    change("sort", sort.value || null);
    location.reload();
  });
}

function change(name, value) {
  const address = new URL(location.href);
  if (value === null) address.searchParams.delete(name);
  else address.searchParams.set(name, value);
  if (address.href !== location.href) history.replaceState(null, "", address);
}

function keepPlace(grid) {
  clearTimeout(placing);
  placing = setTimeout(() => change("at", grid.first() || null), 250);
}

/** Other views keep the size of the tiles. */
function carry() {
  for (const link of document.querySelectorAll("#filters a, .chips a")) {
    const address = new URL(link.href);
    if (size.value === "3") address.searchParams.delete("size");
    else address.searchParams.set("size", size.value);
    link.href = address.href;
  }
}
