// The progress page keeps itself fresh while it is looked at.
import { refresh } from "../lib/dom.js";
import { stand } from "../lib/notices.js";

const EVERY = 2000;

async function again() {
  if (document.hidden) return;
  try {
    await refresh("#running", "#health", "#over");
    stand("progress", null);
  } catch {
    stand("progress", "The server does not answer; this page goes on when it is back.", {
      kind: "waiting",
    });
  }
}

setInterval(again, EVERY);
document.addEventListener("visibilitychange", again);
