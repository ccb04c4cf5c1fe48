// The progress page keeps itself up to date while it is in sight.
import { refresh } from "../lib/dom.js";
import { pin } from "../lib/notices.js";

const PERIOD = 2000; // milliseconds

async function update() {
  if (document.hidden) return;
  try {
    await refresh("#running", "#health", "#finished");
    pin("progress", null);
  } catch {
    pin("progress", "The server does not answer. This page goes on when it is back.", {
      kind: "waiting",
    });
  }
}

setInterval(update, PERIOD);
document.addEventListener("visibilitychange", update);
