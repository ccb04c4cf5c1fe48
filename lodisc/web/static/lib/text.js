// Numbers and names as a person reads them.

/**
 * A name on one line: line breaks, direction marks and stray bytes as escapes.
 * @param {string} name
 */
export function oneLine(name) {
  return String(name).replace(/[^\P{C}]|[^\P{Z} ]/gu, (letter) => {
    const code = (letter.codePointAt(0) ?? 0).toString(16);
    if (letter === "\n") return "\\n";
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}

/**
 * The last part of a key: the file's own name.
 * @param {string} key
 */
export const fileName = (key) => oneLine(key.split("/").at(-1) || key);

/**
 * A text as it is searched: without case and accents.
 * @param {string} text
 */
export const searchedForm = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ß", "ss");

/** @param {number} value */
export const number = (value) => value.toLocaleString("en-GB");

/**
 * `12 photographs`, `1 photograph`.
 * @param {number} count
 */
export const photographs = (count) => `${number(count)} photograph${count === 1 ? "" : "s"}`;

/**
 * About how long, in two words.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds >= 90) return `About ${Math.round(seconds / 60)} minutes`;
  return seconds > 40 ? "About a minute" : "Less than a minute";
}

/**
 * Rounded down: only what is certain is 100%.
 * @param {number} share
 */
export const percent = (share) => `${Math.floor(100 * share + 1e-6)}%`;
