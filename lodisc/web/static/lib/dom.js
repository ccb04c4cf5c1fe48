// Elements of the page. Texts are set as text, never as markup.

/** @typedef {(event: any) => unknown} Listener */
/** @typedef {string | number | boolean | null | Listener} Attribute */

/**
 * An element with attributes and children. Functions become listeners; null and false are left out.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, Attribute>} [attributes]
 * @param {(Node | string)[]} children
 */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== false) element.setAttribute(key, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * An SVG element with attributes.
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string | number>} attributes
 * @param {Node[]} children
 */
export function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/**
 * The first element of this type that the selector names, or null.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {new () => T} [type] by default HTMLElement
 * @param {ParentNode} [within]
 * @returns {T | null}
 */
export function findOptional(selector, type, within = document) {
  const element = within.querySelector(selector);
  return element instanceof (type ?? HTMLElement) ? /** @type {T} */ (element) : null;
}

/**
 * The first element of this type that the selector names. Throws where there is none.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {new () => T} [type] by default HTMLElement
 * @param {ParentNode} [within]
 * @returns {T}
 */
export function find(selector, type, within = document) {
  const element = findOptional(selector, type, within);
  if (element === null) throw new Error(`The page has no ${selector}.`);
  return element;
}

/**
 * All elements of this type that the selector names.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {new () => T} [type] by default HTMLElement
 * @param {ParentNode} [within]
 * @returns {T[]}
 */
export function findAll(selector, type, within = document) {
  const elements = [...within.querySelectorAll(selector)];
  return /** @type {T[]} */ (
    elements.filter((element) => element instanceof (type ?? HTMLElement))
  );
}

/**
 * The nearest element around the target of an event that the selector names, itself included.
 * @param {Event} event
 * @param {string} selector
 */
export function closest(event, selector) {
  const { target } = event;
  const element = target instanceof Element ? target.closest(selector) : null;
  return element instanceof HTMLElement ? element : null;
}

/**
 * Whether the keys that a person presses there belong to a text field, a list or a dialog.
 * @param {EventTarget | null} target
 */
export const takesKeys = (target) =>
  target instanceof Element &&
  target.closest("input:not([type=range]):not([type=checkbox]), select, textarea, dialog") !== null;

/**
 * Whether a key is a shortcut of the browser or the system. AltGr is none: it reaches the third
 * sign of a key, and on Windows it counts as Ctrl and Alt, too.
 * @param {KeyboardEvent} event
 */
export const isShortcut = (event) =>
  (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph");

let calls = 0;
let newestCall = 0;

const IDENTITY = ["id", "name", "value", "href", "aria-label"]; // attributes of a control

/**
 * What the same control is in another part, or undefined.
 * @param {Element} control
 * @param {Element} part
 */
function twinOf(control, part) {
  const twin = [...part.querySelectorAll(control.tagName)].find((other) =>
    IDENTITY.every((name) => other.getAttribute(name) === control.getAttribute(name)),
  );
  return twin instanceof HTMLElement ? twin : undefined;
}

/**
 * Load this page again and replace the parts that the selectors name, unless a later call has
 * already done so. The control that has the focus keeps it, where it is still there.
 * @param {string[]} selectors
 */
export async function refresh(...selectors) {
  const call = (calls += 1);
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error("The page could not be loaded again.");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (call < newestCall) return;
  newestCall = call;
  for (const selector of selectors) {
    const [element, fresh] = [document.querySelector(selector), page.querySelector(selector)];
    if (element && fresh && element.outerHTML !== fresh.outerHTML) {
      const { activeElement } = document;
      const twin = activeElement && element.contains(activeElement) && twinOf(activeElement, fresh);
      element.replaceWith(document.adoptNode(fresh));
      if (twin) twin.focus({ preventScroll: true });
    }
  }
}
