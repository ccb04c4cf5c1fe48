// Calls of the server: JSON in, JSON out, and two kinds of failure.

/** The server answered and said no; `message` is its one line. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Nothing came back that one could go on with: no server, or one that is in trouble. Worth another try. */
export class Away extends Error {}

const FOR_NOW = new Set([401, 403, 408, 421, 425, 429]);

export async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Away("The server does not answer.");
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  const detail =
    typeof body?.detail === "string"
      ? body.detail.replace(/(?<![.!?])$/, ".")
      : `The server answered with ${answer.status}.`;
  if (answer.status >= 500 || answer.ok || FOR_NOW.has(answer.status)) throw new Away(detail);
  throw new Refused(detail, answer.status);
}

export const get = (path, options) => call(path, options);

export const post = (path, body = {}, headers = {}) =>
  call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

export function send(path, file, fields = {}) {
  const form = new FormData();
  form.append("file", file, file.name || "photograph");
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return call(path, { method: "POST", body: form });
}
