// What people typed, on its way to the server: kept in the browser until the server has it, in order, through restarts of either.
import { Away, Refused, post } from "./api.js";
import { stand } from "./notices.js";
import { lasting } from "./storage.js";

const PREFIX = `lodisc:${document.documentElement.dataset.collection}:outbox:`;
const WAITS = [500, 1000, 2000, 4000, 8000];
const kept = new Map();
const loose = new Set(); // what the browser would not keep: in this tab alone
const waiting = new Map();
let sending = false;
let why = null;
let tries = 0;
let timer = 0;

function remember(item) {
  kept.set(item.key, item);
  if (lasting.write(item.key, JSON.stringify(item))) loose.delete(item.key);
  else loose.add(item.key);
  watch();
}

function forget(key) {
  kept.delete(key);
  loose.delete(key);
  lasting.erase(key);
  watch();
}

function watch() {
  if (loose.size) addEventListener("beforeunload", warn);
  else removeEventListener("beforeunload", warn);
}

const warn = (event) => event.preventDefault();

/** Take over what all tabs have kept; what is no longer kept another tab has seen to. */
function recall() {
  for (const key of lasting.names(PREFIX)) if (!loose.has(key)) take(key);
  for (const key of kept.keys()) if (!loose.has(key) && lasting.read(key) === null) settle(key, {});
}

function take(key) {
  try {
    kept.set(key, JSON.parse(lasting.read(key)));
  } catch {
    return lasting.erase(key);
  }
  if (kept.get(key)?.refused) answer(key, null);
}

const inOrder = () =>
  [...kept.values()].filter(Boolean).sort((one, other) => (one.key < other.key ? -1 : 1));
const unsent = () => inOrder().filter((item) => !item.refused);

/** Send this now or as soon as the server is there; the promise holds its answer (empty where another tab had it), null when it was taken back or refused. */
export function put({ path, body, words }) {
  const key = `${PREFIX}${Date.now()}-${performance.now().toFixed(3).padStart(14, "0")}-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  remember({ key, path, body, words });
  return new Promise((resolve) => {
    waiting.set(key, resolve);
    work();
  });
}

/** Only one tab sends at a time, where the browser can see to it; what is asked for in passing is told whether nobody does. */
async function locked(task, options = {}) {
  const unlocked = () => task(!sending);
  return navigator.locks
    ? navigator.locks.request(PREFIX, options, task).catch(unlocked)
    : unlocked();
}

/** Take back what was put last and has not been sent; its words, or null when all has been sent. */
export const takeBack = () => locked(takeLast, { ifAvailable: true });

function takeLast(free) {
  recall();
  const last = unsent().at(-1);
  if (last && (free || unsent().length > 1)) settle(last.key, null);
  tell();
  return last && !kept.has(last.key) ? last.words : null;
}

export const unsettled = () => unsent().length;

/** True once all has been sent; false when that takes longer than so many milliseconds. */
export async function sentWithin(wait) {
  for (const end = performance.now() + wait; unsettled() && performance.now() < end; recall())
    await new Promise((resume) => setTimeout(resume, 30));
  return unsettled() === 0;
}

function settle(key, outcome) {
  forget(key);
  answer(key, outcome);
}

function answer(key, outcome) {
  waiting.get(key)?.(outcome);
  waiting.delete(key);
}

async function work() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  const slow = setTimeout(tell, 1500);
  await locked(async () => {
    for (let item = first(); item; item = first()) if (!(await deliver(item))) break;
  });
  clearTimeout(slow);
  sending = false;
  if (unsent().length) timer = setTimeout(work, WAITS[Math.min(tries++, WAITS.length - 1)]);
  else tries = 0;
  tell();
}

function first() {
  recall();
  return unsent()[0];
}

async function deliver(item) {
  try {
    settle(item.key, await post(item.path, item.body, { "Idempotency-Key": item.key })); // another tab may send it too
    [tries, why] = [0, null];
    return true;
  } catch (error) {
    if (error instanceof Away) {
      why = error.message;
      return false;
    }
    remember({
      ...item,
      refused: error instanceof Refused ? error.message : "It could not be sent.",
    });
    answer(item.key, null);
    return true;
  }
}

function tell() {
  const away = unsent();
  const again = () => ((tries = 0), work());
  const many =
    away.length > 1 ? `${away.length} actions wait` : away.length ? `${away[0].words} waits` : null;
  const text =
    many &&
    `${why ?? "The server is slow."} ${many} here, safely, and will be sent when it is back.`;
  stand("outbox", text, { kind: "waiting", actions: [["Try now", again]] });
  const refused = inOrder().find((item) => item.refused);
  const retry = () => (remember({ ...refused, refused: undefined }), again());
  const drop = () => (forget(refused.key), tell());
  stand("refused", refused ? `${refused.words} was not taken: ${refused.refused}` : null, {
    kind: "bad",
    actions: [
      ["Try again", retry],
      ["Discard", drop],
    ],
  });
}

recall();
if (kept.size) work();
addEventListener("online", () => work());
