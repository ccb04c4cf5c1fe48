// What a browser stores for a page. It may be full, or store nothing: storage that is blocked throws
// as soon as it is named.

class SafeStorage {
  /** @type {() => Storage} */
  #open;

  /** @param {() => Storage} open */
  constructor(open) {
    this.#open = open;
  }

  /**
   * @template T
   * @param {(storage: Storage) => T} act
   * @param {T} otherwise
   */
  #try(act, otherwise) {
    try {
      return act(this.#open());
    } catch {
      return otherwise;
    }
  }

  /**
   * The text of this name, or null.
   * @param {string} name
   */
  read(name) {
    return this.#try((storage) => storage.getItem(name), null);
  }

  /**
   * Store a text; false where the browser does not.
   * @param {string} name
   * @param {string} text
   */
  write(name, text) {
    return this.#try((storage) => (storage.setItem(name, text), true), false);
  }

  /** @param {string} name */
  erase(name) {
    this.#try((storage) => storage.removeItem(name), undefined);
  }

  /**
   * The names that start with this.
   * @param {string} start
   */
  names(start) {
    return this.#try(
      (storage) => Object.keys(storage).filter((name) => name.startsWith(start)),
      /** @type {string[]} */ ([]),
    );
  }
}

/** For all tabs, through restarts of the browser. */
export const browserStorage = new SafeStorage(() => localStorage);
/** For this tab. */
export const tabStorage = new SafeStorage(() => sessionStorage);
