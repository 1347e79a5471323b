import { say } from './log.ts';
import { duration } from './units.ts';

const everyMs = 1000;

/**
 * Logs the progress of long work every second.
 *
 * @param items an item counts as done when the next one is requested
 * @param name returns the name of an item, for the log
 */
export async function* withProgress<Item>(
  what: string,
  items: readonly Item[],
  name: (item: Item) => string,
): AsyncGenerator<Item> {
  const start = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const item = items[done];
    const at = item === undefined ? '' : `, now ${name(item)}`;
    const seconds = Math.round((performance.now() - start) / 1000);
    say(
      `${what}: ${done} of ${items.length} done, ${items.length - done} left after ${duration(seconds)}${at}`,
    );
  }, everyMs);
  // Otherwise it would keep the process running.
  timer.unref();
  try {
    for (const item of items) {
      yield item;
      done++;
    }
  } finally {
    clearInterval(timer);
  }
}
