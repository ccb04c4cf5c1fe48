// What a browser keeps for a page; it may keep nothing (storage that is blocked throws when it is only named) or be full.

class Store {
  #open;

  constructor(open) {
    this.#open = open;
  }

  #try(act, otherwise) {
    try {
      return act(this.#open());
    } catch {
      return otherwise;
    }
  }

  /** The text of this name, or null. */
  read(name) {
    return this.#try((storage) => storage.getItem(name), null);
  }

  /** Keep a text; false where the browser doesn't. */
  write(name, text) {
    return this.#try((storage) => (storage.setItem(name, text), true), false);
  }

  erase(name) {
    this.#try((storage) => storage.removeItem(name));
  }

  /** The names that start so. */
  names(start) {
    return this.#try(
      (storage) => Object.keys(storage).filter((name) => name.startsWith(start)),
      [],
    );
  }
}

/** Through restarts of the browser, for all its tabs. */
export const lasting = new Store(() => localStorage);
/** For this tab. */
export const brief = new Store(() => sessionStorage);
