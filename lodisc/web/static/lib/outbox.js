// Actions on their way to the server. The browser stores them until the server has them: in order,
// and through restarts of the browser and the server.
import { Refusal, Unavailable, post } from "./api.js";
import { pin } from "./notices.js";
import { browserStorage } from "./storage.js";
import { userHeader, userName } from "./user.js";

/**
 * As the browser stores it: `user` is who did it, and `refused` what the server said.
 * @typedef {{ key: string, path: string, body: unknown, words: string, user?: string,
 *   refused?: string }} Item
 */
/** @typedef {Record<string, any> | null} Answer empty where another tab has it */

const PREFIX = `lodisc:${document.documentElement.dataset.collection}:outbox:`;
const WAITS = [500, 1000, 2000, 4000, 8000]; // milliseconds, after each failure
const SLOW = 1500;
const POLL = 30;

/** @type {Map<string, Item>} */
const items = new Map();
/** @type {Set<string>} keys that the browser did not store: they are in this tab only */
const unsaved = new Set();
/** @type {Map<string, (answer: Answer) => void>} */
const resolvers = new Map();
let sending = false;
/** @type {string | null} */
let trouble = null;
let failures = 0;
let timer = 0;

/** @param {Item} item */
function save(item) {
  items.set(item.key, item);
  if (browserStorage.write(item.key, JSON.stringify(item))) unsaved.delete(item.key);
  else unsaved.add(item.key);
  guardUnload();
}

/** @param {string} key */
function forget(key) {
  items.delete(key);
  unsaved.delete(key);
  browserStorage.erase(key);
  guardUnload();
}

function guardUnload() {
  if (unsaved.size) addEventListener("beforeunload", warn);
  else removeEventListener("beforeunload", warn);
}

/** @param {Event} event */
const warn = (event) => event.preventDefault();

/** Load what all tabs have stored. What has left the store was sent by another tab. */
function load() {
  for (const key of browserStorage.names(PREFIX)) if (!unsaved.has(key)) loadItem(key);
  for (const key of items.keys()) {
    if (!unsaved.has(key) && browserStorage.read(key) === null) settle(key, {});
  }
}

/** @param {string} key */
function loadItem(key) {
  const text = browserStorage.read(key);
  if (text === null) return;
  const item = parse(text);
  if (item === null) return browserStorage.erase(key);
  items.set(key, item);
  if (item.refused) answer(key, null);
}

/**
 * @param {string} text
 * @returns {Item | null}
 */
function parse(text) {
  try {
    const item = JSON.parse(text);
    return typeof item?.key === "string" ? item : null;
  } catch {
    return null;
  }
}

const inOrder = () => [...items.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
const unsent = () => inOrder().filter((item) => !item.refused);

/** How many actions wait to be sent. */
export const countUnsent = () => unsent().length;

/**
 * Send this now, or once the server answers. The answer is empty where another tab has it, and null
 * where the action was taken back or refused.
 * @param {{ path: string, body: unknown, words: string }} action
 * @returns {Promise<Answer>}
 */
export function enqueue({ path, body, words }) {
  const time = `${Date.now()}-${performance.now().toFixed(3).padStart(14, "0")}`;
  const key = `${PREFIX}${time}-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  save({ key, path, body, words, user: userName() });
  return new Promise((resolve) => {
    resolvers.set(key, resolve);
    send();
  });
}

/**
 * Run a task while no other tab sends, where the browser has locks. With `ifAvailable` the task
 * gets null where a tab sends.
 * @template T
 * @param {(lock: unknown) => T | Promise<T>} task
 * @param {LockOptions} [options]
 * @returns {Promise<T>}
 */
async function locked(task, options = {}) {
  const unlocked = () => task(!sending);
  return navigator.locks
    ? navigator.locks.request(PREFIX, options, task).catch(unlocked)
    : unlocked();
}

/** Take the last unsent action back: its words, or null where all has been sent. */
export const takeBack = () => locked(takeLast, { ifAvailable: true });

/** @param {unknown} isFree whether nothing is being sent at this moment */
function takeLast(isFree) {
  load();
  const last = unsent().at(-1);
  if (last && (isFree || unsent().length > 1)) settle(last.key, null);
  show();
  return last && !items.has(last.key) ? last.words : null;
}

/**
 * True once all has been sent; false where that takes longer than so many milliseconds.
 * @param {number} wait
 */
export async function waitUntilSent(wait) {
  for (const end = performance.now() + wait; countUnsent() && performance.now() < end; load()) {
    await new Promise((resume) => setTimeout(resume, POLL));
  }
  return countUnsent() === 0;
}

/**
 * @param {string} key
 * @param {Answer} outcome
 */
function settle(key, outcome) {
  forget(key);
  answer(key, outcome);
}

/**
 * @param {string} key
 * @param {Answer} outcome
 */
function answer(key, outcome) {
  resolvers.get(key)?.(outcome);
  resolvers.delete(key);
}

async function send() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  const slow = setTimeout(show, SLOW);
  await locked(async () => {
    for (let item = next(); item; item = next()) if (!(await deliver(item))) break;
  });
  clearTimeout(slow);
  sending = false;
  if (countUnsent()) timer = setTimeout(send, WAITS[Math.min(failures++, WAITS.length - 1)]);
  else failures = 0;
  show();
}

function next() {
  load();
  return unsent()[0];
}

/**
 * Send one action; false where the server is away.
 * @param {Item} item
 */
async function deliver(item) {
  try {
    // Another tab may send it too, and another person by now
    const headers = { "Idempotency-Key": item.key, ...userHeader(item.user ?? "") };
    settle(item.key, await post(item.path, item.body, headers));
    [failures, trouble] = [0, null];
    return true;
  } catch (error) {
    if (error instanceof Unavailable) {
      trouble = error.message;
      return false;
    }
    save({ ...item, refused: error instanceof Refusal ? error.message : "It could not be sent." });
    answer(item.key, null);
    return true;
  }
}

function sendNow() {
  failures = 0;
  send();
}

/** Tell the person what waits, and what was refused. */
function show() {
  showUnsent();
  showRefusal();
}

function showUnsent() {
  const waiting = unsent();
  if (waiting.length === 0) return pin("outbox", null);
  const what = waiting.length > 1 ? `${waiting.length} actions wait` : `${waiting[0].words} waits`;
  const reason = trouble ?? "The server is slow.";
  const text = `${reason} ${what} here, safely, and will be sent when it is back.`;
  pin("outbox", text, { kind: "waiting", actions: [["Try now", sendNow]] });
}

function showRefusal() {
  const item = inOrder().find((candidate) => candidate.refused);
  if (!item) return pin("refused", null);
  const retry = () => (save({ ...item, refused: undefined }), sendNow());
  const discard = () => (forget(item.key), show());
  pin("refused", `${item.words} was not taken: ${item.refused}`, {
    kind: "bad",
    actions: [
      ["Try again", retry],
      ["Discard", discard],
    ],
  });
}

load();
if (items.size) send();
addEventListener("online", () => send());
