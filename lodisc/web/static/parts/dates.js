// While the server reads when photographs were taken: how far it is, and the order once it knows.
import { get } from "../lib/api.js";
import { findOptional } from "../lib/dom.js";
import { number } from "../lib/text.js";

const PERIOD = 1000; // milliseconds

/**
 * Tell how far it is, where photographs are ordered by date; `onEnd` is called once all are read.
 * @param {() => unknown} onEnd
 */
export function followDates(onEnd) {
  const line = findOptional("#dates");
  if (!line) return;
  const timer = setInterval(async () => {
    const dates = await get("/api/dates").catch(() => null);
    if (!dates) return;
    const { done, total } = dates;
    const words = `${number(done)} of ${number(total)}`;
    line.textContent = `Reading when photographs were taken: ${words}. Until then, files' dates count.`;
    line.hidden = done === total;
    if (done < total) return;
    clearInterval(timer);
    onEnd();
  }, PERIOD);
}
