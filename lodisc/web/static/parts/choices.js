// The labels that there are, in an order that stays: the first nine have a digit.
import { el, find, number, shown } from "../lib/dom.js";
import { lasting } from "../lib/storage.js";

const ORDER = `lodisc:${document.documentElement.dataset.collection}:order`;

function read() {
  try {
    const order = JSON.parse(lasting.read(ORDER));
    return Array.isArray(order) ? order.filter((label) => typeof label === "string") : [];
  } catch {
    return [];
  }
}

export class Choices {
  /** `chosen(label)` is told of clicks. */
  constructor(list, chosen) {
    Object.assign(this, { list, chosen, order: read(), counts: new Map() });
  }

  /** Take in the labels and counts of the server; those known keep their digits, new ones come behind. */
  show(labels, given) {
    this.counts = new Map(labels.map(({ label, count }) => [label, count]));
    this.order = [
      ...this.order.filter((label) => this.counts.has(label)),
      ...labels.map(({ label }) => label).filter((label) => !this.order.includes(label)),
    ];
    this.draw(given);
  }

  /** A label that was just given, perhaps for the first time. */
  count(label, more) {
    if (!this.order.includes(label)) this.order.push(label);
    this.counts.set(label, (this.counts.get(label) ?? 0) + more);
  }

  /** The label of a digit, or undefined. */
  digit(digit) {
    return this.order[digit - 1];
  }

  draw(given) {
    lasting.write(ORDER, JSON.stringify(this.order));
    const items = this.order.map((label, index) =>
      el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            class: label === given ? "given" : null,
            title: shown(label),
            click: () => this.chosen(label),
          },
          el("kbd", {}, index < 9 ? String(index + 1) : "·"),
          el("span", { class: "text" }, shown(label)),
          el("span", { class: "count" }, number(this.counts.get(label) ?? 0)),
        ),
      ),
    );
    this.list.replaceChildren(...items);
    find("#no-labels").hidden = items.length > 0;
  }

  flash(label) {
    this.list.children[this.order.indexOf(label)]?.querySelector("button").classList.add("flash");
  }
}
