// The photographs of one view, fetched a page at a time as they come into sight.
import { Unavailable, get, isAbort } from "../lib/api.js";

/** @import { Photo, Photos } from "../lib/models.js" */

const PAGE = 100; // photographs
const MOST_PAGES = 40;
const MOST_AT_ONCE = 500; // photographs
const REST = 60; // milliseconds without scrolling before a page is fetched
const RETRY = 2000;

/**
 * @typedef {object} Events
 * @property {(from: number, to: number) => void} onArrival called when these photographs have come
 * @property {(error: unknown) => void} onFailure
 *   called with an error, or with null once all is well
 */

export class Listing {
  #timer = 0;
  #calls = 0;
  #newestCall = 0;
  /** @type {Map<number, Photo[]>} */
  #pages = new Map();
  /** @type {Map<number, AbortController>} */
  #requests = new Map();

  /**
   * @param {Record<string, string>} query the filters and the order
   * @param {Events} events
   */
  constructor(query, { onArrival, onFailure }) {
    this.query = query;
    this.onArrival = onArrival;
    this.onFailure = onFailure;
    this.total = 0;
  }

  /**
   * @param {number} offset
   * @param {number} limit
   * @param {RequestInit} [options]
   * @returns {Promise<Photos>}
   */
  #fetch(offset, limit, options) {
    const numbers = { offset: String(offset), limit: String(limit) };
    return get(`/api/photos?${new URLSearchParams({ ...this.query, ...numbers })}`, options);
  }

  /**
   * The photograph of this index, where it is here.
   * @param {number} index
   */
  get(index) {
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /**
   * Have the photographs of these indices fetched once the scrolling rests, and let go of pages far
   * away.
   * @param {number} from
   * @param {number} to
   */
  want(from, to) {
    clearTimeout(this.#timer);
    const first = Math.floor(from / PAGE);
    /** @type {number[]} */
    const pages = [];
    for (let page = first; page * PAGE < to; page += 1) pages.push(page);
    for (const [page, request] of this.#requests) if (!pages.includes(page)) request.abort();
    if (pages.every((page) => this.#pages.has(page) || this.#requests.has(page))) return;
    this.#timer = setTimeout(() => pages.forEach((page) => this.#fetchPage(page)), REST);
    this.#trim(first, pages.at(-1) ?? first);
  }

  /** @param {number} page */
  async #fetchPage(page) {
    if (this.#pages.has(page) || this.#requests.has(page)) return;
    const request = new AbortController();
    this.#requests.set(page, request);
    try {
      const { total, photos } = await this.#fetch(page * PAGE, PAGE, { signal: request.signal });
      this.#requests.delete(page);
      this.#pages.set(page, photos);
      this.total = total;
      this.onFailure(null);
      this.onArrival(page * PAGE, page * PAGE + photos.length);
    } catch (error) {
      this.#requests.delete(page);
      if (isAbort(error)) return;
      this.onFailure(error);
      if (error instanceof Unavailable) setTimeout(() => this.#fetchPage(page), RETRY);
    }
  }

  /**
   * Let go of the pages that are furthest from these.
   * @param {number} first
   * @param {number} last
   */
  #trim(first, last) {
    /** @param {number} page */
    const distance = (page) => (page < first ? first - page : Math.max(0, page - last));
    const pages = [...this.#pages.keys()].sort((a, b) => distance(b) - distance(a));
    const excess = Math.max(0, pages.length - MOST_PAGES);
    for (const page of pages.slice(0, excess)) this.#pages.delete(page);
  }

  /**
   * Forget everything and fetch these indices again, unless a later call has been answered before.
   * @param {number} from
   * @param {number} to
   */
  async reload(from, to) {
    const call = (this.#calls += 1);
    clearTimeout(this.#timer);
    for (const request of this.#requests.values()) request.abort();
    this.#requests.clear();
    const first = Math.floor(from / PAGE) * PAGE;
    const limit = Math.max(PAGE, Math.ceil((to - first) / PAGE) * PAGE);
    const { total, photos } = await this.#fetch(first, Math.min(MOST_AT_ONCE, limit));
    if (call < this.#newestCall) return;
    this.#newestCall = call;
    this.#pages.clear();
    for (let start = 0; start < photos.length; start += PAGE) {
      this.#pages.set((first + start) / PAGE, photos.slice(start, start + PAGE));
    }
    this.total = total;
  }

  /**
   * The photographs of a whole range, fetched where they are not here.
   * @param {number} from
   * @param {number} to
   */
  async photos(from, to) {
    /** @type {Photo[]} */
    const range = [];
    for (let index = from; index < to; index = from + range.length) {
      const photo = this.get(index);
      if (photo) {
        range.push(photo);
        continue;
      }
      const { photos } = await this.#fetch(index, Math.min(MOST_AT_ONCE, to - index));
      if (photos.length === 0) break;
      range.push(...photos);
    }
    return range;
  }
}
