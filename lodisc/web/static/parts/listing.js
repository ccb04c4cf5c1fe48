// The photographs of one view, fetched a page at a time as they come into sight.
import { Away, get } from "../lib/api.js";

const PAGE = 100;
const MOST_PAGES = 40;
const MOST_AT_ONCE = 500;
const REST = 60;
const RETRY = 2000;

export class Photographs {
  /** `query` are the filters and the order; `arrived(from, to)` is told of photographs that have come, `failed(error)` of trouble. */
  constructor(query, { arrived, failed }) {
    Object.assign(this, {
      query,
      arrived,
      failed,
      total: 0,
      pages: new Map(),
      asked: new Map(),
      timer: 0,
      calls: 0,
      newest: 0,
    });
  }

  address(offset, limit) {
    return `/api/photos?${new URLSearchParams({ ...this.query, offset, limit })}`;
  }

  get(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Have the photographs of these indices fetched once the scrolling rests, and let go of those far away. */
  want(from, to) {
    clearTimeout(this.timer);
    const wanted = [];
    for (let page = Math.floor(from / PAGE); page * PAGE < to; page += 1) wanted.push(page);
    for (const [page, aborter] of this.asked) if (!wanted.includes(page)) aborter.abort();
    if (wanted.every((page) => this.pages.has(page) || this.asked.has(page))) return;
    this.timer = setTimeout(() => wanted.forEach((page) => this.#fetch(page)), REST);
    this.#trim(wanted[0], wanted.at(-1));
  }

  async #fetch(page) {
    if (this.pages.has(page) || this.asked.has(page)) return;
    const aborter = new AbortController();
    this.asked.set(page, aborter);
    try {
      const { total, photos } = await get(this.address(page * PAGE, PAGE), {
        signal: aborter.signal,
      });
      this.asked.delete(page);
      this.pages.set(page, photos);
      this.total = total;
      this.failed(null);
      this.arrived(page * PAGE, page * PAGE + photos.length);
    } catch (error) {
      this.asked.delete(page);
      if (error.name === "AbortError") return;
      this.failed(error);
      if (error instanceof Away) setTimeout(() => this.#fetch(page), RETRY);
    }
  }

  #trim(first, last) {
    const far = [...this.pages.keys()].sort((one, other) => distance(other) - distance(one));
    function distance(page) {
      return page < first ? first - page : Math.max(0, page - last);
    }
    for (const page of far.slice(0, Math.max(0, far.length - MOST_PAGES))) this.pages.delete(page);
  }

  /** Forget everything and fetch these indices anew, unless a later call has been answered before. */
  async reload(from, to) {
    const call = (this.calls += 1);
    clearTimeout(this.timer);
    for (const aborter of this.asked.values()) aborter.abort();
    this.asked.clear();
    const first = Math.floor(from / PAGE) * PAGE;
    const { total, photos } = await get(
      this.address(
        first,
        Math.min(MOST_AT_ONCE, Math.max(PAGE, Math.ceil((to - first) / PAGE) * PAGE)),
      ),
    );
    if (call < this.newest) return;
    this.newest = call;
    this.pages.clear();
    for (let start = 0; start < photos.length; start += PAGE)
      this.pages.set((first + start) / PAGE, photos.slice(start, start + PAGE));
    this.total = total;
  }

  /** The ids of a whole range, fetched where they are not here. */
  async ids(from, to) {
    const found = [];
    for (let start = from; start < to;) {
      if (this.get(start)) {
        found.push(this.get(start).id);
        start += 1;
      } else {
        const { photos } = await get(this.address(start, Math.min(MOST_AT_ONCE, to - start)));
        if (photos.length === 0) break;
        found.push(...photos.map((photo) => photo.id));
        start += photos.length;
      }
    }
    return found;
  }
}
