// Elements from JavaScript; whatever is shown of a photograph is set as text, never as markup.

/** An element with attributes (functions become listeners, null and false are left out) and children. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const find = (selector, within = document) => within.querySelector(selector);

/** A name on one line: line breaks, direction marks and stray bytes as escapes. */
export function shown(name) {
  return String(name).replace(/[^\P{C}]|[^\P{Z} ]/gu, (letter) => {
    const code = letter.codePointAt(0).toString(16);
    return letter === "\n"
      ? "\\n"
      : code.length <= 2
        ? `\\x${code.padStart(2, "0")}`
        : `\\u${code.padStart(4, "0")}`;
  });
}

/** The last part of a key: the file's own name. */
export const fileName = (key) => shown(key.split("/").at(-1) || key);

export const number = (value) => value.toLocaleString("en-GB");

/** `12 photographs`, `1 photograph`. */
export const photographs = (count) => `${number(count)} photograph${count === 1 ? "" : "s"}`;

export const percent = (share) => `${Math.floor(100 * share + 1e-6)}%`;

let refreshes = 0;
let newest = 0;

/** Fetch this very page again and put the fresh parts that the selectors name in place of the old ones, unless a later call has done so before. */
export async function refresh(...selectors) {
  const call = (refreshes += 1);
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error("The page could not be loaded again.");
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (call < newest) return;
  newest = call;
  for (const selector of selectors) {
    const [old, now] = [find(selector), fresh.querySelector(selector)];
    if (old && now && old.outerHTML !== now.outerHTML) old.replaceWith(document.adoptNode(now));
  }
}

/** True where the keys that are pressed belong to a field that one types into. */
export const typing = (target) =>
  target instanceof Element &&
  target.closest("input:not([type=range]):not([type=checkbox]), select, textarea, dialog") !== null;
