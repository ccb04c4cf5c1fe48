// The photographs among files and folders that are dropped, pasted or chosen.
import { find } from "../lib/dom.js";

/** @typedef {{ key: string, file: File }} PhotoFile a photograph by its path in what was given */

/**
 * @typedef {object} Gathered
 * @property {PhotoFile[]} photos
 * @property {number} others files that are not photographs by their names
 * @property {boolean} hasFolder
 * @property {boolean} hasMore whether there are more photographs than these
 */

export const MOST_PHOTOS = 5000; // at a time
export const MOST_BYTES = 32 * 2 ** 20; // of a file
export const TOO_LARGE = "This file is larger than 32 MB. Use a smaller photograph.";
const ENDINGS = find("#chooser", HTMLInputElement)
  .accept.split(",")
  .filter((ending) => ending.startsWith("."));

/** @param {string} name */
function isPhoto(name) {
  const dot = name.lastIndexOf(".");
  return dot > 0 && ENDINGS.includes(name.slice(dot).toLowerCase());
}

/**
 * The files and folders that were dropped or pasted; asked for before that event is over.
 * @param {DataTransfer | null} transfer
 * @returns {(File | FileSystemDirectoryEntry)[]}
 */
export function itemsOf(transfer) {
  const items = [...(transfer?.items ?? [])].filter((item) => item.kind === "file");
  return items
    .map((item) => {
      const entry = item.webkitGetAsEntry();
      return entry && isFolder(entry) ? entry : item.getAsFile();
    })
    .filter((item) => item !== null);
}

/**
 * @param {FileSystemEntry} entry
 * @returns {entry is FileSystemDirectoryEntry}
 */
function isFolder(entry) {
  return entry.isDirectory;
}

/**
 * The photographs among files and in folders, by name. Throws where a folder can't be read.
 * @param {(File | FileSystemDirectoryEntry)[]} items
 * @returns {Promise<Gathered>}
 */
export async function gather(items) {
  /** @type {PhotoFile[]} */
  const photos = [];
  let others = 0;
  for (const item of items) {
    const files = item instanceof File ? [{ key: item.name, file: async () => item }] : under(item);
    for await (const { key, file } of files) {
      if (photos.length > MOST_PHOTOS) break;
      if (isPhoto(key)) photos.push({ key, file: await file() });
      else others += 1;
    }
  }
  const hasMore = photos.length > MOST_PHOTOS;
  photos.splice(MOST_PHOTOS);
  photos.sort((a, b) => a.key.localeCompare(b.key, "en", { numeric: true }));
  return { photos, others, hasFolder: items.some((item) => !(item instanceof File)), hasMore };
}

/**
 * The files in a folder and in the folders there; those are left out that a dot hides.
 * @param {FileSystemDirectoryEntry} folder
 * @returns {AsyncGenerator<{ key: string, file: () => Promise<File> }>}
 */
async function* under(folder) {
  const reader = folder.createReader();
  for (;;) {
    const entries = await asked(folder, (resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return; // a reader gives a hundred at a time
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      if (isFolder(entry)) yield* under(entry);
      else yield { key: entry.fullPath.slice(1), file: () => fileOf(entry) };
    }
  }
}

/** @param {FileSystemEntry} entry */
const fileOf = (entry) =>
  asked(entry, (resolve, reject) =>
    /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
  );

/**
 * @template T
 * @param {FileSystemEntry} entry
 * @param {(resolve: (value: T) => void, reject: () => void) => void} ask
 * @returns {Promise<T>}
 */
const asked = (entry, ask) =>
  new Promise((resolve, reject) =>
    ask(resolve, () =>
      reject(
        new Error(`“${entry.name}” can't be read. Look at its permissions and drop it again.`),
      ),
    ),
  );
