// Where two photographs differ most, from the similarity of their patches.

/** @import { AttentionMap, Pair } from "../lib/models.js" */

/**
 * How much each patch of both differs from the other photograph, 0 to 1. That is one minus its best
 * cosine with any patch there, times its attention, as background has no counterpart either. It is
 * averaged over the patch and its neighbours, as most parts are larger than a patch.
 * @param {Pair} pair
 */
export function differencesOf({ a, b, similarity }) {
  const bestOfA = similarity.map((row) => Math.max(...row));
  const bestOfB = similarity[0].map((_, index) => Math.max(...similarity.map((row) => row[index])));
  return { a: differences(a, bestOfA), b: differences(b, bestOfB) };
}

/**
 * @param {AttentionMap} map
 * @param {number[]} best cosine of each patch
 */
function differences({ rows, columns, attention }, best) {
  return best.map((_, index) => {
    const [middle, centre] = [Math.floor(index / columns), index % columns];
    let [sum, count] = [0, 0];
    for (let row = Math.max(0, middle - 1); row <= Math.min(rows - 1, middle + 1); row += 1) {
      const last = Math.min(columns - 1, centre + 1);
      for (let column = Math.max(0, centre - 1); column <= last; column += 1) {
        sum += (1 - best[row * columns + column]) * attention[row][column];
        count += 1;
      }
    }
    return sum / count;
  });
}
