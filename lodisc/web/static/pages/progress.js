// The progress page keeps itself up to date while it is in sight; learning starts and stops here.
import { post } from "../lib/api.js";
import { find, refresh } from "../lib/dom.js";
import { notify, notifyError, pin } from "../lib/notices.js";

const PERIOD = 2000; // milliseconds

async function update() {
  if (document.hidden) return;
  try {
    await refresh("#running", "#learning", "#health", "#finished");
    pin("progress", null);
  } catch {
    pin("progress", "The server does not answer. This page goes on when it is back.", {
      kind: "waiting",
    });
  }
}

/** @type {Record<string, [string, object, string]>} path, request, what to say */
const ACTS = {
  anew: ["/api/learning", { anew: true }, "It begins to learn."],
  "go-on": ["/api/learning", {}, "It goes on."],
  stop: ["/api/learning/stop", {}, "It stops after this step."],
};

find("#main").addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  const { act, use } = button?.dataset ?? {};
  if (!button || (!act && !use)) return;
  const [path, request, words] = act
    ? ACTS[act]
    : ["/api/learning/use", { id: use }, "Its vectors come next. Labels stay."];
  button.disabled = true;
  try {
    await post(path, request);
    notify(words);
    if (use) location.reload();
    else await update();
  } catch (error) {
    notifyError(error);
    button.disabled = false;
  }
});

setInterval(update, PERIOD);
document.addEventListener("visibilitychange", update);
