// Calls of the server: JSON in, JSON out, and two kinds of failure. Each tells who calls.
import { userHeader, userName } from "./user.js";

/** The server refused; `message` is its one line. */
export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {number} status
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The server does not answer, or is in trouble. Another try may succeed. */
export class Unavailable extends Error {}

const TEMPORARY = new Set([401, 403, 408, 421, 425, 429]);

/** @param {unknown} error */
export const isAbort = (error) => error instanceof Error && error.name === "AbortError";

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @param {(answer: Response) => Promise<any>} [read] the body of a good answer
 * @returns {Promise<any>} throws `Refusal` or `Unavailable`
 */
async function call(path, options = {}, read = (answer) => answer.json()) {
  let answer;
  try {
    const headers = { ...userHeader(userName()), ...options.headers };
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Unavailable("The server does not answer.");
  }
  const body = await (answer.ok ? read(answer) : answer.json()).catch(() => null);
  if (answer.ok && body !== null) return body;
  const detail =
    typeof body?.detail === "string"
      ? body.detail.replace(/(?<![.!?])$/, ".")
      : `The server answered with ${answer.status}.`;
  if (answer.status >= 500 || answer.ok || TEMPORARY.has(answer.status)) {
    throw new Unavailable(detail);
  }
  throw new Refusal(detail, answer.status);
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 */
export const get = (path, options) => call(path, options);

/**
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers]
 */
export const post = (path, body = {}, headers = {}) => call(path, json(body, headers));

/**
 * Send JSON and get a file.
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<Blob>}
 */
export const postForFile = (path, body) => call(path, json(body), (answer) => answer.blob());

/**
 * @param {unknown} body
 * @param {Record<string, string>} [headers]
 * @returns {RequestInit}
 */
const json = (body, headers = {}) => ({
  method: "POST",
  headers: { "Content-Type": "application/json", ...headers },
  body: JSON.stringify(body),
});

/**
 * Send a file as a form, with other fields beside it.
 * @param {string} path
 * @param {File} file
 * @param {Record<string, string | number>} [fields]
 * @param {AbortSignal} [signal]
 */
export function upload(path, file, fields = {}, signal) {
  const form = new FormData();
  form.append("file", file, file.name || "photograph");
  for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
  return call(path, { method: "POST", body: form, signal });
}
