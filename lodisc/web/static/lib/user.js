// The name of the person at this browser. The server writes it beside what they label.
import { browserStorage } from "./storage.js";

const NAME = "lodisc:user";
const { user: nameOfServer = "" } = document.documentElement.dataset;

/** The name, or an empty text. */
export const userName = () => browserStorage.read(NAME) || nameOfServer;

/** Whether the person has given a name, or has not wanted to. */
export const isAsked = () => browserStorage.read(NAME) !== null;

/**
 * Keep the name; false where the browser stores nothing.
 * @param {string} name
 */
export const setUserName = (name) => browserStorage.write(NAME, name);

/**
 * The header that tells the server whose request it is; an empty name is that of nobody known.
 * @param {string} name
 */
export const userHeader = (name) => ({ "Lodisc-User": encodeURIComponent(name) });
