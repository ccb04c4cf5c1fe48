// The grouping that runs: how far it is, and the button that cancels it.
import { Refusal, get, post } from "../lib/api.js";
import { find, findAll } from "../lib/dom.js";
import { notifyError, pin } from "../lib/notices.js";

/** @import { GroupingStatus } from "../lib/models.js" */

const PERIOD = 500; // milliseconds
const INVALID = 422; // status of the answer

const pause = () => new Promise((resolve) => setTimeout(resolve, PERIOD));

/** Whether the server said that one runs when it made this page. */
export const isGrouping = () => find("#grouping").dataset.state === "running";

export function bindCancel() {
  find("#cancel").addEventListener("click", () => post("/api/groups/cancel").catch(notifyError));
}

/**
 * Show how far the grouping is until it is over, also through a time without the server.
 * @param {Promise<unknown>} [answer] to the request of this page that started it
 * @returns {Promise<GroupingStatus>} how it ended; throws the `Refusal` of an invalid request
 */
export async function followGrouping(answer = Promise.resolve()) {
  let isAnswered = false;
  /** @type {unknown} what became of a request that the server may never have had */
  let failure = null;
  let hasBegun = false;
  const end = answer
    .catch((error) => {
      if (error instanceof Refusal && error.status === INVALID) throw error;
      if (!(error instanceof Refusal)) failure = error;
    })
    .finally(() => (isAnswered = true));
  try {
    for (;;) {
      await (isAnswered ? pause() : Promise.race([end, pause()]));
      const wasAnswered = isAnswered;
      const status = await statusOf();
      if (status?.state === "running") {
        hasBegun = true;
        show(status);
      }
      if (!status || !wasAnswered || status.state === "running") continue;
      if (failure && !hasBegun) throw failure;
      return status;
    }
  } finally {
    pin("grouping", null);
  }
}

/** How it stands; null while the server is away. */
async function statusOf() {
  try {
    /** @type {GroupingStatus} */
    const status = await get("/api/groups/status");
    pin("grouping", null);
    return status;
  } catch {
    pin("grouping", "The server does not answer. This page goes on when it is back.", {
      kind: "waiting",
    });
    return null;
  }
}

/** @param {GroupingStatus} status */
function show({ step, steps, seconds, words }) {
  showButtons(true);
  find("#grouping .words").textContent = words;
  find("#grouping .time").textContent = clock(seconds);
  const bar = find("#grouping progress", HTMLProgressElement);
  if (steps > 1) Object.assign(bar, { max: steps, value: step - 1 });
  else bar.removeAttribute("value"); // it moves without an end in sight
}

export const hideGrouping = () => showButtons(false);

/** @param {boolean} isRunning whether there is something to cancel, and nothing to start */
function showButtons(isRunning) {
  const starts = findAll("#regroup button, button[form=regroup]", HTMLButtonElement);
  const hadFocus = starts.some((button) => button === document.activeElement);
  find("#grouping").hidden = !isRunning;
  for (const button of starts) button.disabled = isRunning;
  if (isRunning && hadFocus) find("#cancel").focus();
}

/** @param {number} seconds as minutes and seconds */
const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
