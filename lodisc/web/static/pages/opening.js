// The page while no photograph has a vector: it asks how far that is, and makes room for the grid.
import { get } from "../lib/api.js";
import { find, refresh } from "../lib/dom.js";

const PERIOD = 1000; // milliseconds

async function update() {
  try {
    const filling = await get("/api/filling");
    if (filling.photographs) location.reload();
    else await refresh("#filling", "#bar", ...(find("#first").childElementCount ? [] : ["#first"]));
  } catch {
    find("#filling").textContent = "The server does not answer. Look at its terminal.";
  }
}

setInterval(update, PERIOD);
