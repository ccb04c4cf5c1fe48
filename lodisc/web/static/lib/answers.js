// Answers of the server that a page asks for again and again.
import { get } from "./api.js";

const MOST = 60;

/**
 * Answers by their address. A failure is forgotten, so that the next try asks again.
 * @template T
 */
export class Answers {
  /** @type {Map<string, Promise<T>>} */
  #answers = new Map();

  /**
   * @param {string} address
   * @returns {Promise<T>}
   */
  get(address) {
    const former = this.#answers.get(address);
    if (former) return former;
    const answer = get(address).catch((error) => {
      this.#answers.delete(address);
      throw error;
    });
    this.#answers.set(address, answer);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > MOST) this.#answers.delete(oldest);
    return answer;
  }
}
