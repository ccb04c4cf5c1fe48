// Send photographs that are to be named to the server: a few at a time, and again while it is away.
import { Refusal, Unavailable, isAbort, upload } from "../lib/api.js";
import { messageOf } from "../lib/notices.js";
import { MOST_BYTES, TOO_LARGE } from "./photo-files.js";

/** @import { NewName } from "../lib/models.js" */
/** @import { PhotoFile } from "./photo-files.js" */

/** @typedef {{ key: string, answer: NewName } | { key: string, problem: string }} Result */

const AT_A_TIME = 2;
const NAMELESS = { name: null, confidence: null, new_kind: null, likely_new: false };
export const RETRY = 3000; // milliseconds

export class NamingQueue {
  /** @type {PhotoFile[]} */
  #waiting = [];
  #working = 0;
  #abort = new AbortController();
  #milliseconds = 0; // that all results took together
  total = 0;
  done = 0;
  /** @type {string | null} why the server is asked again */
  trouble = null;

  /**
   * @param {(result: Result) => void} onResult
   * @param {() => void} onChange after any other change
   */
  constructor(onResult, onChange) {
    this.onResult = onResult;
    this.onChange = onChange;
  }

  get isWorking() {
    return this.#working > 0;
  }

  /** Seconds until the last one is named, once there is a result. */
  get secondsLeft() {
    const left = this.total - this.done;
    return this.done ? (left * this.#milliseconds) / this.done / AT_A_TIME / 1000 : null;
  }

  /** @param {PhotoFile[]} photos */
  add(photos) {
    this.#waiting.push(...photos);
    this.total += photos.length;
    while (this.#working < AT_A_TIME && this.#waiting.length) this.#work();
    this.onChange();
  }

  /** Send no more; what is sent stays. */
  cancel() {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#waiting = [];
    this.#working = 0;
    this.total = this.done;
    this.trouble = null;
    this.onChange();
  }

  /** Forget everything. */
  clear() {
    this.cancel();
    this.total = this.done = this.#milliseconds = 0;
  }

  async #work() {
    const { signal } = this.#abort;
    this.#working += 1;
    for (let photo; !signal.aborted && (photo = this.#waiting.shift());) {
      const start = performance.now();
      const result = await resultOf(photo, signal);
      if (signal.aborted) return;
      if (result instanceof Unavailable) {
        this.#waiting.push(photo); // at the end: another one may be named
        this.trouble = result.message;
        this.onChange();
        await new Promise((resolve) => setTimeout(resolve, RETRY));
        continue;
      }
      this.trouble = null;
      this.done += 1;
      this.#milliseconds += performance.now() - start;
      this.onResult(result);
    }
    if (signal.aborted) return;
    this.#working -= 1;
    this.onChange();
  }
}

/**
 * @param {PhotoFile} photo
 * @param {AbortSignal} signal
 * @returns {Promise<Result | Unavailable>}
 */
async function resultOf({ key, file }, signal) {
  if (file.size > MOST_BYTES) return { key, problem: TOO_LARGE };
  let copy;
  try {
    copy = new File([await file.arrayBuffer()], file.name);
  } catch {
    return { key, problem: "The file was moved or changed. Drop it again." };
  }
  try {
    const photo = await upload("/api/name", copy, {}, signal);
    return { key, answer: { ...NAMELESS, ...photo } };
  } catch (error) {
    if (error instanceof Refusal) return { key, problem: error.message };
    return error instanceof Unavailable || isAbort(error)
      ? new Unavailable(messageOf(error))
      : { key, problem: messageOf(error) };
  }
}
