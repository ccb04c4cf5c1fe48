// What people typed, on its way to the server: kept in the browser until the server has it, in order, through restarts of either.
import { Away, Refused, post } from "./api.js";
import { stand } from "./notices.js";

const PREFIX = `lodisc:${document.documentElement.dataset.collection}:outbox:`;
const WAITS = [500, 1000, 2000, 4000, 8000];
const kept = new Map();
const waiting = new Map();
let sending = false;
let tries = 0;
let timer = 0;

function remember(item) {
  kept.set(item.key, item);
  try {
    localStorage.setItem(item.key, JSON.stringify(item));
  } catch {
    addEventListener("beforeunload", warn);
  }
}

function forget(item) {
  kept.delete(item.key);
  localStorage.removeItem(item.key);
  if (kept.size === 0) removeEventListener("beforeunload", warn);
}

const warn = (event) => event.preventDefault();

function recall() {
  for (const key of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))) {
    try {
      if (!kept.has(key)) kept.set(key, JSON.parse(localStorage.getItem(key)));
    } catch {
      localStorage.removeItem(key);
    }
  }
  for (const key of kept.keys()) if (localStorage.getItem(key) === null && !waiting.has(key)) kept.delete(key);
}

const inOrder = () => [...kept.values()].filter(Boolean).sort((one, other) => (one.key < other.key ? -1 : 1));
const unsent = () => inOrder().filter((item) => !item.refused);

/** Send this now or as soon as the server is there; the promise holds its answer, null when it was taken back or refused. */
export function put({ path, body, words }) {
  const key = `${PREFIX}${Date.now()}-${performance.now().toFixed(3).padStart(14, "0")}-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  remember({ key, path, body, words });
  return new Promise((resolve) => {
    waiting.set(key, resolve);
    work();
  });
}

/** Take back what was put last and has not been sent; its words, or null when all has been sent. */
export function takeBack() {
  const last = unsent().at(-1);
  if (!last || (sending && unsent().length === 1)) return null;
  settle(last, null);
  tell();
  return last.words;
}

export const unsettled = () => unsent().length;

function settle(item, answer) {
  forget(item);
  waiting.get(item.key)?.(answer);
  waiting.delete(item.key);
}

async function work() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  const slow = setTimeout(tell, 1500);
  const locked = navigator.locks ? (task) => navigator.locks.request(PREFIX, task) : (task) => task();
  await locked(async () => {
    recall();
    for (let item = unsent()[0]; item; item = unsent()[0]) if (!(await deliver(item))) break;
  });
  clearTimeout(slow);
  sending = false;
  if (unsent().length) timer = setTimeout(work, WAITS[Math.min(tries++, WAITS.length - 1)]);
  else tries = 0;
  tell();
}

async function deliver(item) {
  try {
    settle(item, await post(item.path, item.body));
    tries = 0;
    return true;
  } catch (error) {
    if (error instanceof Away) {
      item.why = error.message;
      return false;
    }
    remember({ ...item, refused: error instanceof Refused ? error.message : "It could not be sent." });
    waiting.get(item.key)?.(null);
    waiting.delete(item.key);
    return true;
  }
}

function tell() {
  const away = unsent();
  const again = () => ((tries = 0), work());
  const many = away.length > 1 ? `${away.length} actions wait` : away.length ? `${away[0].words} waits` : null;
  const text = many && `${away[0].why ?? "The server is slow."} ${many} here, safely, and will be sent when it is back.`;
  stand("outbox", text, { kind: "waiting", actions: [["Try now", again]] });
  const refused = inOrder().find((item) => item.refused);
  const retry = () => (remember({ ...refused, refused: undefined }), again());
  const drop = () => (forget(refused), tell());
  stand("refused", refused ? `${refused.words} was not taken: ${refused.refused}` : null, { kind: "bad", actions: [["Try again", retry], ["Discard", drop]] });
}

recall();
if (kept.size) work();
addEventListener("online", () => work());
